"""Benchmarks report which engine computes, and can disable the native library."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from unbraid.models import Model, find_model
from unbraid.models.folder import GRAPH
from unbraid.models.graphs import load_template
from unbraid.models.mdx import load_mdx_file
from unbraid.native import build
from unbraid.native.library import native_library
from unbraid.networks.mdx import Sizes, export, seeded


@pytest.fixture(scope="module")
def engines(benchmarks: None) -> ModuleType:
    return import_module("engines")


@pytest.fixture
def htdemucs(tmp_path: Path) -> Model:
    """A model with the graph and description of htdemucs, without weights."""
    template = load_template("htdemucs")
    (tmp_path / GRAPH).write_bytes(template.graph.read_bytes())
    description = template.description
    return replace(
        find_model("lite"),
        name="htdemucs",
        folder=tmp_path,
        inputs=tuple(description["inputs"]),
        outputs=tuple(description["outputs"]),
        **description["stft"],
    )


needs_library = pytest.mark.skipif(
    native_library() is None, reason="the native library isn't built, or does not support this processor"
)


@needs_library
def test_native_library_computes_htdemucs_unless_disabled(engines: ModuleType, htdemucs: Model) -> None:
    assert engines.engine_of(htdemucs) == engines.NATIVE
    assert engines.engine_of(find_model("lite")) == engines.OPENVINO
    with engines.only_openvino():
        assert engines.engine_of(htdemucs) == engines.OPENVINO
    assert engines.engine_of(htdemucs) == engines.NATIVE


@needs_library
def test_native_library_computes_mdx_nets_unless_disabled(
    engines: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    sizes = Sizes(bins=512, frames=16, growth=16, levels=1)
    export(seeded(sizes), sizes, tmp_path / "net.onnx")
    (tmp_path / "net.json").write_text('{"mdx_n_fft_scale_set": 2560, "primary_stem": "Vocals"}')
    model = load_mdx_file(tmp_path / "net.onnx")
    assert engines.engine_of(model) == engines.NATIVE_FLOATS
    with engines.only_openvino():
        assert engines.engine_of(model) == engines.OPENVINO


@needs_library
def test_native_library_can_be_disabled_in_another_process(engines: ModuleType, htdemucs: Model) -> None:
    program = (
        "import pickle, sys; from unbraid.separation.runtimes.native import native_template\n"
        "print(native_template(pickle.load(sys.stdin.buffer)) is None)\n"
    )
    printed = [
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
    assert printed == ["False", "True"]


def test_measures_peaks_of_integers_and_floats() -> None:
    peak = import_module("speed_peak")
    if "avx512_vnni" not in build.processor_sets():
        assert peak.instructions() == {}
        pytest.skip("this processor has no AVX-512 VNNI")
    try:
        build.choose_compiler(build.find_compilers())
    except build.BuildError as error:
        assert peak.instructions() == {}
        pytest.skip(str(error))
    found = peak.instructions()
    assert set(found) == {peak.INTEGERS, peak.FLOATS}
    assert min(found.values()) > 0
    assert peak.float_peak({**found, "numpy": 1.0}) == found[peak.FLOATS]


def test_native_error_is_that_of_the_worst_stem(
    engines: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    error = import_module("native_error")
    exact = np.random.default_rng(0).standard_normal((4, 2, 1000)).astype(np.float32)
    wrong = exact * (1 + np.array([1e-4, 1e-5, 1e-3, 1e-6], np.float32))[:, None, None]
    answers = iter([exact, wrong, exact])
    monkeypatch.setattr(error, "estimate", lambda *arguments: next(answers))
    monkeypatch.setattr(error, "read", lambda path, seconds: np.ones((2, 2000), np.float32))
    worst = error.compare(find_model("lite"), Path("song.wav"), 30.0, "htdemucs")
    assert worst == pytest.approx(-60, abs=0.1)
    assert [float(line.split()[-3]) for line in capsys.readouterr().out.splitlines()] == pytest.approx(
        [-80, -100, -60, -120], abs=1
    )


def test_trained_weights_have_outliers_and_fit_float16() -> None:
    pytest.importorskip("torch")
    error = import_module("native_error")
    values = np.random.default_rng(0).uniform(-1, 1, (512, 512)).astype(np.float32)
    weights = error.trained("crosstransformer.layers.0.linear1.weight", values, np.random.default_rng(0))
    assert 10 < np.abs(weights).max() < 100
    assert np.mean(weights == values) > 0.95
    assert np.isfinite(weights.astype(np.float16)).all()
