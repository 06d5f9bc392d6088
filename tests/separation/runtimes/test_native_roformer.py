"""The native library computes the layers of Roformers whose sizes it supports, after a check against OpenVINO."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.models.roformer_files import HOP, MEL, N_FFT, SEGMENT, config_of, state_of, write_files
from tests.native.networks import needs_library
from tests.separation.conftest import noise

from unbraid.models import Model, find_model
from unbraid.native import library
from unbraid.separation.runtimes import checked, native_roformer
from unbraid.separation.runtimes.accuracy import AccuracyRecord, is_loud
from unbraid.separation.runtimes.base import Runtime
from unbraid.separation.runtimes.checked import CheckedRuntime, compute_floats
from unbraid.separation.runtimes.choose import RuntimeLoader
from unbraid.separation.runtimes.native import OUTDATED
from unbraid.separation.runtimes.native_roformer import NativeLayers
from unbraid.separation.runtimes.roformer import RoformerRuntime
from unbraid.separation.runtimes.roformer_layers import Layers
from unbraid.separation.spectral import Spectral

SIZES = replace(MEL, width=64, heads=2, head_width=32, hidden=128)
SHAPES = {"spectrum": (1, 2, SIZES.bins, SIZES.frames, 2)}


@pytest.fixture(autouse=True)
def native_library_is_checked() -> None:
    """Replace the fixture that skips the check."""


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))


def network_of(path: Path) -> Model:
    return find_model(path).members[0].model


@pytest.fixture
def ordinary(tmp_path: Path) -> Model:
    return network_of(write_files(tmp_path / "ordinary", SIZES))


@pytest.fixture
def sharp(tmp_path: Path) -> Model:
    """A model whose attention is so sharp that the integers of queries and keys decide."""
    state = state_of(SIZES)
    for name in [name for name in state if name.endswith("to_qkv.weight")]:
        state[name] = state[name].clone()
        state[name][: 2 * 64] *= 40
    return network_of(write_files(tmp_path / "sharp", SIZES, state=state, config=config_of(SIZES)))


def inputs_of(level: float = 0.1) -> dict[str, np.ndarray]:
    song = noise(2, SEGMENT)
    return {"spectrum": Spectral(N_FFT, HOP).forward(np.float32(level / song.std()) * song)[None]}


def run(runtime: Runtime, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    with runtime.run(inputs) as outputs:
        return np.array(outputs["spectra"])


def floats(model: Model) -> np.ndarray:
    return run(RoformerRuntime(model, SIZES, SHAPES, threads=1, jobs=1), inputs_of())


@needs_library
def test_exact_weights_are_checked_once(ordinary: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    notices: list[str] = []
    runtime = RuntimeLoader(ordinary, "cpu", notice=notices.append).load(ordinary, SHAPES)
    assert isinstance(runtime, CheckedRuntime)
    calls = []
    monkeypatch.setattr(
        checked, "compute_floats", lambda *given: calls.append(given) or compute_floats(*given)
    )
    outputs = run(runtime, inputs_of())
    run(runtime, inputs_of())
    assert len(calls) == 1 and notices == []
    error = np.square(outputs - floats(ordinary), dtype=np.float64).sum()
    expected_db = 10 * np.log10(error / np.square(inputs_of()["spectrum"], dtype=np.float64).sum())
    assert AccuracyRecord(ordinary).read() == pytest.approx(expected_db, abs=0.1)
    assert -100 < expected_db < -60
    # The next process does not check again.
    again = RuntimeLoader(ordinary, "cpu").load(ordinary, SHAPES)
    assert isinstance(again, RoformerRuntime) and isinstance(again._layers, NativeLayers)
    assert np.array_equal(run(again, inputs_of()), outputs)


@needs_library
def test_floats_compute_inexact_weights(sharp: Model) -> None:
    notices: list[str] = []
    loader = RuntimeLoader(sharp, "cpu", threads=1, notice=notices.append)
    outputs = run(loader.load(sharp, SHAPES), inputs_of())
    assert np.array_equal(outputs, floats(sharp))
    again = loader.load(sharp, SHAPES)
    assert isinstance(again, RoformerRuntime) and isinstance(again._layers, Layers)
    assert len(notices) == 2 and notices[0] == notices[1]
    assert notices[0].startswith("The native library isn't exact enough for ")


@needs_library
def test_quiet_and_infinite_segments_are_not_checked(
    ordinary: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checked, "compute_floats", lambda *given: pytest.fail("checked"))
    run(RuntimeLoader(ordinary, "cpu").load(ordinary, SHAPES), inputs_of(0.004))
    assert is_loud(ordinary, inputs_of(0.006))
    assert not is_loud(ordinary, {"spectrum": np.full(SHAPES["spectrum"], np.inf, np.float32)})


@pytest.mark.parametrize("outdated", [False, True])
def test_openvino_computes_without_the_library(
    ordinary: Model, outdated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_roformer, "native_library", lambda: None)
    monkeypatch.setattr(library, "is_outdated", lambda: outdated)
    notices: list[str] = []
    runtime = RuntimeLoader(ordinary, "cpu", notice=notices.append).load(ordinary, SHAPES)
    assert isinstance(runtime, RoformerRuntime) and isinstance(runtime._layers, Layers)
    assert notices == ([OUTDATED] if outdated else [])


def test_openvino_computes_sizes_that_the_library_does_not_support(tmp_path: Path) -> None:
    model = network_of(write_files(tmp_path))  # heads of 8 numbers
    runtime = RuntimeLoader(model, "cpu", threads=1).load(model, SHAPES)
    assert isinstance(runtime, RoformerRuntime) and isinstance(runtime._layers, Layers)
