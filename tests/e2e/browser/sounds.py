"""Write the songs and videos that tests compute."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 44100
VIDEO_RATE, FRAMES_PER_S = 48_000, 25


def write_sound(path: Path, sound: NDArray[np.float64], channels: int = 2) -> Path:
    """Write samples (n,) as a 16-bit WAV at RATE, the same in each channel. Returns its path."""
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, RATE, 0, "NONE", ""))
        file.writeframes(np.repeat((sound * 32767).astype("<i2"), channels).tobytes())
    return path


def write_clip(path: Path, seconds: int, width: int = 160, height: int = 90) -> Path:
    """Write a WebM video whose pictures become brighter with time, with noise as its sound. Returns its path."""
    noise = np.random.default_rng(1).uniform(-0.3, 0.3, (2, seconds * VIDEO_RATE)).astype(np.float32)
    with av.open(str(path), "w") as container:
        pictures = container.add_stream(
            "libvpx", rate=FRAMES_PER_S, width=width, height=height, pix_fmt="yuv420p"
        )
        pictures.options = {"deadline": "realtime", "cpu-used": "8", "g": "25"}
        sound = container.add_stream("libopus", rate=VIDEO_RATE, layout="stereo")
        for index in range(seconds * FRAMES_PER_S):
            grey = round(40 + 160 * index / (seconds * FRAMES_PER_S))
            frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), grey, np.uint8))
            frame.pts, frame.time_base = index, Fraction(1, FRAMES_PER_S)
            container.mux(pictures.encode(frame))
        for start in range(0, noise.shape[1], 960):
            part = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(noise[:, start : start + 960]), "fltp", "stereo"
            )
            part.sample_rate, part.pts = VIDEO_RATE, start
            container.mux(sound.encode(part))
        container.mux(pictures.encode(None))
        container.mux(sound.encode(None))
    return path
