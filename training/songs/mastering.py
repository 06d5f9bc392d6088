"""Mastering with one gain curve for all stems, computed from the mixture, so that the stems still sum to it."""

import numpy as np
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from training.songs.score import gain
from training.sound import SAMPLE_RATE, Audio

HOP = 64


def _interpolate(values: Audio, total: int) -> Audio:
    """Interpolate one value per hop linearly to one value per sample."""
    at = (np.arange(values.size) + 0.5) * HOP
    return np.interp(np.arange(total), at, values).astype(np.float32)


def bus_gain(mixture: Audio, ratio: float, threshold_db: float, release_s: float, push_db: float) -> Audio:
    """Gain (samples,) of a bus compressor for a mixture (2, samples).

    `threshold_db` is relative to the maximum level; `push_db` is the make-up gain.
    """
    total = mixture.shape[1]
    hops = -(-total // HOP)
    padded = np.zeros((2, hops * HOP), dtype=np.float32)
    padded[:, :total] = mixture
    power = np.mean(padded.reshape(2, hops, HOP) ** 2, axis=(0, 2))
    smooth = uniform_filter1d(power, max(1, int(0.02 * SAMPLE_RATE / HOP)))
    level = 10.0 * np.log10(smooth + 1e-10)
    over = np.maximum(0.0, level - (level.max() + threshold_db))
    reduction = over * (1.0 - 1.0 / ratio)
    fall = float(np.exp(-HOP / SAMPLE_RATE / release_s))
    state, out = 0.0, np.empty(hops, dtype=np.float32)
    for index, value in enumerate(reduction.tolist()):
        state = value if value > state else state * fall
        out[index] = state
    return _interpolate(np.asarray(10.0 ** ((push_db - out) / 20.0), dtype=np.float32), total)


def limiter_gain(mixture: Audio, ceiling: float) -> Audio:
    """Smooth gain (samples,) with a look-ahead of 5 ms that keeps the peak of a mixture under `ceiling`."""
    total = mixture.shape[1]
    hops = -(-total // HOP)
    padded = np.zeros((2, hops * HOP), dtype=np.float32)
    padded[:, :total] = mixture
    peak = np.abs(padded).reshape(2, hops, HOP).max(axis=(0, 2))
    required = np.minimum(1.0, ceiling / np.maximum(peak, 1e-9))
    # The minimum over 11 hops, averaged over 9, never exceeds the required gain of a hop or of its neighbours.
    # Therefore the linear interpolation between hops doesn't exceed it either.
    window = 11
    smooth = uniform_filter1d(minimum_filter1d(required, window, mode="nearest"), window - 2, mode="nearest")
    return _interpolate(np.asarray(smooth, dtype=np.float32), total)


def master(rng: np.random.Generator, stems: dict[str, Audio]) -> dict[str, Audio]:
    """Apply one common gain to all stems, so that the mixture peaks at a random level of at most 1."""
    mixture = np.sum(list(stems.values()), axis=0)
    peak = float(np.abs(mixture).max())
    if peak < 1e-6:
        return stems
    common = np.full(mixture.shape[1], 1.0 / peak, dtype=np.float32)
    if rng.random() < 0.6:
        common *= bus_gain(
            mixture * common,
            float(rng.uniform(1.3, 3.5)),
            float(rng.uniform(-14, -3)),
            float(rng.uniform(0.05, 0.4)),
            0.0,
        )
    ceiling = gain(
        float(rng.choice([-0.1, -0.3, -1.0, -2.0, -4.0, -7.0], p=[0.3, 0.25, 0.2, 0.1, 0.1, 0.05]))
    )
    push = gain(float(rng.choice([0.0, 3.0, 6.0, 9.0], p=[0.25, 0.3, 0.3, 0.15])))
    loud = mixture * common
    common *= push * ceiling / max(1e-6, float(np.abs(loud).max()))
    common *= limiter_gain(mixture * common, ceiling)
    return {name: stem * common for name, stem in stems.items()}
