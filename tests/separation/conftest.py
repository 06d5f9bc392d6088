"""Models and songs for the tests of the separation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.separation.engines import skip_native_check
from tests.separation.known_models import loudness_model, spectral_model

from unbraid import Separator
from unbraid.audio.decode import Decoder
from unbraid.audio.encode import Encoder
from unbraid.separation import separator as separators
from unbraid.separation.network import Network

WriteSong = Callable[..., Path]


@pytest.fixture(scope="session")
def gains_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder whose stems are 0.4, 0.3, 0.2 and 0.1 of the mixture."""
    return spectral_model(tmp_path_factory.mktemp("models") / "gains", normalise="scale")


@pytest.fixture(scope="session")
def loudness_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder whose stems depend on how the song is split into segments."""
    return loudness_model(tmp_path_factory.mktemp("models") / "loudness")


@pytest.fixture(autouse=True)
def native_library_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_native_check(monkeypatch)


@pytest.fixture(scope="session")
def separator(gains_folder: Path) -> Separator:
    """A separator shared by most tests."""
    return Separator(gains_folder, threads=1)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folder names of the loaded networks."""
    names: list[str] = []

    class RecordingNetwork(Network):
        def __init__(self, model, length, load):  # type: ignore[no-untyped-def]
            names.append(model.folder.name)
            super().__init__(model, length, load)

    monkeypatch.setattr(separators, "Network", RecordingNetwork)
    return names


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list with an item for each segment that a network has computed."""
    segments: list[int] = []
    estimate = Network.estimate

    def counted(self: Network, *arguments: Any) -> Any:
        segments.append(1)
        return estimate(self, *arguments)

    monkeypatch.setattr(Network, "estimate", counted)
    return segments


@pytest.fixture
def write_song(tmp_path: Path) -> WriteSong:
    """Writes samples (channels, n) as a float WAV and returns its path."""

    def write(samples: np.ndarray, sample_rate: int = 44100, name: str = "song.wav") -> Path:
        path = tmp_path / name
        with Encoder(path, sample_rate=sample_rate, channels=samples.shape[0], subtype="float") as encoder:
            encoder.write(samples.astype(np.float32))
        return path

    return write


def read(path: Path) -> np.ndarray:
    """Read all samples of a file, (channels, n)."""
    with Decoder(path) as decoder:
        return np.concatenate(list(decoder), axis=1)


def noise(channels: int, samples: int, seed: int = 0, peak: float = 0.5) -> np.ndarray:
    """Return seeded noise with that peak, (channels, samples), float32."""
    values = np.random.default_rng(seed).standard_normal((channels, samples))
    return (peak * values / np.abs(values).max()).astype(np.float32)


def level_db(error: np.ndarray, reference: np.ndarray) -> float:
    """Return the level of the largest error relative to the largest sample of the reference, in dB."""
    return float(20 * np.log10(np.abs(error).max() / np.abs(reference).max() + 1e-30))
