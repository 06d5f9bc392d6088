"""Segments, shifts, overlap-add and bags equal `apply_model` of demucs 4.1.0.

`apply_model` pads the input by the class of the network, so the tests use stubs of these classes. The output of a stub
depends on the loudness of its input, so any other segment gives other stems.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from demucs.apply import BagOfModels, apply_model
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from tests.separation.conftest import level_db, noise
from tests.separation.known_models import GAINS, SEGMENT, SOURCES, bag_of, loudness_model

from unbraid import Separator

RATE = 44100
LENGTHS = [700, SEGMENT + 1, 3 * SEGMENT + 17]


def loud(mixture: torch.Tensor) -> torch.Tensor:
    """The loudness model: (b, 2, n) -> (b, sources, 2, n)."""
    level = mixture.abs().mean(dim=(1, 2), keepdim=True)
    return torch.tensor(GAINS)[:, None, None] * (mixture * level)[:, None]


class Stub(torch.nn.Module):
    """The attributes that `apply_model` reads."""

    sources, samplerate, audio_channels, use_train_segment = SOURCES, RATE, 2, True

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.segment = Fraction(SEGMENT, RATE)
        self.anything = torch.nn.Parameter(torch.zeros(1))


class FixedLength(Stub, HTDemucs):  # type: ignore[misc]
    """Pads short input to the segment length, like HTDemucs."""

    def forward(self, mixture: torch.Tensor) -> torch.Tensor:
        samples = mixture.shape[-1]
        return loud(torch.nn.functional.pad(mixture, (0, SEGMENT - samples)))[..., :samples]


class AnyLength(Stub, HDemucs):  # type: ignore[misc]
    """Accepts input of any length, like HDemucs."""

    def forward(self, mixture: torch.Tensor) -> torch.Tensor:
        return loud(mixture)


KINDS: Mapping[str, tuple[Callable[[], Stub], bool]] = {
    "HTDemucs": (FixedLength, True),
    "HDemucs": (AnyLength, False),
}


@pytest.fixture(scope="module", params=KINDS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Stub, Path]:
    """The same network for demucs and for Unbraid."""
    stub, fixed = KINDS[request.param]
    folder = tmp_path_factory.mktemp("models") / request.param
    return stub(), loudness_model(folder, fixed_length=fixed)


def demucs_stems(
    network: torch.nn.Module, song: np.ndarray, overlap: float, shifts: int, segment: float | None
) -> np.ndarray:
    """Return the stems of demucs, (sources, channels, n), normalised as in its `Separator`, with shifts from seed 7."""
    mix = song.mean(axis=0)
    mean, deviation = mix.mean(), mix.std(ddof=1) + 1e-8 if song.shape[1] > 1 else np.float32(1e-8)
    normalised = torch.from_numpy((song - mean) / deviation)[None]
    random.seed(7)
    with torch.no_grad():
        stems = apply_model(network, normalised, shifts=shifts, overlap=overlap, segment=segment)
    return stems[0].numpy() * deviation + mean


def our_stems(folder: Path, song: np.ndarray, **settings: object) -> np.ndarray:
    """Return the stems of Unbraid, (sources, channels, n), with shifts from seed 7."""
    stems = Separator(folder, threads=1, seed=7, **settings).separate(song)  # type: ignore[arg-type]
    return np.stack([stems[name] for name in SOURCES])


@pytest.mark.parametrize("samples", LENGTHS)
@pytest.mark.parametrize("segment", [None, 0.05])
@pytest.mark.parametrize(("overlap", "shifts"), [(0.25, 0), (0.0, 0), (0.8, 0), (0.5, 2)])
def test_stems_equal_those_of_demucs(
    pair: tuple[Stub, Path], samples: int, segment: float | None, overlap: float, shifts: int
) -> None:
    network, folder = pair
    song = noise(2, samples, seed=samples) + np.float32(0.01)
    expected = demucs_stems(network, song, overlap, shifts, segment)
    actual = our_stems(folder, song, overlap=overlap, shifts=shifts, segment_s=segment)
    assert level_db(actual - expected, expected) < -100


def test_a_song_of_one_sample_has_one_sample(pair: tuple[Stub, Path]) -> None:
    assert our_stems(pair[1], np.full((2, 1), 0.5, np.float32)).shape == (4, 2, 1)


@pytest.mark.parametrize("shifts", [0, 2])
@pytest.mark.parametrize(
    "weights",
    [
        [(1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 1.0)],
        [(1.0, 2.0, 0.0, 0.5), (3.0, 1.0, 0.0, 0.5), (0.0, 0.25, 1.0, 0.5)],
    ],
)
def test_a_bag_weights_its_networks_like_demucs(
    tmp_path: Path, weights: Sequence[Sequence[float]], shifts: int
) -> None:
    gains = (GAINS, tuple(reversed(GAINS)), (1.0, 0.5, 0.25, 0.125))
    folder = bag_of(tmp_path, dict(zip("abc", weights, strict=True)), loudness_model, fixed_length=True)
    for name, part in zip("abc", gains, strict=True):
        loudness_model(folder / name, part, fixed_length=True)

    class Member(FixedLength):
        def __init__(self, gains: Sequence[float]) -> None:
            super().__init__()
            self.gains = torch.tensor(gains)[:, None, None] / torch.tensor(GAINS)[:, None, None]

        def forward(self, mixture: torch.Tensor) -> torch.Tensor:
            return super().forward(mixture) * self.gains

    bag = BagOfModels([Member(part) for part in gains], [list(part) for part in weights])
    song = noise(2, 3 * SEGMENT + 100)
    expected = demucs_stems(bag, song, 0.25, shifts, None)
    assert level_db(our_stems(folder, song, shifts=shifts) - expected, expected) < -100
