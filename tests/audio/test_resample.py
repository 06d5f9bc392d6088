"""Resampling keeps the exact length and the position of events."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unbraid.audio.resample import Resampler, resampled_length

RATES = [8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 192000]


@settings(max_examples=60, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 3000), min_size=1, max_size=5),
    from_rate=st.sampled_from(RATES),
    to_rate=st.sampled_from(RATES),
    channels=st.integers(1, 2),
)
def test_length_is_exact_for_blocks_of_any_size(
    cuts: list[int], from_rate: int, to_rate: int, channels: int
) -> None:
    resampler = Resampler(from_rate, to_rate, channels)
    out = [
        resampler.push(np.zeros((channels, n), np.float32), last=i == len(cuts) - 1)
        for i, n in enumerate(cuts)
    ]
    assert sum(block.shape[1] for block in out) == resampled_length(sum(cuts), from_rate, to_rate)


def test_lengths_round_half_up() -> None:
    assert [resampled_length(n, 48000, 24000) for n in (0, 1, 2, 3)] == [0, 1, 1, 2]
    assert resampled_length(10**12, 44100, 48000) == round(10**12 * 48000 / 44100)


@pytest.mark.parametrize(
    ("from_rate", "to_rate"), [(44100, 48000), (48000, 44100), (8000, 44100), (192000, 44100)]
)
def test_impulse_moves_by_less_than_a_hundredth_of_a_sample(from_rate: int, to_rate: int) -> None:
    at = from_rate // 2
    impulse = np.zeros((1, from_rate), np.float32)
    impulse[0, at] = 1
    response = Resampler(from_rate, to_rate, 1).push(impulse, last=True)[0].astype(np.float64)
    # The delay is the slope of the spectrum's phase.
    frequency = 500.0
    phase = np.exp(-2j * np.pi * frequency * np.arange(len(response)) / to_rate) @ response
    expected = np.exp(-2j * np.pi * frequency * at / from_rate)
    late_s = -np.angle(phase / expected) / (2 * np.pi * frequency)
    assert abs(late_s * to_rate) < 0.01
    assert abs(int(response.argmax()) - at * to_rate / from_rate) <= 0.5


def test_block_size_changes_nothing() -> None:
    sound = np.random.default_rng(0).standard_normal((2, 20_000)).astype(np.float32)
    whole = Resampler(44100, 48000, 2).push(sound, last=True)
    resampler = Resampler(44100, 48000, 2)
    parts = [
        resampler.push(sound[:, start : start + 777], last=start + 777 >= 20_000)
        for start in range(0, 20_000, 777)
    ]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_keeps_a_sine_below_and_removes_one_above_the_new_bandwidth() -> None:
    time = np.arange(96000) / 96000
    low = np.sin(2 * np.pi * 1000 * time).astype(np.float32)[None]
    high = np.sin(2 * np.pi * 30000 * time).astype(np.float32)[None]
    middle = slice(5000, -5000)
    passed = Resampler(96000, 44100, 1).push(low, last=True)[0]
    np.testing.assert_allclose(
        passed[middle], np.sin(2 * np.pi * 1000 * np.arange(44100) / 44100)[middle], atol=1e-5
    )
    assert np.abs(Resampler(96000, 44100, 1).push(high, last=True)[0, middle]).max() < 1e-5
