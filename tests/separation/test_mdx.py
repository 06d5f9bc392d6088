"""MDX-Nets separate as their definition says: transform, network on some bins, compensation, and the rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.models.mdx_files import COMPENSATION, N_FFT, SMALL, small_network, write_small
from tests.separation.conftest import level_db, noise

from unbraid import Separator
from unbraid.models.mdx import load_mdx_file
from unbraid.separation.network import Network

HOP = 1024
SEGMENT = HOP * (SMALL.frames - 1)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    pytest.MonkeyPatch().setenv("UNBRAID_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module", params=["batch", "group"])
def norm(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def one_segment(mixture: NDArray[np.float32], norm: str) -> NDArray[np.float32]:
    """Estimate a segment in PyTorch: (2, SEGMENT) -> the same. The three lowest bins are zero in the input."""
    window = torch.hann_window(N_FFT)
    spectrum = torch.stft(torch.from_numpy(mixture), N_FFT, HOP, window=window, return_complex=True)
    parts = torch.view_as_real(spectrum[:, : SMALL.bins]).permute(0, 3, 1, 2).flatten(0, 1)[None].clone()
    parts[:, :, :3] = 0
    estimate = small_network(norm)(parts)[0].reshape(2, 2, SMALL.bins, SMALL.frames).permute(0, 2, 3, 1)
    bins = torch.zeros(2, N_FFT // 2 + 1, SMALL.frames, dtype=torch.complex64)
    bins[:, : SMALL.bins] = torch.view_as_complex(estimate.contiguous())
    result: NDArray[np.float32] = torch.istft(bins, N_FFT, HOP, window=window).numpy()
    return result * COMPENSATION


def test_the_estimate_of_a_segment_is_that_of_the_definition(tmp_path: Path, norm: str) -> None:
    separator = Separator(write_small(tmp_path, norm=norm), threads=1)
    song = noise(2, SEGMENT)
    stems = separator.separate(song)
    expected = one_segment(song, norm)
    assert level_db(expected, song) > -20
    assert level_db(stems["vocals"] - expected, expected) < -100


def test_segments_overlap_and_the_last_one_reads_the_end(tmp_path: Path) -> None:
    song = noise(2, 3 * SEGMENT + 777)
    stems = Separator(write_small(tmp_path), threads=1).separate(song)
    total, weights = np.zeros(song.shape), np.zeros(song.shape[1])
    ramp = np.minimum(np.arange(1, SEGMENT + 1), np.arange(SEGMENT, 0, -1))
    for start in range(0, song.shape[1], SEGMENT * 3 // 4):
        read = min(start, song.shape[1] - SEGMENT)
        size = min(SEGMENT, song.shape[1] - start)
        estimate = one_segment(song[:, read : read + SEGMENT], "batch")[:, start - read :][:, :size]
        total[:, start : start + size] += ramp[:size] * estimate
        weights[start : start + size] += ramp[:size]
    assert level_db(stems["vocals"] - total / weights, total / weights) < -100


@pytest.mark.parametrize(
    ("samples", "networks"), [(500, 1), (SEGMENT, 1), (SEGMENT + 1, 2), (2 * SEGMENT, 5)]
)
def test_segments_that_read_the_same_samples_are_computed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, samples: int, networks: int
) -> None:
    """With an overlap of three quarters, the last four segments read the end of the song."""
    read: list[NDArray[np.float32]] = []

    def estimate(
        network: Network, mixture: NDArray[np.float32], sources: Sequence[int]
    ) -> NDArray[np.float32]:
        read.append(mixture)
        return original(network, mixture, sources)

    original = Network.estimate
    monkeypatch.setattr(Network, "estimate", estimate)
    Separator(write_small(tmp_path), overlap=0.75, threads=1).separate(noise(2, samples))
    assert len(read) == networks


@pytest.mark.parametrize("stem", ["Vocals", "Instrumental"])
@pytest.mark.parametrize("samples", [500, 40_001])
def test_both_stems_add_up_to_the_song(tmp_path: Path, stem: str, samples: int) -> None:
    """Also above the bins of the network, and for a song at another rate."""
    separator = Separator(write_small(tmp_path, stem=stem), threads=1)
    song = noise(2, samples)
    for stems in (separator.separate(song, 48_000), separator.separate(song, 48_000, stems="vocals")):
        assert set(stems) == {"vocals", "no_vocals"}
        np.testing.assert_allclose(stems["vocals"] + stems["no_vocals"], song, atol=1e-6)


def test_the_network_estimates_the_stem_that_the_settings_name(tmp_path: Path) -> None:
    song = noise(2, SEGMENT)
    vocals = Separator(write_small(tmp_path, "a", "Vocals"), threads=1).separate(song)
    instrumental = Separator(write_small(tmp_path, "b", "Instrumental"), threads=1).separate(song)
    np.testing.assert_array_equal(vocals["vocals"], instrumental["no_vocals"])
    np.testing.assert_array_equal(vocals["no_vocals"], instrumental["vocals"])


def test_names_of_other_stems(tmp_path: Path) -> None:
    model = load_mdx_file(write_small(tmp_path, stem="Reverb"))
    assert (model.sources, model.rest) == (("reverb", "no_reverb"), "no_reverb")
