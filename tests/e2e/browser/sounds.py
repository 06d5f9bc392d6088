"""Write the songs that tests compute."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 44100


def write_sound(path: Path, sound: NDArray[np.float64], channels: int = 2) -> Path:
    """Write samples (n,) as a 16-bit WAV at RATE, the same in each channel. Returns its path."""
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, RATE, 0, "NONE", ""))
        file.writeframes(np.repeat((sound * 32767).astype("<i2"), channels).tobytes())
    return path
