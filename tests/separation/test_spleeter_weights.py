"""Separate with Spleeter's published weights, fetched as users fetch them, and compare with the original."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from unbraid import Separator
from unbraid.errors import ModelError
from unbraid.models import find_model
from unbraid.models.folder import Model

ROOT = Path(__file__).parents[2]

# Samples 5000, 16000, ... of both channels of `song`, separated by the original: Spleeter 2.1.0 from the same wheel on
# TensorFlow 2.12.1, Separator().separate(song.T).
# fmt: off
VOCALS = np.array([
    -0.118977, -0.0946488, -0.0803744, 4.28964e-05, 0.000649215, 0.0384026,
    0.0939974, 0.0956289, -0.0719627, -4.84454e-05, 0.00037503, 0.00217359,
    -0.117793, -0.0947987, -0.0771295, 1.24305e-05, -0.000904653, 0.0386888,
    0.0946346, 0.0956868, -0.0699708, -4.65073e-05, -0.000339229, 0.00210632,
]).reshape(2, 12)
ACCOMPANIMENT = np.array([
    0.104515, -0.0972521, -0.108094, 0.100573, 0.0930883, -0.0850141,
    -0.085934, 0.118059, -0.158127, -0.0994377, 0.100115, 0.102184,
    0.0748945, -0.0478699, -0.0548778, 0.0504842, 0.0436571, -0.0355242,
    -0.0311352, 0.0674768, -0.105464, -0.0498364, 0.0396873, 0.0518838,
]).reshape(2, 12)
# fmt: on

Floats = NDArray[np.floating]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    """The installed model with its published weights (73 MB to download)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNBRAID_CACHE", str(tmp_path_factory.mktemp("spleeter")))
        patch.delenv("UNBRAID_OFFLINE")
        try:
            model = find_model("spleeter")
        except ModelError as error:
            pytest.skip(f"Spleeter's weights can't be fetched here: {error.message}")
        yield model


@pytest.fixture(scope="module")
def song() -> Floats:
    """Three seconds of a voice-like tone with vibrato and pauses, a bass, and a beat of noise."""
    t = np.arange(132_300) / 44_100
    vibrato = 0.5 * np.sin(2 * np.pi * 5.5 * t)
    voice = sum(np.sin(2 * np.pi * 220 * k * t + k * vibrato) / k for k in range(1, 12))
    voice *= np.sin(2 * np.pi * 0.7 * t) > -0.3
    bass = np.sign(np.sin(2 * np.pi * 55 * t))
    beat = np.random.default_rng(7).standard_normal((2, t.size)) * np.exp(-8 * (t * 2 % 1))
    return (0.1 * (np.stack([voice + bass, voice + 0.5 * bass]) + beat)).astype(np.float32)


@pytest.fixture
def separate_as_the_original(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, Floats], Floats]:
    """`separate` of `benchmarks/spleeter_parity.py`: no overlap, zeros above 11 kHz."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    separate: Callable[[Path, Floats], Floats] = import_module("spleeter_parity").separate
    return separate


def test_stems_agree_with_the_original(
    model: Model, song: Floats, separate_as_the_original: Callable[[Path, Floats], Floats]
) -> None:
    stems = separate_as_the_original(model.graph, song)
    for stem, expected in zip(stems, (VOCALS, ACCOMPANIMENT), strict=True):
        error = stem[:, 5000::11000] - expected
        assert 10 * np.log10(np.sum(error**2) / np.sum(expected**2)) < -90


def test_separates_a_song_into_stems_that_add_up(model: Model, song: Floats) -> None:
    separator = Separator(model.folder)
    vocals, rest = separator.separate(song).values()
    np.testing.assert_allclose(vocals + rest, song, atol=1e-6)
    # The voice pauses from 0.86 to 1.29 s. The bass plays all the time, most of it in the left channel.
    pause, sung = slice(39_000, 55_000), slice(5_000, 35_000)
    assert np.std(vocals[:, pause]) < 0.1 * np.std(vocals[:, sung])
    assert np.std(rest[0, pause]) > 0.8 * np.std(song[0, pause])


def test_installed_model_is_small_and_needs_nothing_else(model: Model) -> None:
    files = {path.name: path.stat().st_size for path in Path(model.folder).iterdir()}
    assert files.keys() == {"graph.onnx", "model.json", "weights.bin"}
    assert 70e6 < sum(files.values()) < 90e6


def test_ensemble_with_the_bundled_model_is_the_mean_of_both(model: Model, song: Floats) -> None:
    names, song = (str(model.folder), "lite"), song[:, :44_100]
    runs = [Separator(name, threads=1).separate(song, stems="vocals")["vocals"] for name in names]
    stems = Separator("+".join(names), threads=1).separate(song, stems="vocals")
    np.testing.assert_allclose(stems["vocals"], (runs[0] + runs[1]) / 2, atol=1e-6)
    np.testing.assert_allclose(stems["vocals"] + stems["no_vocals"], song, atol=1e-6)
