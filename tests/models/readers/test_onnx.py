"""ONNX files are read without running anything; foreign, damaged and hostile ones give one line."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.models.mdx_files import write_small

from unbraid.errors import ModelError
from unbraid.models.mdx_graph import check_mdx_graph
from unbraid.models.readers.onnx import MOST_NODES, read_graph
from unbraid.models.readers.tensors import PackageError

INPUT = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 4, 32, 8])
OUTPUT = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 4, 32, 8])


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small(tmp_path_factory.mktemp("published"))


def model(*nodes: onnx.NodeProto, weights: dict[str, np.ndarray] | None = None) -> onnx.ModelProto:
    """A graph of these nodes from `input` to `output`."""
    tensors = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(nodes, "graph", [INPUT], [OUTPUT], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def relu() -> onnx.ModelProto:
    return model(helper.make_node("Relu", ["input"], ["output"]))


def write(path: Path, content: onnx.ModelProto) -> Path:
    path.write_bytes(content.SerializeToString())
    return path


def test_agrees_with_the_package_onnx(published: Path) -> None:
    graph, expected = read_graph(published), onnx.load(published).graph
    assert [node.operator for node in graph.nodes] == [node.op_type for node in expected.node]
    assert [(node.inputs, node.outputs) for node in graph.nodes] == [
        (tuple(node.input), tuple(node.output)) for node in expected.node
    ]
    for node, other in zip(graph.nodes, expected.node, strict=True):
        attributes = {one.name: helper.get_attribute_value(one) for one in other.attribute}
        assert node.attributes.keys() == attributes.keys()
        for name, value in attributes.items():
            if not isinstance(value, TensorProto):
                assert node.attributes[name] == pytest.approx(
                    tuple(value) if isinstance(value, list) else value
                )
    assert graph.weights.keys() == {tensor.name for tensor in expected.initializer}
    for tensor in expected.initializer:
        np.testing.assert_array_equal(graph.weights[tensor.name], numpy_helper.to_array(tensor))
    assert graph.inputs == {"input": (None, 4, 512, 16)}
    assert (graph.outputs, graph.opset) == (["output"], 13)


def test_reads_numbers_in_lists(tmp_path: Path) -> None:
    gain = helper.make_tensor("gain", TensorProto.FLOAT, [2], [1.5, -2.0])  # float_data instead of raw_data
    sizes = helper.make_tensor("sizes", TensorProto.INT64, [3], [1, -1, 300])
    content = relu()
    content.graph.initializer.extend([gain, sizes])
    graph = read_graph(write(tmp_path / "a.onnx", content))
    assert graph.weights["gain"].tolist() == [1.5, -2.0]
    assert graph.weights["sizes"].tolist() == [1, -1, 300]


def external(content: onnx.ModelProto) -> None:
    tensor = content.graph.initializer.add(name="w", data_type=1, dims=[1], data_location=1)
    tensor.external_data.add(key="location", value="/etc/passwd")


def subgraph(content: onnx.ModelProto) -> None:
    content.graph.node[0].attribute.add(name="body", type=5).g.CopyFrom(relu().graph)


def function(content: onnx.ModelProto) -> None:
    content.functions.add(name="Relu", domain="")


def foreign_domain(content: onnx.ModelProto) -> None:
    content.graph.node[0].domain = "com.example"


def sparse(content: onnx.ModelProto) -> None:
    content.graph.sparse_initializer.add()


def many_nodes(content: onnx.ModelProto) -> None:
    content.graph.node.extend([content.graph.node[0]] * MOST_NODES)


def not_a_number(content: onnx.ModelProto) -> None:
    content.graph.initializer.append(numpy_helper.from_array(np.float32([np.nan]), "w"))


def short_weight(content: onnx.ModelProto) -> None:
    content.graph.initializer.add(name="w", data_type=1, dims=[1 << 40, 1 << 40], raw_data=b"abcd")


def old_opset(content: onnx.ModelProto) -> None:
    content.opset_import[0].version = 6


def double(content: onnx.ModelProto) -> None:
    content.graph.initializer.append(numpy_helper.from_array(np.zeros(1), "w"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (external, "its weights are in another file"),
        (subgraph, "it has graphs inside its operations"),
        (function, "it has functions or training steps"),
        (foreign_domain, "doesn't support its operators ('com.example')"),
        (sparse, "its weights are quantised or sparse"),
        (many_nodes, "it has too many operations"),
        (not_a_number, "a weight is infinite or NaN"),
        (short_weight, "a tensor's shape doesn't fit its length"),
        (old_opset, "its operators have version 6, and Unbraid reads 7 to 22"),
        (double, "its numbers have an unsupported type (11)"),
    ],
)
def test_refuses_what_no_mdx_net_needs(
    tmp_path: Path, change: Callable[[onnx.ModelProto], None], reason: str
) -> None:
    content = relu()
    read_graph(write(tmp_path / "good.onnx", content))
    change(content)
    path = write(tmp_path / "bad.onnx", content)
    with pytest.raises(ModelError) as caught:
        read_graph(path)
    assert reason in caught.value.message
    assert caught.value.message.startswith(f"{path} can't be used: ")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip", b"\x80\x02}q\x00.", bytes(64), b"\xff" * 64])
def test_refuses_other_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="it is damaged, truncated or not an ONNX file"):
        read_graph(path)


def test_reports_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no such file"):
        read_graph(tmp_path / "a.onnx")


def test_truncated_and_altered_files_give_one_line(published: Path, tmp_path: Path) -> None:
    """300 files: cut off, or with altered bytes where the structure is. Each is read as a network, or refused."""
    content, draw, path = published.read_bytes(), random.Random(0), tmp_path / "a.onnx"
    weights = max(
        (content.index(tensor.raw_data), len(tensor.raw_data))
        for tensor in onnx.load(published).graph.initializer
        if tensor.raw_data
    )[0]
    refused = 0
    for number in range(300):
        altered = bytearray(content)
        if number % 3 == 0:
            del altered[draw.randrange(len(content)) :]
        else:
            for _ in range(draw.randint(1, 4)):
                place = draw.choice([draw.randrange(min(20_000, weights)), draw.randrange(len(content))])
                altered[place] = draw.randrange(256)
        path.write_bytes(altered)
        try:
            check_mdx_graph(read_graph(path))
        except (ModelError, PackageError) as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 100  # every truncated file, and most of the others
