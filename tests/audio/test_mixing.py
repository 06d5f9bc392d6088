"""A mix is the sum of its stems times their gains, and doesn't clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.audio.sounds import Sound, noise

from unbraid.audio.encode import Encoder
from unbraid.audio.mixing import CEILING, Mix
from unbraid.errors import Cancelled, SettingError


def stem(path: Path, sound: Sound, rate: int = 8000) -> Path:
    with Encoder(path, sample_rate=rate, channels=len(sound), subtype="float") as encoder:
        encoder.write(sound)
    return path


def mixed_samples(mix: Mix) -> Sound:
    return np.concatenate(list(mix.blocks()), axis=1)


def test_adds_up_stems_times_their_gains(tmp_path: Path) -> None:
    one, other = noise(20_001, 2, seed=1), noise(20_001, 2, seed=2)
    mix = Mix([(stem(tmp_path / "a.wav", one), 0.5), (stem(tmp_path / "b.wav", other), 2.0)])
    np.testing.assert_allclose(mixed_samples(mix), 0.5 * one + 2 * other, atol=1e-6)
    mix.measure()
    assert (mix.samples, mix.gain) == (20_001, 1.0)


def test_makes_the_whole_mix_quieter_if_it_would_clip(tmp_path: Path) -> None:
    loud = 7 * noise(20_001, 2)
    mix = Mix([(stem(tmp_path / "a.wav", loud), 1.0)])
    mix.measure()
    quiet = mixed_samples(mix)
    assert np.abs(quiet).max() == pytest.approx(CEILING)
    np.testing.assert_allclose(quiet * np.abs(loud).max() / CEILING, loud, rtol=1e-5)


def test_mixes_mono_stems_short_stems_and_other_rates(tmp_path: Path) -> None:
    stereo, mono = noise(20_000, 2, seed=1), noise(9_000, 1, seed=2)
    slow = np.repeat(0.1 * np.ones((1, 1)), 40_000, axis=1).astype(np.float32)
    stems = [
        (stem(tmp_path / "a.wav", stereo), 1.0),
        (stem(tmp_path / "b.wav", mono), 1.0),
        (stem(tmp_path / "c.wav", slow, 16_000), 1.0),
    ]
    sum_of_two = stereo.copy()
    sum_of_two[:, :9000] += mono
    mixed = mixed_samples(Mix(stems))
    assert mixed.shape == (2, 20_000)
    np.testing.assert_allclose((mixed - sum_of_two)[:, 1000:-1000], 0.1, atol=1e-3)


def test_can_be_cancelled_and_needs_a_stem(tmp_path: Path) -> None:
    def stop(seconds: float) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        Mix([(stem(tmp_path / "a.wav", noise(20_000, 1)), 1.0)]).measure(stop)
    with pytest.raises(SettingError):
        Mix([])
