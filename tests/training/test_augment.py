"""Augmentation of stems and mixtures."""

import numpy as np
import pytest

from unbraid.models.lite import SAMPLE_RATE
from unbraid.training.augment import Augmentation, high_passed, shape_tone

SAMPLES = 20_480
UNCHANGED = Augmentation(speed_chance=0, gain_db=0, drop_chance=0, tone_chance=0, level_db=0, narrow_chance=0)


def tone(frequency_hz: float, samples: int) -> np.ndarray:
    return np.tile(np.sin(2 * np.pi * frequency_hz * np.arange(samples) / SAMPLE_RATE), (2, 1)).astype(
        np.float32
    )


def test_speed_changes_pitch_and_length() -> None:
    speed = 1.1
    part = UNCHANGED.stem(tone(1000, int(SAMPLES * speed) + 1), SAMPLES, speed, np.random.default_rng(0))
    assert part.shape == (2, SAMPLES)
    peak_hz = np.argmax(np.abs(np.fft.rfft(part[0] * np.hanning(SAMPLES)))) * SAMPLE_RATE / SAMPLES
    assert peak_hz == pytest.approx(1000 * speed, abs=SAMPLE_RATE / SAMPLES)


def test_speeds_stay_in_range() -> None:
    rng = np.random.default_rng(0)
    speeds = [Augmentation(speed_chance=1).speed(rng) for _ in range(300)]
    assert 1 / 1.19 <= min(speeds) < 0.9 < 1.1 < max(speeds) <= 1.19


def test_with_zero_probabilities_only_sign_and_channels_change() -> None:
    part = np.random.default_rng(1).standard_normal((2, SAMPLES)).astype(np.float32)
    result = UNCHANGED.stem(part, SAMPLES, 1.0, np.random.default_rng(2))
    assert any(np.array_equal(result, sign * part[order]) for sign in (1, -1) for order in ([0, 1], [1, 0]))


def test_dropped_stem_is_silent() -> None:
    part = tone(440, SAMPLES)
    assert not Augmentation(drop_chance=1).stem(part, SAMPLES, 1.0, np.random.default_rng(0)).any()


def test_tone_gains_are_smooth_and_in_range() -> None:
    impulse = np.zeros((2, SAMPLES), np.float32)
    impulse[:, 0] = 1
    gain_db = 20 * np.log10(np.abs(np.fft.rfft(shape_tone(impulse, 8.0, np.random.default_rng(0))[0]))[10:])
    assert 1 < np.ptp(gain_db) < 10
    assert np.abs(gain_db).max() < 5
    assert np.abs(np.diff(gain_db)).max() < 0.5


def test_high_pass_keeps_level_and_phase() -> None:
    part = tone(100, SAMPLES) + tone(1000, SAMPLES)
    thin = high_passed(part, 300.0)
    before, after = (
        np.abs(np.fft.rfft(sound[0]))[[100 * SAMPLES // SAMPLE_RATE, 1000 * SAMPLES // SAMPLE_RATE]]
        for sound in (part, thin)
    )
    change_db = 20 * np.log10(after / before)
    assert change_db[1] - change_db[0] == pytest.approx(19, abs=1.5)  # 12 dB per octave below 300 Hz
    assert np.mean(thin**2) == pytest.approx(np.mean(part**2), rel=1e-3)
    assert (
        np.abs(
            np.angle(
                np.fft.rfft(thin[0])[1000 * SAMPLES // SAMPLE_RATE]
                / np.fft.rfft(part[0])[1000 * SAMPLES // SAMPLE_RATE]
            )
        )
        < 0.01
    )


def test_thin_chance_controls_high_pass() -> None:
    part = tone(100, SAMPLES)
    np.testing.assert_array_equal(Augmentation(thin_chance=0).voice(part, np.random.default_rng(0)), part)
    assert np.abs(Augmentation(thin_chance=1).voice(part, np.random.default_rng(0)) - part).max() > 1e-3
