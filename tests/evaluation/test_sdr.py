"""The signal-to-distortion ratio of the Music Demixing Challenge."""

import numpy as np
import pytest

from unbraid.evaluation.sdr import sdr

SONG = np.random.default_rng(1).standard_normal((2, 40000)).astype(np.float32)


def test_noise_of_known_level_gives_that_ratio() -> None:
    error = np.random.default_rng(2).standard_normal(SONG.shape)
    error *= np.sqrt(np.sum(SONG.astype(np.float64) ** 2) / np.sum(error**2)) * 10 ** (-12.5 / 20)
    assert sdr(SONG, (SONG + error).astype(np.float32)) == pytest.approx(12.5, abs=1e-3)


def test_half_the_level_is_6_db() -> None:
    assert sdr(SONG, SONG / 2) == pytest.approx(20 * np.log10(2), abs=1e-4)


def test_silent_estimate_is_0_db() -> None:
    assert sdr(SONG, np.zeros_like(SONG)) == pytest.approx(0, abs=1e-6)


def test_is_independent_of_common_level() -> None:
    assert sdr(SONG * 8, SONG * 7) == pytest.approx(sdr(SONG, SONG * 7 / 8), abs=1e-3)


def test_sums_energy_over_channels() -> None:
    estimate = SONG.copy()
    estimate[1] = 0
    lost_share = np.sum(SONG[1].astype(np.float64) ** 2) / np.sum(SONG.astype(np.float64) ** 2)
    assert sdr(SONG, estimate) == pytest.approx(-10 * np.log10(lost_share), abs=1e-6)


def test_perfect_estimate_has_finite_score() -> None:
    assert 60 < sdr(SONG, SONG) < 200


def test_rejects_different_shapes() -> None:
    with pytest.raises(ValueError, match="shape"):
        sdr(SONG, SONG[:, 1:])
