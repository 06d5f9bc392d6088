"""Benchmarks say which engine computes, and can leave the native library out."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from unbraid.models import Model, find_model
from unbraid.models.folder import GRAPH
from unbraid.models.graphs import load_template
from unbraid.native import build
from unbraid.native.library import native_library

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def benchmarks() -> Iterator[None]:
    """Their folder is where modules are looked for."""
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module")
def engines(benchmarks: None) -> ModuleType:
    return import_module("engines")


@pytest.fixture
def htdemucs(tmp_path: Path) -> Model:
    """A model with the graph and the description of htdemucs, which are all that is looked at."""
    template = load_template("htdemucs")
    (tmp_path / GRAPH).write_bytes(template.graph.read_bytes())
    said = template.description
    return replace(
        find_model("lite"),
        name="htdemucs",
        folder=tmp_path,
        inputs=tuple(said["inputs"]),
        outputs=tuple(said["outputs"]),
        **said["stft"],
    )


needs_library = pytest.mark.skipif(
    native_library() is None, reason="the native library isn't built, or this processor isn't one for it"
)


@needs_library
def test_htdemucs_is_computed_by_the_native_library_unless_it_is_left_out(
    engines: ModuleType, htdemucs: Model
) -> None:
    assert engines.engine_of(htdemucs) == engines.NATIVE
    assert engines.engine_of(find_model("lite")) == engines.OPENVINO
    with engines.only_openvino():
        assert engines.engine_of(htdemucs) == engines.OPENVINO
    assert engines.engine_of(htdemucs) == engines.NATIVE


@needs_library
def test_a_process_can_do_without_the_native_library(engines: ModuleType, htdemucs: Model) -> None:
    program = (
        "import pickle, sys; from unbraid.separation.runtimes.native import native_template\n"
        "print(native_template(pickle.load(sys.stdin.buffer)) is None)\n"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", first + program],
            input=pickle.dumps(htdemucs),
            stdout=subprocess.PIPE,
            check=True,
        )
        .stdout.decode()
        .strip()
        for first in ("", engines.WITHOUT_NATIVE)
    ]
    assert said == ["False", "True"]


def test_the_peak_of_this_processor_is_measured_for_integers_and_floats() -> None:
    peak = import_module("speed_peak")
    if not build.useful():
        assert peak.instructions() == {}
        pytest.skip("this processor has no AVX-512 VNNI")
    try:
        build.usable(build.candidates())
    except build.BuildError as error:
        assert peak.instructions() == {}
        pytest.skip(str(error))
    found = peak.instructions()
    assert set(found) == {peak.INTEGERS, peak.FLOATS}
    assert min(found.values()) > 0
    assert peak.float_peak({**found, "numpy": 1.0}) == found[peak.FLOATS]


def test_the_error_of_integers_is_that_of_the_worst_stem(
    engines: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    error = import_module("native_error")
    exact = np.random.default_rng(0).standard_normal((4, 2, 1000)).astype(np.float32)
    wrong = exact * (1 + np.array([1e-4, 1e-5, 1e-3, 1e-6], np.float32))[:, None, None]
    answers = iter([exact, wrong, exact])
    monkeypatch.setattr(error, "estimated", lambda *given: next(answers))
    monkeypatch.setattr(error, "read", lambda path, seconds: np.ones((2, 2000), np.float32))
    worst = error.compare(find_model("lite"), Path("song.wav"), 30.0, "htdemucs")
    assert worst == pytest.approx(-60, abs=0.1)
    assert [float(line.split()[-3]) for line in capsys.readouterr().out.splitlines()] == pytest.approx(
        [-80, -100, -60, -120], abs=1
    )


def test_weights_like_trained_ones_are_float16_with_outliers() -> None:
    pytest.importorskip("torch")
    error = import_module("native_error")
    values = np.random.default_rng(0).uniform(-1, 1, (512, 512)).astype(np.float32)
    made = error.trained("crosstransformer.layers.0.linear1.weight", values, np.random.default_rng(0))
    assert 10 < np.abs(made).max() < 100
    assert np.mean(made == values) > 0.95
    assert np.isfinite(made.astype(np.float16)).all()
