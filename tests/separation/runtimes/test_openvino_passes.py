"""Changes to OpenVINO graphs keep the accuracy of float32: long sums, and products with weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.models.mdx23c_files import SIZES
from tests.separation.conftest import level_db, noise

from unbraid.models.graphs import place_tensors
from unbraid.models.mdx23c_graph import build_graph
from unbraid.separation.runtimes.openvino import OpenVinoRuntime, import_openvino, prepare_large
from unbraid.separation.runtimes.openvino_passes import (
    LONGEST_SUM,
    average_rows,
    keep_channels_last,
    limit_products,
)
from unbraid.separation.runtimes.openvino_weights import MovedWeights

WEIGHTS = np.random.default_rng(0).standard_normal((64, 96)).astype(np.float16)
ROWS = 10.0 ** np.arange(-4, 16)[:, None] * np.random.default_rng(1).standard_normal((20, 64))


@pytest.fixture(scope="module")
def sums_graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Graph of `mixture` (b, 2, n): mean, mean of each channel, and both normalised."""
    constants = {
        "all": np.array([1, 2]),
        "last": np.array([-1]),
        "flat": np.array([0, 1, -1]),
        "ones": np.ones(2, np.float32),
        "zeros": np.zeros(2, np.float32),
        "one": np.ones(1, np.float32),
        "zero": np.zeros(1, np.float32),
    }
    nodes = [
        helper.make_node("ReduceMean", ["mixture", "all"], ["mean"], keepdims=1),
        helper.make_node("ReduceMean", ["mixture", "last"], ["means"], keepdims=0),
        helper.make_node("Reshape", ["mixture", "flat"], ["row"]),
        helper.make_node("InstanceNormalization", ["row", "one", "zero"], ["whole"], epsilon=1e-5),
        helper.make_node("InstanceNormalization", ["mixture", "ones", "zeros"], ["channels"], epsilon=1e-5),
    ]
    shapes = {"mean": ["b", 1, 1], "means": ["b", 2], "whole": ["b", 1, "all"], "channels": ["b", 2, "n"]}
    graph = helper.make_graph(
        nodes,
        "sums",
        [helper.make_tensor_value_info("mixture", TensorProto.FLOAT, ["b", 2, "n"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    path = tmp_path_factory.mktemp("graph") / "graph.onnx"
    onnx.save_model(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path
    )
    return path


# 65537 and 1299709 are prime: no row length divides them.
@pytest.mark.parametrize("silence", [0.0, 0.6], ids=["sound", "sound and silence"])
@pytest.mark.parametrize(
    ("batch", "samples"),
    [(1, 100), (1, LONGEST_SUM), (1, 21499), (1, 1 << 22), (3, 343980), (3, 65537), (1, 1299709)],
)
def test_sums_are_exact_to_float32(sums_graph: Path, batch: int, samples: int, silence: float) -> None:
    """In silence most values are equal, so that all roundings go one way."""
    signal = np.stack([noise(2, samples, seed) for seed in range(batch)])
    signal[..., : round(silence * samples)] = 0
    signal += np.float32(0.7)
    runtime = OpenVinoRuntime(sums_graph, {"mixture": signal.shape}, threads=1, jobs=1)
    exact = signal.astype(np.float64)
    row = exact.reshape(batch, 1, -1)
    expected = {
        "mean": exact.mean(axis=(1, 2), keepdims=True),
        "means": exact.mean(axis=2),
        "whole": normalised(row),
        "channels": normalised(exact),
    }
    with runtime.run({"mixture": signal}) as outputs:
        for name, value in expected.items():
            assert outputs[name].shape == value.shape
            assert level_db(outputs[name] - value, value) < -115, name


def normalised(values: np.ndarray) -> np.ndarray:
    """Scale to mean 0 and deviation 1 along the last axis."""
    centred = values - values.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)


def products_graph(folder: Path) -> Path:
    """Graph of `mixture` (1, 20, 64): times float16 weights plus bias, and times its own transpose."""
    nodes = [
        helper.make_node("Cast", ["half"], ["weights"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["mixture", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["layer"]),
        helper.make_node("Transpose", ["mixture"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["mixture", "turned"], ["itself"]),
    ]
    weights = {"half": WEIGHTS, "bias": np.ones(96, np.float32)}
    graph = helper.make_graph(
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
    onnx.save_model(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path
    )
    return path


def test_products_are_exact_to_float32_at_any_level(tmp_path: Path) -> None:
    mixture = ROWS[None].astype(np.float32)
    runtime = OpenVinoRuntime(products_graph(tmp_path), {"mixture": mixture.shape}, threads=1, jobs=1)
    exact = mixture.astype(np.float64)
    with runtime.run({"mixture": mixture}) as outputs:
        for row in range(20):
            layer = exact[0, row] @ WEIGHTS.astype(np.float64) + 1
            assert level_db(outputs["layer"][0, row] - layer, layer) < -120
            itself = exact[0, row] @ exact[0].T
            assert level_db(outputs["itself"][0, row] - itself, itself) < -120


def test_only_products_with_weights_are_limited(tmp_path: Path) -> None:
    openvino = import_openvino()
    network = openvino.Core().read_model(products_graph(tmp_path))
    limit_products(network, openvino.opset13)
    limited = [
        operation.input_value(0).get_node().get_friendly_name()
        for operation in network.get_ordered_ops()
        if operation.get_type_name() == "Clamp"
    ]
    assert limited == ["product"]


def columns_graph(path: Path) -> Path:
    """Graph of a convolution over (1, 2, 20, 64), and the product of its columns with WEIGHTS."""
    kernel = np.random.default_rng(2).standard_normal((16, 2, 1, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["mixture", "kernel"], ["channels"]),
        helper.make_node("MatMul", ["channels", "weights"], ["product"]),
    ]
    graph = helper.make_graph(
        nodes,
        "products",
        [helper.make_tensor_value_info("mixture", TensorProto.FLOAT, [1, 2, 20, 64])],
        [helper.make_tensor_value_info("product", TensorProto.FLOAT, [1, 16, 20, 96])],
        [
            numpy_helper.from_array(kernel, "kernel"),
            numpy_helper.from_array(WEIGHTS.astype(np.float32), "weights"),
        ],
    )
    onnx.save_model(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path
    )
    return path


def test_products_over_columns_keep_channels_last(tmp_path: Path) -> None:
    graph = columns_graph(tmp_path / "graph.onnx")
    mixture = noise(40, 64).reshape(1, 2, 20, 64)
    openvino, precision = import_openvino(), {"INFERENCE_PRECISION_HINT": "f32"}
    network = openvino.Core().read_model(graph)
    plain = openvino.Core().compile_model(network, "CPU", precision)({"mixture": mixture})["product"]
    keep_channels_last(network, openvino.opset13)
    (product,) = [one for one in network.get_ordered_ops() if one.get_type_name() == "MatMul"]
    assert list(product.get_input_shape(0)) == [1, 1, 96, 64]
    assert list(product.get_output_shape(0)) == [1, 20, 96, 16]
    changed = openvino.Core().compile_model(network, "CPU", precision)({"mixture": mixture})["product"]
    assert level_db(changed - plain, plain) < -120


def test_norms_of_images_are_exact_in_silence() -> None:
    """Most values are equal, so all roundings of a plain sum have the same sign; here without any products."""
    openvino, precision = import_openvino(), {"INFERENCE_PRECISION_HINT": "f32"}
    images = np.full((1, 16, 256, 256), 0.7, np.float32)
    images[:, :, :12] += noise(16, 12 * 256).reshape(16, 12, 256)
    operations = openvino.opset13
    parameter = operations.parameter(list(images.shape), np.float32, name="images")
    # The convolution keeps channels last, as in networks.
    identity = operations.constant(np.eye(16, dtype=np.float32)[:, :, None, None])
    convolved = operations.convolution(parameter, identity, [1, 1], [0, 0], [0, 0], [1, 1])
    norm = operations.mvn(convolved, np.array([2, 3]), True, 1e-5, "inside_sqrt")
    network = openvino.Model([norm], [parameter], "images")
    plain = openvino.Core().compile_model(network, "CPU", precision)([images])[0]
    average_rows(network, operations)
    assert "MVN" not in {one.get_type_name() for one in network.get_ordered_ops()}
    changed = openvino.Core().compile_model(network, "CPU", precision)([images])[0]
    values = images.astype(np.float64)
    centred = values - values.mean((2, 3), keepdims=True)
    exact = centred / np.sqrt((centred**2).mean((2, 3), keepdims=True) + 1e-5)
    assert level_db(changed - exact, exact) < -110
    assert level_db(plain - exact, exact) > -100  # otherwise the change would be unnecessary


def test_weights_move_to_a_file_and_stay_readable(tmp_path: Path) -> None:
    """They may be read again after they have left memory. Without a disk, they stay where they are."""
    graph = products_graph(tmp_path)
    mixture = noise(20, 64)[None]
    openvino, results = import_openvino(), []
    (tmp_path / "file").write_bytes(b"")
    for folder in (None, tmp_path / "moved", tmp_path / "file"):
        network = openvino.Core().read_model(graph)
        if folder is not None:
            weights = MovedWeights(network, openvino.opset13, openvino.Tensor, folder)
            found = {one.get_type_name() for one in network.get_ordered_ops()}
            assert ("Convert" in found) == (folder.name == "file")
        compiled = openvino.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        if folder is not None:
            weights.drop()
        results.append(compiled({"mixture": mixture})["layer"])
    assert list((tmp_path / "moved").iterdir()) == []
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_slices_of_weights_are_computed_before_they_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenVINO would compute them while it compiles, and keep them in memory."""
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    places = place_tensors(SIZES.shapes(), half=False)
    (tmp_path / "weights.bin").write_bytes(bytes(places[-1].offset + places[-1].length))
    graph = build_graph(SIZES, places)
    assert b"Slice" in graph
    (tmp_path / "graph.onnx").write_bytes(graph)
    shape = (1, 2, SIZES.n_fft // 2 + 1, SIZES.frames, 2)
    network, _ = prepare_large(tmp_path / "graph.onnx", {"spectrum": shape})
    convolutions = [one for one in network.get_ordered_ops() if one.get_type_name().startswith("Convolution")]
    assert len(convolutions) > 20
    assert {one.input_value(1).get_node().get_type_name() for one in convolutions} == {"Constant"}
