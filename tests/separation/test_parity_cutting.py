"""Songs are cut, shifted, added up and mixed over the networks of a bag as `apply_model` of demucs 4.1.0 does it.

Its classes decide what a network reads, so stubs of them stand in: their answer depends on the loudness of all they
read, and any other cut shows.
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
    """What `apply_model` looks at in a network."""

    sources, samplerate, audio_channels, use_train_segment = SOURCES, RATE, 2, True

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.segment = Fraction(SEGMENT, RATE)
        self.anything = torch.nn.Parameter(torch.zeros(1))


class FixedLength(Stub, HTDemucs):  # type: ignore[misc]
    """As HTDemucs, it fills up what is shorter than its segment."""

    def forward(self, mixture: torch.Tensor) -> torch.Tensor:
        samples = mixture.shape[-1]
        return loud(torch.nn.functional.pad(mixture, (0, SEGMENT - samples)))[..., :samples]


class AnyLength(Stub, HDemucs):  # type: ignore[misc]
    """As HDemucs, it takes what it gets."""

    def forward(self, mixture: torch.Tensor) -> torch.Tensor:
        return loud(mixture)


KINDS: Mapping[str, tuple[Callable[[], Stub], bool]] = {
    "HTDemucs": (FixedLength, True),
    "HDemucs": (AnyLength, False),
}


@pytest.fixture(scope="module", params=KINDS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Stub, Path]:
    """A network of the peer's, and ours."""
    stub, fixed = KINDS[request.param]
    folder = tmp_path_factory.mktemp("models") / request.param
    return stub(), loudness_model(folder, fixed_length=fixed)


def peers(
    network: torch.nn.Module, song: np.ndarray, overlap: float, shifts: int, segment: float | None
) -> np.ndarray:
    """The peer's stems (sources, channels, n), its shifts drawn from seed 7; normalised as its `Separator` does."""
    mix = song.mean(axis=0)
    mean, deviation = mix.mean(), mix.std(ddof=1) + 1e-8 if song.shape[1] > 1 else np.float32(1e-8)
    heard = torch.from_numpy((song - mean) / deviation)[None]
    random.seed(7)
    with torch.no_grad():
        stems = apply_model(network, heard, shifts=shifts, overlap=overlap, segment=segment)
    return stems[0].numpy() * deviation + mean


def ours(folder: Path, song: np.ndarray, **settings: object) -> np.ndarray:
    """Our stems, likewise."""
    stems = Separator(folder, threads=1, seed=7, **settings).separate(song)  # type: ignore[arg-type]
    return np.stack([stems[name] for name in SOURCES])


@pytest.mark.parametrize("samples", LENGTHS)
@pytest.mark.parametrize("segment", [None, 0.05])
@pytest.mark.parametrize(("overlap", "shifts"), [(0.25, 0), (0.0, 0), (0.8, 0), (0.5, 2)])
def test_stems_are_those_of_the_peer(
    pair: tuple[Stub, Path], samples: int, segment: float | None, overlap: float, shifts: int
) -> None:
    network, folder = pair
    song = noise(2, samples, seed=samples) + np.float32(0.01)
    expected = peers(network, song, overlap, shifts, segment)
    found = ours(folder, song, overlap=overlap, shifts=shifts, segment_s=segment)
    assert level_db(found - expected, expected) < -100


def test_a_song_of_one_sample_is_one(pair: tuple[Stub, Path]) -> None:
    assert ours(pair[1], np.full((2, 1), 0.5, np.float32)).shape == (4, 2, 1)


@pytest.mark.parametrize("shifts", [0, 2])
@pytest.mark.parametrize(
    "weights",
    [
        [(1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 1.0)],
        [(1.0, 2.0, 0.0, 0.5), (3.0, 1.0, 0.0, 0.5), (0.0, 0.25, 1.0, 0.5)],
    ],
)
def test_a_bag_weighs_its_networks_as_the_peers(
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
    expected = peers(bag, song, 0.25, shifts, None)
    assert level_db(ours(folder, song, shifts=shifts) - expected, expected) < -100
