"""Generate songs. Each seed gives a different song, so that a benchmark notices interchanged stems."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np


def write_song(path: Path, seconds: float, seed: int, sample_rate: int = 44100) -> Path:
    """Write a 16-bit stereo WAV: a seeded chord with tremolo and a beat of noise. Returns its path."""
    random = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * sample_rate)) / sample_rate
    notes = 110 * 2 ** (random.integers(0, 36, 3) / 12)
    tones = sum(0.1 * np.sin(2 * np.pi * note * time_s) for note in notes)
    beat = 0.2 * random.standard_normal((2, len(time_s))) * np.exp(-20 * (time_s % 0.5))
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * random.uniform(0.1, 0.5) * time_s)
    samples = np.clip((tones * swell + beat) * 32767, -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, sample_rate, 0, "NONE", ""))
        file.writeframes(samples.T.tobytes())
    return path
