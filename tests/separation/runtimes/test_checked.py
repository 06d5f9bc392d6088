"""The native library is checked once with each set of weights. If it is not exact enough, floats compute."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from tests.native.networks import SPECTRAL, audible_network, needs_library, round_to_float16, song
from tests.separation.engines import choose, folder_of

from unbraid.errors import ModelError
from unbraid.models import Model
from unbraid.models.cache import cache_folder
from unbraid.native import library
from unbraid.separation.runtimes import checked
from unbraid.separation.runtimes.accuracy import AccuracyRecord, is_loud
from unbraid.separation.runtimes.checked import CheckedRuntime, CheckError, compute_floats
from unbraid.separation.runtimes.choose import RuntimeLoader
from unbraid.separation.runtimes.native import OUTDATED, NativeRuntime
from unbraid.separation.runtimes.openvino import OpenVinoRuntime

pytestmark = needs_library

SAMPLES = 8000
SHAPES = {"mixture": (1, 2, SAMPLES), "spectrum": (1, 2, 2048, SPECTRAL.frames(SAMPLES), 2)}
HARD = "crosstransformer.layers.1.cross_attn.in_proj_weight"


def inputs_of(level: float = 1.0) -> dict[str, np.ndarray]:
    mixture = song(SAMPLES)
    mixture = (level / mixture.std() * mixture).astype(np.float32)
    return {"mixture": mixture[None], "spectrum": SPECTRAL.forward(mixture)[None]}


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return folder_of(audible_network(4, 512), tmp_path_factory.mktemp("checked") / "ordinary")


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model whose attention is so sharp that the native library's error is -53 dB."""
    network = audible_network(4, 512)
    weight = network.get_parameter(HARD).data
    weight[:, 0] *= 1000
    round_to_float16(weight)
    return folder_of(network, tmp_path_factory.mktemp("checked") / "hard")


@pytest.fixture(autouse=True)
def native_library_is_checked() -> None:
    """Replace the fixture that skips the check."""


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path))
    return tmp_path


def run(runtime: checked.Runtime, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    with runtime.run(inputs) as outputs:
        return {name: value.copy() for name, value in outputs.items()}


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
    error_db = AccuracyRecord(ordinary).read()
    assert error_db is not None and -90 < error_db < -60
    # The next process does not check again.
    again = RuntimeLoader(ordinary, "cpu").load(ordinary, SHAPES)
    assert isinstance(again, NativeRuntime)
    assert all(np.array_equal(value, outputs[name]) for name, value in run(again, inputs_of()).items())


def test_floats_compute_inexact_weights(hard: Model) -> None:
    notices: list[str] = []
    loader = RuntimeLoader(hard, "cpu", threads=1, notice=notices.append)
    outputs = run(loader.load(hard, SHAPES, cache_compiled=True), inputs_of())
    assert len(notices) == 1
    assert notices[0].startswith("The native library isn't exact enough for seeded (-5")
    # The next process does not check again.
    floats = loader.load(hard, SHAPES, cache_compiled=True)
    assert isinstance(floats, OpenVinoRuntime)
    assert all(np.array_equal(value, outputs[name]) for name, value in run(floats, inputs_of()).items())
    assert notices[1:] == notices[:1]


def test_quiet_and_infinite_segments_are_not_checked(
    ordinary: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checked, "compute_floats", lambda *given: pytest.fail("checked"))
    runtime = RuntimeLoader(ordinary, "cpu").load(ordinary, SHAPES)
    run(runtime, inputs_of(0.1))
    assert not is_loud(ordinary, {"mixture": inputs_of()["mixture"] * np.float32(np.inf)})
    assert not (cache_folder() / "accuracy").exists()


def test_failed_check_is_one_line_and_is_tried_again(
    ordinary: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices: list[str] = []
    runtime = RuntimeLoader(ordinary, "cpu", notice=notices.append).load(ordinary, SHAPES)
    monkeypatch.setattr(checked.sys, "executable", "/bin/false")
    for _ in range(2):
        run(runtime, inputs_of())
    assert notices == [
        "The accuracy of the native library with seeded wasn't checked: status 1. It is checked next time."
    ]
    assert isinstance(RuntimeLoader(ordinary, "cpu").load(ordinary, SHAPES), CheckedRuntime)


def test_reports_the_reason_of_the_other_process(ordinary: Model) -> None:
    with pytest.raises(CheckError, match="graph"):
        compute_floats(ordinary, {"mixture": np.zeros((1, 2, 3, 4), np.float32)}, 1)


def test_says_that_the_library_is_outdated(ordinary: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    choose("openvino", monkeypatch)
    monkeypatch.setattr(library, "is_current", lambda: False)
    notices: list[str] = []
    loader = RuntimeLoader(ordinary, "cpu", notice=notices.append)
    with pytest.raises(ModelError):
        loader.load(ordinary, {"mixture": (1, 2, 3, 50)})  # OpenVINO reports it, without compiling
    assert notices == [OUTDATED]
