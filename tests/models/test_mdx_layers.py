"""The layers of an MDX-Net are found in its graph; any other graph has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.models.mdx_files import SMALL, small_sizes, write_small

from unbraid.models import find_model
from unbraid.models.mdx import load_mdx_file
from unbraid.models.mdx_graph import MdxGraph, check_mdx_graph
from unbraid.models.mdx_layers import layers_of, read_layers, sizes_of
from unbraid.models.readers.onnx import read_graph
from unbraid.models.readers.onnx_graph import Node

ALL_BINS = 1281


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))


def test_finds_the_sizes_of_a_model(tmp_path: Path) -> None:
    layers = read_layers(load_mdx_file(write_small(tmp_path)))
    assert layers is not None
    assert sizes_of(layers) == {
        "bins": SMALL.bins,
        "frames": SMALL.frames,
        "all_bins": ALL_BINS,
        "first_bin": 3,
        "growth": SMALL.growth,
        "levels": SMALL.levels,
        "convolutions": 3,
        "narrow": SMALL.bins // 8,
    }
    # First and last layer; five blocks of three convolutions and two products; two layers down, two layers up.
    assert len(layers.tensors) == 2 * 2 + 5 * (3 * 2 + 2 * 3) + 4 * 2


def test_scales_of_the_model_are_part_of_the_weights(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    layers = read_layers(load_mdx_file(path))
    bare = layers_of(check_mdx_graph(read_graph(path)), ALL_BINS)
    assert layers is not None and bare is not None
    scale, gain = 2560**0.5, 1.02 / 2560**0.5
    np.testing.assert_allclose(layers.tensors[0], bare.tensors[0] * scale, rtol=1e-6)
    np.testing.assert_array_equal(layers.tensors[1], bare.tensors[1])
    for place in (-2, -1):
        np.testing.assert_allclose(layers.tensors[place], bare.tensors[place] * gain, rtol=1e-6)


def test_network_with_group_normalisation_has_no_layers(tmp_path: Path) -> None:
    assert read_layers(load_mdx_file(write_small(tmp_path, norm="group"))) is None


def test_other_models_have_no_layers(tmp_path: Path) -> None:
    assert read_layers(find_model("lite")) is None
    model = load_mdx_file(write_small(tmp_path))
    assert read_layers(replace(model, inputs=("mixture",))) is None
    assert read_layers(replace(model, n_fft=4096)) is None
    assert read_layers(replace(model, folder=tmp_path)) is None


@pytest.fixture
def graph(tmp_path: Path) -> MdxGraph:
    return check_mdx_graph(read_graph(write_small(tmp_path)))


def place_of(graph: MdxGraph, operator: str, number: int = 0) -> int:
    return [k for k, node in enumerate(graph.nodes) if node.operator == operator][number]


def another_operator(graph: MdxGraph) -> None:
    place = place_of(graph, "Mul")
    graph.nodes[place] = replace(graph.nodes[place], operator="Add")


def another_skip(graph: MdxGraph) -> None:
    place = place_of(graph, "Mul")
    graph.nodes[place] = replace(graph.nodes[place], inputs=(graph.nodes[place].inputs[0],) * 2)


def another_padding(graph: MdxGraph) -> None:
    place = place_of(graph, "Conv", 1)
    node = graph.nodes[place]
    graph.nodes[place] = replace(node, attributes={**node.attributes, "pads": (2, 0, 1, 1)})


def another_input(graph: MdxGraph) -> None:
    place = place_of(graph, "MatMul")
    node = graph.nodes[place]
    graph.nodes[place] = replace(node, inputs=("input", node.inputs[1]))


def missing_relu(graph: MdxGraph) -> None:
    place = place_of(graph, "Relu", 1)
    before, after = graph.nodes[place - 1 : place + 1]
    graph.nodes[place - 1 : place + 1] = [replace(before, outputs=after.outputs)]


def block_of_four(graph: MdxGraph) -> None:
    place = place_of(graph, "Conv", 6)
    node = graph.nodes[place]
    new = Node("Conv", ("again", *node.inputs[1:]), node.outputs, node.attributes)
    graph.nodes[place : place + 1] = [
        replace(node, outputs=("more",)),
        Node("Relu", ("more",), ("again",), {}),
        new,
    ]


def end_is_missing(graph: MdxGraph) -> None:
    del graph.nodes[-2:]


def more_at_the_end(graph: MdxGraph) -> None:
    graph.nodes.append(Node("Relu", ("output",), ("more",), {}))


@pytest.mark.parametrize(
    "change",
    [
        another_operator,
        another_skip,
        another_padding,
        another_input,
        missing_relu,
        block_of_four,
        end_is_missing,
        more_at_the_end,
    ],
)
def test_graph_with_another_structure_has_no_layers(
    graph: MdxGraph, change: Callable[[MdxGraph], None]
) -> None:
    assert layers_of(graph, ALL_BINS) is not None
    change(graph)
    assert layers_of(graph, ALL_BINS) is None


def test_bias_is_optional(graph: MdxGraph) -> None:
    place = place_of(graph, "Conv", 1)
    node = graph.nodes[place]
    graph.nodes[place] = replace(node, inputs=node.inputs[:2])
    layers = layers_of(graph, ALL_BINS)
    assert layers is not None
    assert layers.growth == small_sizes().growth and not layers.tensors[3].any()
