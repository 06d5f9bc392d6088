"""The graph of an MDX-Net is rebuilt from known operators, with all sizes checked."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from tests.models.mdx_files import SMALL, write_small
from tests.models.readers.test_onnx import model, relu, write

from unbraid.models.mdx_graph import check_mdx_graph
from unbraid.models.readers.onnx import read_graph
from unbraid.models.readers.tensors import PackageError

KERNEL = np.zeros((4, 4, 3, 3), np.float32)


def node(operator: str, *inputs: str, output: str = "output", **attributes: object) -> onnx.NodeProto:
    return helper.make_node(operator, ["input", *inputs], [output], **attributes)


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_accepts_networks_of_the_published_structure(tmp_path: Path, norm: str) -> None:
    checked = check_mdx_graph(read_graph(write_small(tmp_path, norm=norm)))
    assert (checked.bins, checked.frames) == (SMALL.bins, SMALL.frames)
    operators = {one.operator for one in checked.nodes}
    assert {"Conv", "ConvTranspose", "MatMul", "Mul", "Add", "Relu", "Transpose"} <= operators
    assert operators.isdisjoint({"Constant", "Identity", "Shape", "Unsqueeze"})
    assert ("InstanceNormalization" in operators) == (norm == "group")


def test_counts_the_work(tmp_path: Path) -> None:
    convolution = model(node("Conv", "w", pads=[1, 1, 1, 1]), weights={"w": KERNEL})
    checked = check_mdx_graph(read_graph(write(tmp_path / "a.onnx", convolution)))
    assert checked.work == 4 * 32 * 8 * 4 * 9  # results, times inputs and window


def test_names_and_notes_of_the_file_are_not_kept(tmp_path: Path) -> None:
    content = relu()
    content.graph.node[0].name = content.graph.doc_string = content.producer_name = "secret"
    checked = check_mdx_graph(read_graph(write(tmp_path / "a.onnx", content)))
    assert "secret" not in repr(checked)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (model(node("Loop")), "doesn't support its operator 'Loop'"),
        (model(node("Relu", speed=1)), "its Relu has an unknown attribute 'speed'"),
        (model(node("Relu", "input")), "its Relu has 2 inputs"),
        (model(node("Add", "missing")), "'missing' is missing"),
        (model(node("Relu", output="other")), "'output' is missing"),
        (model(node("Conv", "w"), weights={"w": KERNEL}), "its output differs in size"),
        (
            model(node("Conv", "w", auto_pad="SAME_UPPER"), weights={"w": KERNEL}),
            "a convolution has an unexpected window",
        ),
        (
            model(node("Conv", "w", pads=[-9, 0, 0, 0]), weights={"w": KERNEL}),
            "a convolution has an unexpected window",
        ),
        (model(node("Conv", "w"), weights={"w": KERNEL[:, :3]}), "an unexpected number of channels"),
        (model(node("Conv", "input")), "a weight of its Conv is missing"),
        (
            model(node("ConvTranspose", "w", strides=[60000, 60000]), weights={"w": KERNEL}),
            "the result of its ConvTranspose is empty or too large",
        ),
        (model(node("Transpose", perm=[0, 1, 2, 2])), "its Transpose has unexpected axes"),
        (model(node("Reshape", "s"), weights={"s": np.int64([4, 0])}), "its Reshape has an unexpected size"),
        (model(node("Reshape", "input")), "sizes of its Reshape aren't constant"),
        (model(node("MatMul", "w"), weights={"w": KERNEL[0, 0]}), "the inputs of its MatMul have different"),
        (
            model(node("Add", "w"), weights={"w": KERNEL[0, 0, 0]}),
            "the inputs of its Add have different sizes",
        ),
    ],
)
def test_refuses_other_graphs(tmp_path: Path, content: onnx.ModelProto, reason: str) -> None:
    graph = read_graph(write(tmp_path / "a.onnx", content))
    with pytest.raises(PackageError) as caught:
        check_mdx_graph(graph)
    assert reason in str(caught.value)


def test_refuses_endless_work(tmp_path: Path) -> None:
    """A few convolutions with many channels would take hours for each segment."""
    wide, names = np.zeros((1 << 12, 1 << 12, 1, 1), np.float32), [f"x{k}" for k in range(2200)]
    nodes = [helper.make_node("Conv", ["input", "first"], ["x0"])]
    nodes += [helper.make_node("Conv", [x, "wide"], [y]) for x, y in pairwise(names)]
    content = model(*nodes, weights={"first": wide[:, :4], "wide": wide})
    graph = read_graph(write(tmp_path / "a.onnx", content))
    with pytest.raises(PackageError, match="more work than any MDX-Net"):
        check_mdx_graph(graph)


def test_refuses_many_copies_of_a_weight(tmp_path: Path) -> None:
    """A weight in a new shape for every operation would fill the disk."""
    nodes, last = [], "input"
    for k in range(300):
        nodes.append(helper.make_node("Unsqueeze", ["large", "axis"], [f"weight{k}"]))
        nodes.append(helper.make_node("Add", [last, f"weight{k}"], [f"sum{k}"]))
        last = f"sum{k}"
    content = model(*nodes, weights={"large": np.zeros((4, 512, 512), np.float32), "axis": np.int64([0])})
    for size, name in ((512, 2), (512, 3)):
        content.graph.input[0].type.tensor_type.shape.dim[name].dim_value = size
    graph = read_graph(write(tmp_path / "a.onnx", content))
    with pytest.raises(PackageError, match="more weights than any MDX-Net"):
        check_mdx_graph(graph)


def test_refuses_endless_memory(tmp_path: Path) -> None:
    """Results that are kept for a last operation would need more memory than the machine has."""
    kernel = np.zeros((2048, 4, 1, 1), np.float32)
    nodes = [helper.make_node("Conv", ["input", "w"], [f"x{k}"]) for k in range(40)]
    nodes += [helper.make_node("Add", [f"x{k}", "x0"], [f"y{k}"]) for k in range(40)]
    content = model(
        *nodes,
        helper.make_node("Conv", ["y0", "v"], ["output"]),
        weights={"w": kernel, "v": np.zeros((4, 2048, 1, 1), np.float32)},
    )
    for value in (content.graph.input[0], content.graph.output[0]):
        value.type.tensor_type.shape.dim[2].dim_value = 256
        value.type.tensor_type.shape.dim[3].dim_value = 64
    graph = read_graph(write(tmp_path / "a.onnx", content))
    with pytest.raises(PackageError, match="more memory than any MDX-Net"):
        check_mdx_graph(graph)


def test_refuses_inputs_of_other_networks(tmp_path: Path) -> None:
    content = relu()
    content.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 2
    with pytest.raises(PackageError, match=r"its input is \? x 2 x 32 x 8, unlike that of an MDX-Net"):
        check_mdx_graph(read_graph(write(tmp_path / "a.onnx", content)))
