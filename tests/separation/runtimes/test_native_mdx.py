"""The native library computes MDX-Nets whose sizes it supports, and agrees with OpenVINO, which computes all others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.models.mdx_files import COMPENSATION, N_FFT, write_small
from tests.native.networks import needs_library

from unbraid.models import Model
from unbraid.models.folder import GRAPH, SPECTRA, SPECTRUM, WEIGHTS
from unbraid.models.mdx import load_mdx_file
from unbraid.networks.mdx import Sizes, export, seeded
from unbraid.separation.runtimes.choose import RuntimeLoader
from unbraid.separation.runtimes.native_mdx import NativeMdxRuntime, native_layers
from unbraid.separation.runtimes.openvino import OpenVinoRuntime

SIZES = Sizes(bins=512, frames=16, growth=16, levels=2)
SHAPES = {SPECTRUM: (1, 2, N_FFT // 2 + 1, SIZES.frames, 2)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mdx")
    export(seeded(SIZES), SIZES, folder / "net.onnx")
    settings = {"mdx_n_fft_scale_set": N_FFT, "primary_stem": "Vocals", "compensate": COMPENSATION}
    (folder / "net.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture
def model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setenv("UNBRAID_CACHE", str(folder / "cache"))
    return load_mdx_file(folder / "net.onnx")


def spectrum() -> np.ndarray:
    return np.random.default_rng(0).standard_normal(SHAPES[SPECTRUM]).astype(np.float32)


@needs_library
@pytest.mark.parametrize("threads", [1, 2])
def test_agrees_with_openvino(model: Model, threads: int) -> None:
    native = RuntimeLoader(model, "cpu", threads=threads).load(model, SHAPES)
    openvino = OpenVinoRuntime(model.graph, SHAPES, threads=threads, jobs=1)
    assert isinstance(native, NativeMdxRuntime)
    assert (native.inputs, native.outputs) == (openvino.inputs, openvino.outputs)
    assert native.jobs == threads
    with native.run({SPECTRUM: spectrum()}) as one, openvino.run({SPECTRUM: spectrum()}) as other:
        assert one[SPECTRA].shape == other[SPECTRA].shape
        error = np.square(one[SPECTRA] - other[SPECTRA]).sum() / np.square(other[SPECTRA]).sum()
    assert 10 * np.log10(error) < -100


def test_openvino_computes_sizes_that_the_library_does_not_support(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    model = load_mdx_file(write_small(tmp_path))  # 4 channels
    assert isinstance(RuntimeLoader(model, "cpu", threads=1).load(model, SHAPES), OpenVinoRuntime)


def test_openvino_computes_without_the_library(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unbraid.separation.runtimes.native_mdx.native_library", lambda: None)
    assert isinstance(RuntimeLoader(model, "cpu", threads=1).load(model, SHAPES), OpenVinoRuntime)


@needs_library
def test_cut_off_weights_do_not_reach_the_library(model: Model, tmp_path: Path) -> None:
    """OpenVINO then reports the damage."""
    for name in (GRAPH, WEIGHTS):
        (tmp_path / name).write_bytes((model.folder / name).read_bytes()[: -64 if name == WEIGHTS else None])
    assert native_layers(model) is not None
    assert native_layers(replace(model, folder=tmp_path)) is None
