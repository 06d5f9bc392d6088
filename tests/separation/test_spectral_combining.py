"""Estimates are combined in the spectrum without seams, and agree with a plain computation on the whole song."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import signal
from tests.separation.conftest import noise

from unbraid.models.ensemble import Combine
from unbraid.separation.spectral_combining import GROUP, HOP, N_FFT, SpectralCombiner, combine_bins

WAYS: tuple[Combine, ...] = ("median", "max", "min")
LONG = 2 * GROUP * HOP + 1234


def combined(combine: Combine, estimates: np.ndarray, weights: list[float], block: int) -> np.ndarray:
    """Combine estimates (n, channels, samples) block by block."""
    combiner = SpectralCombiner(combine, weights, estimates.shape[1])
    starts = range(0, estimates.shape[-1], block)
    finished = [combiner.add(estimates[..., start : start + block]) for start in starts]
    return np.concatenate([*finished, combiner.finish()], axis=1)


def several(count: int, samples: int = LONG) -> np.ndarray:
    return np.stack([noise(2, samples, seed=seed, peak=0.3 + 0.2 * seed) for seed in range(count)])


def reference(combine: Combine, estimates: np.ndarray) -> np.ndarray:
    """Combine all at once with SciPy's transform."""
    options = {"window": "hann", "nperseg": N_FFT, "noverlap": N_FFT - HOP, "boundary": None}
    padded = np.pad(estimates.astype(np.float64), ((0, 0), (0, 0), (N_FFT, 2 * N_FFT)))
    _, _, spectra = signal.stft(padded, **options)
    magnitudes = np.abs(spectra)
    if combine == "median":
        chosen = np.argsort(magnitudes, axis=0)[len(estimates) // 2]
    else:
        chosen = (np.argmax if combine == "max" else np.argmin)(magnitudes, axis=0)
    spectrum = np.choose(chosen, spectra)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the ends of the padding can't be inverted
        _, waveform = signal.istft(spectrum, **{**options, "boundary": False})
    result: np.ndarray = waveform[:, N_FFT : N_FFT + estimates.shape[-1]]
    return result


@pytest.mark.parametrize("combine", WAYS)
@pytest.mark.parametrize("samples", [1, HOP, N_FFT - 1, GROUP * HOP, LONG])
def test_equal_estimates_give_themselves(combine: Combine, samples: int) -> None:
    (estimate,) = several(1, samples)
    for count in (1, 2, 3):
        result = combined(combine, np.stack([estimate] * count), [1.0] * count, 10_000)
        assert result.shape == estimate.shape
        np.testing.assert_allclose(result, estimate, atol=1e-6)


@pytest.mark.parametrize("combine", WAYS)
@pytest.mark.parametrize("block", [1000, GROUP * HOP, GROUP * HOP + 1, 50_000])
def test_blocks_of_any_length_give_the_same_samples(combine: Combine, block: int) -> None:
    estimates = several(3)
    whole = combined(combine, estimates, [1.0] * 3, LONG)
    np.testing.assert_array_equal(combined(combine, estimates, [1.0] * 3, block), whole)


@pytest.mark.parametrize("combine", WAYS)
def test_agrees_with_a_transform_of_the_whole_song(combine: Combine) -> None:
    estimates = several(3)
    np.testing.assert_allclose(
        combined(combine, estimates, [1.0] * 3, 30_000), reference(combine, estimates), atol=1e-6
    )


def bins(combine: Combine, values: list[complex], weights: list[float]) -> complex:
    return complex(combine_bins(combine, np.array(values)[:, None], np.array(weights))[0])


def test_magnitude_and_phase_are_those_of_one_estimate() -> None:
    values = [3j, 1.0, -2.0]
    assert [bins(combine, values, [1.0] * 3) for combine in WAYS] == [-2.0, 3j, 1.0]
    assert bins("max", [1.0, 1j], [1.0] * 2) == 1.0  # the first of equal ones


def test_median_between_two_has_their_mean_magnitude_and_the_phase_of_their_sum() -> None:
    found = bins("median", [4.0, 2j], [1.0] * 2)
    assert abs(found) == pytest.approx(3)
    assert np.angle(found) == pytest.approx(np.angle(4 + 2j))
    assert bins("median", [2.0, -2.0], [1.0] * 2) == -2.0
    assert bins("median", [0.0, 0.0], [1.0] * 2) == 0.0
    assert abs(bins("median", [9.0, 1.0, 5.0, 2.0], [1.0] * 4)) == pytest.approx(3.5)


def test_median_has_half_of_the_weight_on_either_side() -> None:
    assert bins("median", [1.0, 2.0, 3.0], [0.1, 0.2, 0.3]) == pytest.approx(2.5)
    assert bins("median", [1.0, 2.0, 3.0], [3, 1, 1]) == 1.0
    assert bins("median", [1.0, 2.0, 3.0], [1, 1, 3]) == 3.0
    assert bins("median", [5.0, 1.0], [2, 1]) == 5.0
