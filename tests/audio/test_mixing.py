"""A mix is the sum of its stems at their levels, and doesn't clip."""

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


def heard(mix: Mix) -> Sound:
    return np.concatenate(list(mix.blocks()), axis=1)


def test_stems_add_up_at_their_levels(tmp_path: Path) -> None:
    one, other = noise(20_001, 2, seed=1), noise(20_001, 2, seed=2)
    mix = Mix([(stem(tmp_path / "a.wav", one), 0.5), (stem(tmp_path / "b.wav", other), 2.0)])
    np.testing.assert_allclose(heard(mix), 0.5 * one + 2 * other, atol=1e-6)
    mix.measure()
    assert (mix.samples, mix.gain) == (20_001, 1.0)


def test_what_would_clip_becomes_quieter_as_a_whole(tmp_path: Path) -> None:
    loud = 7 * noise(20_001, 2)
    mix = Mix([(stem(tmp_path / "a.wav", loud), 1.0)])
    mix.measure()
    quiet = heard(mix)
    assert np.abs(quiet).max() == pytest.approx(CEILING)
    np.testing.assert_allclose(quiet * np.abs(loud).max() / CEILING, loud, rtol=1e-5)


def test_mono_and_short_stems_and_other_rates_fit_in(tmp_path: Path) -> None:
    stereo, mono = noise(20_000, 2, seed=1), noise(9_000, 1, seed=2)
    slow = np.repeat(0.1 * np.ones((1, 1)), 40_000, axis=1).astype(np.float32)
    stems = [
        (stem(tmp_path / "a.wav", stereo), 1.0),
        (stem(tmp_path / "b.wav", mono), 1.0),
        (stem(tmp_path / "c.wav", slow, 16_000), 1.0),
    ]
    sum_of_two = stereo.copy()
    sum_of_two[:, :9000] += mono
    mixed = heard(Mix(stems))
    assert mixed.shape == (2, 20_000)
    np.testing.assert_allclose((mixed - sum_of_two)[:, 1000:-1000], 0.1, atol=1e-3)


def test_it_can_be_stopped_and_needs_a_stem(tmp_path: Path) -> None:
    def stop(seconds: float) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        Mix([(stem(tmp_path / "a.wav", noise(20_000, 1)), 1.0)]).measure(stop)
    with pytest.raises(SettingError):
        Mix([])
