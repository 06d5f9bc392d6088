"""Cut a stream of samples into overlapping frames, and compute their magnitude spectra."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from unbraid.audio.arrays import Floats


class Spectra:
    """Magnitude spectra of a stream: frames of `length` samples with a Hann window, one every `hop` samples.

    A sine at full scale has the magnitude 1. The centre of frame number n is at sample n * `hop`.
    """

    def __init__(self, length: int, hop: int) -> None:
        self._hop = hop
        self._window = np.hanning(length + 1)[:-1].astype(np.float32)
        self._window *= 2 / self._window.sum()
        self._rest: Floats = np.zeros(length // 2, np.float32)

    def push(self, samples: Floats) -> Floats:
        """Append samples (n,). Return the spectra (frames, bins) that are complete."""
        samples = np.concatenate([self._rest, samples])
        length = len(self._window)
        if len(samples) < length:
            self._rest = samples
            return np.zeros((0, length // 2 + 1), np.float32)
        frames = sliding_window_view(samples, length)[:: self._hop]
        self._rest = samples[len(frames) * self._hop :].copy()
        spectra: Floats = np.abs(np.fft.rfft(frames * self._window)).astype(np.float32, copy=False)
        return spectra
