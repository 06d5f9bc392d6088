"""The mel frequency grid of spectral envelopes.

An envelope has 80 levels in dB at frequencies equally spaced in mel from 0 to 22050 Hz: 36 Hz apart at low
frequencies, where formants are narrow, and 1 kHz apart at high frequencies. A linear spectrum of the same resolution
at low frequencies would need twelve times as many points.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.sound import SAMPLE_RATE

FloatArray = NDArray[np.float32]


def single(values: Any) -> FloatArray:
    """Convert to single precision."""
    return np.asarray(values, np.float32)


FRAME_RATE = 200  # per second: a frame of 5 ms resolves the burst of a plosive (about 10 ms)
POINTS = 80
FFT_SIZE = 1024  # 23 ms: a formant of 50 Hz bandwidth has decayed by 31 dB within it


def hz_to_mel(hz: NDArray[np.floating] | float) -> NDArray[np.float64]:
    """Convert Hz to mel (O'Shaughnessy, 1987): 1000 mel at 1000 Hz."""
    return 2595.0 * np.log10(1.0 + np.asarray(hz, np.float64) / 700.0)


def mel_to_hz(mel: NDArray[np.floating] | float) -> NDArray[np.float64]:
    """Convert mel to Hz."""
    return 700.0 * (10.0 ** (np.asarray(mel, np.float64) / 2595.0) - 1.0)


GRID_HZ = mel_to_hz(np.linspace(0.0, float(hz_to_mel(SAMPLE_RATE / 2)), POINTS))
BINS_HZ = np.fft.rfftfreq(FFT_SIZE, 1.0 / SAMPLE_RATE)


def interpolation(sources_hz: NDArray[np.floating], targets_hz: NDArray[np.floating]) -> FloatArray:
    """Matrix (sources, targets) for linear interpolation in mel, constant beyond the ends."""
    position = np.interp(hz_to_mel(targets_hz), hz_to_mel(sources_hz), np.arange(len(sources_hz)))
    below = np.minimum(position.astype(int), len(sources_hz) - 2)
    share = position - below
    matrix = np.zeros((len(sources_hz), len(targets_hz)), np.float32)
    columns = np.arange(len(targets_hz))
    matrix[below, columns] = 1.0 - share
    matrix[below + 1, columns] += share
    return matrix


TO_BINS = interpolation(GRID_HZ, BINS_HZ)  # (80, 513)

# The power of an envelope is a mean over linear frequency, so each grid point is weighted by its bandwidth.
WIDTHS = (TO_BINS.sum(axis=1) / TO_BINS.sum()).astype(np.float32)


def power_db(envelope_db: FloatArray) -> FloatArray:
    """Mean power (frames,) in dB of unit white noise filtered by envelopes (frames, 80)."""
    power: FloatArray = (10.0 ** (envelope_db / 10.0)) @ WIDTHS
    return single(10.0 * np.log10(power + 1e-12))
