"""`chunks="audio-separator"` equals that program's loops over the song, written out in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.models.mdx23c_files import SEGMENT as MDX23C_SEGMENT
from tests.models.mdx23c_files import write_files
from tests.models.mdx_files import N_FFT, SMALL, write_small
from tests.models.roformer_files import write_files as write_roformer
from tests.separation.conftest import level_db, noise

from unbraid import Separator
from unbraid.errors import SettingError
from unbraid.models import Model, find_model
from unbraid.separation.network import Network
from unbraid.separation.runtimes.choose import RuntimeLoader

CHUNKS = "audio-separator"
MDX_SEGMENT = 1024 * (SMALL.frames - 1)

Floats = NDArray[np.float32]
Estimate = Callable[[Floats], Floats]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNBRAID_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def mdx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small(tmp_path_factory.mktemp("mdx"))


@pytest.fixture(scope="module")
def mdx23c(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("mdx23c"))


@pytest.fixture(scope="module")
def mdx_estimate(mdx: Path) -> Estimate:
    return estimate_of(find_model(mdx))


@pytest.fixture(scope="module")
def mdx23c_estimate(mdx23c: Path) -> Estimate:
    return estimate_of(find_model(mdx23c))


def estimate_of(model: Model) -> Estimate:
    """Return the network as a function: (2, segment) -> (stems, 2, segment)."""
    network = Network(model, model.segment, RuntimeLoader(model, "cpu", threads=1).load)
    return lambda mixture: network.estimate(mixture, range(len(model.estimated)))


def mdx_loop(estimate: Estimate, song: Floats, overlap: float) -> NDArray[np.float64]:
    """`demix` of `mdx_separator.py`, with its names."""
    trim, chunk_size = N_FFT // 2, MDX_SEGMENT
    gen_size = chunk_size - 2 * trim
    pad = gen_size + trim - song.shape[1] % gen_size
    mixture = np.pad(song, ((0, 0), (trim, pad)))
    result, divider = np.zeros(mixture.shape), np.zeros(mixture.shape)
    for start in range(0, mixture.shape[1], int((1 - overlap) * chunk_size)):
        end = min(start + chunk_size, mixture.shape[1])
        window = np.hanning(end - start) if overlap else np.ones(end - start)
        part = np.pad(mixture[:, start:end], ((0, 0), (0, start + chunk_size - end)))
        result[:, start:end] += estimate(part)[0][:, : end - start] * window
        divider[:, start:end] += window
    kept = slice(trim, trim + song.shape[1])
    return result[:, kept] / divider[:, kept]


def mdx23c_loop(estimate: Estimate, song: Floats, overlap: int) -> NDArray[np.float64]:
    """`demix` of `mdxc_separator.py`, with its names."""
    chunk_size = MDX23C_SEGMENT
    hop_size = chunk_size // overlap
    pad_size = hop_size - (song.shape[1] - chunk_size) % hop_size
    before = chunk_size - hop_size
    mix = np.pad(song, ((0, 0), (before, pad_size + before)))
    total = np.zeros((3, *mix.shape))
    for start in range(0, mix.shape[1] - chunk_size + 1, hop_size):
        total[..., start : start + chunk_size] += estimate(mix[:, start : start + chunk_size])
    return total[..., before : -(pad_size + before)] / overlap


@pytest.mark.parametrize(
    ("samples", "overlap"),
    [(1, 0.25), (777, 0.0), (MDX_SEGMENT, 0.1), (40_001, 0.0), (40_001, 0.25), (40_001, 0.8)],
)
def test_mdx_net_equals_the_loop(mdx: Path, mdx_estimate: Estimate, samples: int, overlap: float) -> None:
    song = noise(2, samples)
    stems = Separator(mdx, chunks=CHUNKS, overlap=overlap, threads=1).separate(song)
    expected = mdx_loop(mdx_estimate, song, overlap)
    assert level_db(stems["vocals"] - expected, expected) < -110


@pytest.mark.parametrize(
    ("samples", "overlaps"), [(1, 1), (777, 2), (MDX23C_SEGMENT, 8), (8000, 1), (8000, 2), (8000, 8)]
)
def test_mdx23c_equals_the_loop(mdx23c: Path, mdx23c_estimate: Estimate, samples: int, overlaps: int) -> None:
    song = noise(2, samples)
    stems = Separator(mdx23c, chunks=CHUNKS, overlap=1 - 1 / overlaps, threads=1).separate(song)
    expected = mdx23c_loop(mdx23c_estimate, song, overlaps)
    for stem, wanted in zip(stems.values(), expected, strict=True):
        assert level_db(stem - wanted, wanted) < -110


def test_default_overlaps_are_those_of_audio_separator(mdx: Path, mdx23c: Path) -> None:
    for path, samples, overlap in ((mdx, 40_000, 0.25), (mdx23c, 4000, 0.875)):
        song = noise(2, samples)
        default = Separator(path, chunks=CHUNKS, threads=1).separate(song)
        named = Separator(path, chunks=CHUNKS, overlap=overlap, threads=1).separate(song)
        assert all(np.array_equal(default[stem], named[stem]) for stem in named)


def test_own_chunks_differ(mdx: Path, mdx23c: Path) -> None:
    for path, samples in ((mdx, 40_000), (mdx23c, 4000)):
        song = noise(2, samples)
        own = Separator(path, overlap=0.5, threads=1).separate(song)
        theirs = Separator(path, chunks=CHUNKS, overlap=0.5, threads=1).separate(song)
        assert all(level_db(own[stem] - theirs[stem], own[stem]) > -60 for stem in own)


def test_silence_is_computed(mdx23c: Path, mdx23c_estimate: Estimate) -> None:
    """Its estimates are zeros for a song with own chunks, but not those of this network."""
    silence = np.zeros((2, 2 * MDX23C_SEGMENT), np.float32)
    assert not any(stem.any() for stem in Separator(mdx23c, threads=1).separate(silence).values())
    stems = Separator(mdx23c, chunks=CHUNKS, overlap=0.5, threads=1).separate(silence)
    expected = mdx23c_loop(mdx23c_estimate, silence, 2)
    assert np.allclose(np.stack(list(stems.values())), expected, atol=1e-7)


@pytest.mark.parametrize("overlap", [0.0, 0.75])
def test_a_part_equals_that_of_the_whole_song(mdx: Path, mdx23c: Path, overlap: float) -> None:
    for path, samples in ((mdx, 88_200), (mdx23c, 11_025)):
        separator = Separator(path, chunks=CHUNKS, overlap=overlap, threads=1)
        song = noise(2, samples)
        start, end = samples // 2, samples * 3 // 4
        part = separator.separate(song, start=start / 44_100, end=end / 44_100)
        for stem, whole in separator.separate(song).items():
            assert level_db(part[stem] - whole[:, start:end], whole) < -110


def test_all_models_of_an_ensemble_are_cut_so(mdx: Path, tmp_path: Path) -> None:
    other = write_small(tmp_path, "other")
    separator = Separator(f"{mdx}+{other}", chunks=CHUNKS, threads=1)
    assert {run.chunks for part in separator._pipeline.plan.all_parts for run in part.runs} == {"mdx"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunks": "demucs"}, "Choose audio-separator"),
        ({"chunks": CHUNKS, "segment_s": 1.0}, "published length"),
        ({"chunks": CHUNKS, "shifts": 1}, "no random shifts"),
        ({"chunks": CHUNKS, "quality": "best"}, "no random shifts"),
        ({"chunks": CHUNKS, "overlap": 0.6}, "0, 0.5, 0.75 or 0.875, not 0.6"),
        ({"chunks": CHUNKS, "quality": "fast"}, "not 0.1"),
        ({"chunks": CHUNKS, "overlap": 1 - 1 / 7}, "0, 0.5, 0.75 or 0.875"),
    ],
)
def test_settings_that_do_not_fit(mdx23c: Path, options: Mapping[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Separator(mdx23c, **options)


def test_other_families_are_refused(loudness_folder: Path, tmp_path: Path) -> None:
    models: Sequence[str | Path] = ("lite", loudness_folder, write_roformer(tmp_path))
    for model in models:
        with pytest.raises(SettingError, match="is for MDX-Net and MDX23C"):
            Separator(model, chunks=CHUNKS)


def test_records_tell_both_apart(mdx: Path, tmp_path: Path) -> None:
    """Files of the other kind aren't kept when a song is separated again with `existing="skip"`."""
    from unbraid.separation.recipe import recipe_of

    own, theirs = (Separator(mdx, chunks=chunks, threads=1)._pipeline for chunks in (None, CHUNKS))
    assert recipe_of(own) != recipe_of(theirs)
    assert recipe_of(theirs) == recipe_of(Separator(mdx, chunks=CHUNKS, threads=1)._pipeline)
