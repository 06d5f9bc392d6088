"""Tempo and beats from onset strength.

The tempo is the period at whose multiples the onsets repeat, as in an autocorrelation. The beats are the path that
meets the strongest onsets in steps near that period: dynamic programming (D. P. W. Ellis, "Beat Tracking by Dynamic
Programming", J. New Music Research 36(1), 2007).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from unbraid.analysis.onsets import FRAMES_PER_S
from unbraid.audio.arrays import Floats

Doubles = NDArray[np.float64]

SLOWEST_BPM, FASTEST_BPM = 60.0, 190.0
_STEP = 1.0025  # between tempi that are tried
_SHORTEST_S = 6.0  # of a song with a tempo
# Preference among the octaves of a tempo: a bell curve on a logarithmic scale (Ellis, section 3.2).
_PREFERRED_BPM = 120.0
_OCTAVES = 0.9
_MULTIPLES = 4
_TIGHTNESS = 100.0  # weight of steady steps against strong onsets
_SMOOTH_S = 0.02
_LOCAL_S = 1.0
# Onset strength rises when a stroke enters the window of a frame, not when it is at its centre. Measured from clicks,
# bursts of noise and bass drums: beats were 5.3 to 7.0 ms early.
_EARLY_S = 0.006


@dataclass(frozen=True, slots=True)
class Beats:
    """The beats of a song."""

    bpm: float
    times_s: Doubles
    confidence: float
    """Correlation of the onsets with themselves one beat later, from 0 to 1."""


def find_beats(onsets: Floats) -> Beats | None:
    """Find the beats in onset strength (frames,). None if there is too little of it."""
    if len(onsets) < _SHORTEST_S * FRAMES_PER_S or not np.any(onsets):
        return None
    strength = _flattened(onsets.astype(np.float64))
    bpm, confidence = _tempo(strength)
    frames = _path(strength, FRAMES_PER_S * 60 / bpm)
    if len(frames) < 4:
        return None
    times = _refined(strength, frames) / FRAMES_PER_S + _EARLY_S
    slope = float(np.polyfit(np.arange(len(times)), times, 1)[0])
    return Beats(60 / slope, times, confidence)


def _flattened(onsets: Doubles) -> Doubles:
    """Smooth the onsets, and remove what they have in common with their surroundings, such as a loud chorus."""
    reach = round(3 * _SMOOTH_S * FRAMES_PER_S)
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (_SMOOTH_S * FRAMES_PER_S)) ** 2)
    smooth = np.convolve(onsets, bell / bell.sum(), "same")
    local = np.ones(round(_LOCAL_S * FRAMES_PER_S))
    strength = smooth - np.convolve(smooth, local / local.size, "same")
    return np.asarray(strength / (strength.std() + 1e-9))


def _tempo(strength: Doubles) -> tuple[float, float]:
    """Return the tempo in beats per minute, and the correlation of the onsets one beat apart."""
    size = 1 << (2 * len(strength) - 1).bit_length()
    power = np.abs(np.fft.rfft(strength, size)) ** 2
    correlation = np.fft.irfft(power)[: len(strength)]
    correlation /= correlation[0]
    bpm = SLOWEST_BPM * _STEP ** np.arange(np.log(FASTEST_BPM / SLOWEST_BPM) / np.log(_STEP))
    lags = FRAMES_PER_S * 60 / bpm
    heights = [
        np.interp(multiple * lags, np.arange(len(correlation)), correlation)
        for multiple in range(1, _MULTIPLES + 1)
    ]
    preference = np.exp(-0.5 * (np.log2(bpm / _PREFERRED_BPM) / _OCTAVES) ** 2)
    best = int(np.argmax(np.mean(heights, axis=0) * preference))
    return float(bpm[best]), float(np.mean(heights, axis=0)[best])


def _path(strength: Doubles, period: float) -> NDArray[np.intp]:
    """Return the frames of the beats. `period` is their distance in frames."""
    nearest, farthest = max(1, round(period / 2)), round(2 * period)
    distances = np.arange(farthest, nearest - 1, -1)
    penalty = -_TIGHTNESS * np.log(distances / period) ** 2
    # The score of frame i stands at i + farthest. Before the song, any beginning costs nothing.
    score = np.zeros(len(strength) + farthest)
    before = np.zeros(len(strength), np.intp)
    # The scores of `nearest` frames depend only on earlier ones.
    for start in range(0, len(strength), nearest):
        stop = min(start + nearest, len(strength))
        earlier = sliding_window_view(score[start : stop + farthest - nearest], len(distances)) + penalty
        choice = np.argmax(earlier, axis=1)
        rows = np.arange(stop - start)
        before[start:stop] = rows + start - distances[choice]
        score[start + farthest : stop + farthest] = strength[start:stop] + earlier[rows, choice]
    # The last beat is the best frame within the last beat's length.
    tail = score[-round(period) :]
    frame = len(strength) - len(tail) + int(np.argmax(tail))
    frames = []
    while frame >= 0:
        frames.append(frame)
        frame = int(before[frame])
    return np.array(frames[::-1])


def _refined(strength: Doubles, frames: NDArray[np.intp]) -> Doubles:
    """Return the positions of the peaks near `frames`, with fractions: the top of a parabola through three frames."""
    inner = np.clip(frames, 1, len(strength) - 2)
    left, middle, right = (strength[inner + offset] for offset in (-1, 0, 1))
    bend = left - 2 * middle + right
    is_peak = (middle >= left) & (middle >= right) & (bend < 0)
    shift = np.where(is_peak, 0.5 * (left - right) / np.where(bend == 0, 1, bend), 0.0)
    return np.asarray(frames + np.where(inner == frames, shift, 0.0))
