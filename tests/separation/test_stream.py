"""Streaming equals a reference that holds the whole song in memory, for any overlap, shifts and jobs."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.separation.conftest import level_db, noise
from tests.separation.known_models import GAINS, SEGMENT, SOURCES

from unbraid import Separator

MAX_SHIFT = 22050  # half a second


def network(mixture: np.ndarray) -> np.ndarray:
    """The loudness model: (channels, n) -> (sources, channels, n)."""
    return np.array(GAINS)[:, None, None] * mixture * np.abs(mixture).mean()


def whole_song(song: np.ndarray, overlap: float, shifts: int, seed: int) -> np.ndarray:
    """Reference: the procedure of Demucs by its paper and options, in memory and in float64."""
    mix = song.mean(axis=0, dtype=np.float64)
    mean, deviation = mix.mean(), mix.std(ddof=1)
    normalised = (song - mean) / deviation
    draw = random.Random(seed)
    results = []
    for _ in range(max(shifts, 1)):
        zeros = MAX_SHIFT - draw.randint(0, MAX_SHIFT) if shifts else 0
        shifted = np.pad(normalised, ((0, 0), (zeros, 0)))
        results.append(one_pass(shifted, overlap)[..., zeros:])
    return np.mean(results, axis=0) * deviation + mean


def one_pass(song: np.ndarray, overlap: float) -> np.ndarray:
    length = song.shape[1]
    around = np.pad(song, ((0, 0), (SEGMENT, SEGMENT)))
    ramp = np.minimum(np.arange(1, SEGMENT + 1), np.arange(SEGMENT, 0, -1)).astype(float)
    total, weights = np.zeros((len(GAINS), *song.shape)), np.zeros(length)
    for start in range(0, length, int((1 - overlap) * SEGMENT)):
        size = min(SEGMENT, length - start)
        before = (SEGMENT - size) // 2
        estimate = network(around[:, SEGMENT + start - before :][:, :SEGMENT])[..., before : before + size]
        total[..., start : start + size] += ramp[:size] * estimate
        weights[start : start + size] += ramp[:size]
    return total / weights


@settings(max_examples=30, deadline=None)
@given(
    samples=st.one_of(st.integers(2, 50), st.integers(2, 12 * SEGMENT)),
    overlap=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.8]),
    shifts=st.sampled_from([0, 0, 1, 3]),
    jobs=st.integers(1, 3),
)
def test_streaming_equals_the_reference(
    loudness_folder: Path, samples: int, overlap: float, shifts: int, jobs: int
) -> None:
    song = noise(2, samples, seed=samples) + np.float32(0.01)
    separator = Separator(loudness_folder, overlap=overlap, shifts=shifts, seed=7, jobs=jobs, threads=1)
    stems = np.stack([separator.separate(song)[name] for name in SOURCES])
    expected = whole_song(song, overlap, shifts, seed=7)
    assert level_db(stems - expected, expected) < -100


def test_the_seed_decides_the_stems(loudness_folder: Path) -> None:
    song = noise(2, 4 * SEGMENT)
    first, again, other = (
        Separator(loudness_folder, shifts=2, seed=seed, threads=1).separate(song)["vocals"]
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("segment_s", [0.05, 0.2, 1.0])
def test_stems_are_exact_for_any_segment_length(gains_folder: Path, segment_s: float) -> None:
    song = noise(2, 30000)
    stems = Separator(gains_folder, segment_s=segment_s, threads=1).separate(song)
    assert level_db(stems["other"] - np.float32(np.float16(0.2)) * song, song) < -110
