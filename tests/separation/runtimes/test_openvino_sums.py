"""Means and normalisations over millions of values keep the accuracy of float32, whatever the number of values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.separation.conftest import level_db, noise

from unbraid.separation.runtimes.openvino import OpenVinoRuntime
from unbraid.separation.runtimes.openvino_sums import LONG


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`mixture` (b, 2, n) -> its mean, each channel's mean, the whole normalised, and each channel."""
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
    made = helper.make_graph(
        nodes,
        "sums",
        [helper.make_tensor_value_info("mixture", TensorProto.FLOAT, ["b", 2, "n"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    path = tmp_path_factory.mktemp("graph") / "graph.onnx"
    onnx.save_model(helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


# 65537 and 1299709 are prime: no row of any length fills them.
@pytest.mark.parametrize("silence", [0.0, 0.6], ids=["sound", "sound and silence"])
@pytest.mark.parametrize(
    ("batch", "samples"),
    [(1, 100), (1, LONG), (1, 21499), (1, 1 << 22), (3, 343980), (3, 65537), (1, 1299709)],
)
def test_sums_are_exact_to_float32(graph: Path, batch: int, samples: int, silence: float) -> None:
    """Also where most values are the same, so that all roundings go one way."""
    signal = np.stack([noise(2, samples, seed) for seed in range(batch)])
    signal[..., : round(silence * samples)] = 0
    signal += np.float32(0.7)
    runtime = OpenVinoRuntime(graph, {"mixture": signal.shape}, threads=1, jobs=1)
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
    """Mean 0 and deviation 1 along the last axis."""
    centred = values - values.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
