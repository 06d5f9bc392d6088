"""The limit that products with weights are given changes no sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tests.separation.conftest import level_db

from unbraid.separation.runtimes.openvino import OpenVinoRuntime, import_openvino
from unbraid.separation.runtimes.openvino_products import limit_products

WEIGHTS = np.random.default_rng(0).standard_normal((64, 96)).astype(np.float16)
ROWS = 10.0 ** np.arange(-4, 16)[:, None] * np.random.default_rng(1).standard_normal((20, 64))


def graph_in(folder: Path) -> Path:
    """`mixture` (1, 20, 64) -> times weights from float16 and bias, and times itself."""
    nodes = [
        helper.make_node("Cast", ["half"], ["weights"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["mixture", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["layer"]),
        helper.make_node("Transpose", ["mixture"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["mixture", "turned"], ["itself"]),
    ]
    weights = {"half": WEIGHTS, "bias": np.ones(96, np.float32)}
    made = helper.make_graph(
        nodes,
        "products",
        [helper.make_tensor_value_info("mixture", TensorProto.FLOAT, [1, 20, 64])],
        [
            helper.make_tensor_value_info("layer", TensorProto.FLOAT, [1, 20, 96]),
            helper.make_tensor_value_info("itself", TensorProto.FLOAT, [1, 20, 20]),
        ],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    path = folder / "graph.onnx"
    onnx.save_model(helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def test_products_are_those_of_float32_whatever_the_level(tmp_path: Path) -> None:
    mixture = ROWS[None].astype(np.float32)
    runtime = OpenVinoRuntime(graph_in(tmp_path), {"mixture": mixture.shape}, threads=1, jobs=1)
    exact = mixture.astype(np.float64)
    with runtime.run({"mixture": mixture}) as outputs:
        for row in range(20):
            layer = exact[0, row] @ WEIGHTS.astype(np.float64) + 1
            assert level_db(outputs["layer"][0, row] - layer, layer) < -120
            itself = exact[0, row] @ exact[0].T
            assert level_db(outputs["itself"][0, row] - itself, itself) < -120


def test_only_products_with_weights_are_limited(tmp_path: Path) -> None:
    openvino = import_openvino()
    network = openvino.Core().read_model(graph_in(tmp_path))
    limit_products(network, openvino.opset13)
    limited = [
        operation.input_value(0).get_node().get_friendly_name()
        for operation in network.get_ordered_ops()
        if operation.get_type_name() == "Clamp"
    ]
    assert limited == ["product"]
