"""Graphs that are written without the package `onnx` are valid, and compute what their nodes say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator
from tests.models.roformer_files import BS, MEL

from unbraid.models.onnx_writer import OnnxGraph
from unbraid.models.roformer import layout
from unbraid.models.roformer_graph import build_block, build_graph


def test_a_graph_computes_what_its_nodes_say(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(
        np.array([1, 2], "<f4").tobytes() + np.array([[0.5, 0.25, 4]], "<f2").tobytes()
    )
    graph = OnnxGraph("w.bin")
    x = graph.input("x", (2, 3))
    bias = graph.weight("bias", (2,), 0, 8, half=False)
    scale = graph.weight("scale", (1, 3), 8, 6, half=True)
    first, second = graph.add_split("Split", [graph.add("Mul", x, scale)], 2, axis=0, num_outputs=2)
    mean = graph.add("ReduceMean", graph.add("Sub", first, second), graph.constant([-1]), keepdims=0)
    total = graph.add("LeakyRelu", graph.add("Add", mean, bias), alpha=0.5)
    graph.output("y", graph.add("Mul", total, graph.constant(-3.0)), (2,))
    path = tmp_path / "graph.onnx"
    path.write_bytes(graph.content())
    onnx.checker.check_model(path, full_check=True)
    values = np.array([[1, 2, 3], [4, 5, 600]], np.float32)
    (result,) = ReferenceEvaluator(onnx.load(path)).run(None, {"x": values})
    scaled = values * [0.5, 0.25, 4]
    expected = (scaled[0] - scaled[1]).mean() + np.array([1, 2])
    np.testing.assert_allclose(result, -3 * np.where(expected < 0, 0.5, 1) * expected, rtol=1e-6)


def test_equal_constants_are_stored_once() -> None:
    graph = OnnxGraph("w.bin")
    assert graph.constant([1, -1]) == graph.constant([1, -1]) != graph.constant([1.0, -1.0])
    assert graph.constant(1.0) != graph.constant([1.0])


def test_graphs_of_transformers_are_valid_and_always_the_same(tmp_path: Path) -> None:
    for sizes in (MEL, BS):
        places = layout(sizes)
        content = build_graph(sizes, places)
        assert content == build_graph(sizes, places)
        model = onnx.load_from_string(content)
        weights = {tensor.name.removesuffix(".float16") for tensor in model.graph.initializer}
        assert weights.issuperset(p.name for p in places if p.name.startswith("band_split."))
        assert not any(name.startswith(("layers.", "mask_estimators.")) for name in weights)
        length = max(place.offset + place.length for place in places)
        (tmp_path / "weights.bin").write_bytes(bytes(length))
        (tmp_path / "graph.onnx").write_bytes(content)
        onnx.checker.check_model(tmp_path / "graph.onnx", full_check=True)
        angles = np.zeros((7, sizes.head_width // 2), np.float32)
        block = build_block(sizes, 3, (np.cos(angles), np.sin(angles)), norms=2)
        onnx.checker.check_model(onnx.load_from_string(block), full_check=True)
