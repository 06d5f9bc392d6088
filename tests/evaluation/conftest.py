"""Fixtures that write songs with known stems."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import av
import numpy as np
import pytest

from unbraid.audio.encode import Encoder

RATE = 44100
WriteStems = Callable[..., Path]


def noise(seed: int, level: float = 0.1, seconds: float = 1.0, channels: int = 2) -> np.ndarray:
    """White noise, float32 (channels, samples)."""
    shape = (channels, round(seconds * RATE))
    return (level * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


@pytest.fixture
def write_stems() -> WriteStems:
    """Write stems (channels, samples) as float WAV files into a folder, and return the folder."""

    def write(folder: Path, stems: Mapping[str, np.ndarray], sample_rate: int = RATE) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, stem in stems.items():
            with Encoder(
                folder / f"{name}.wav", sample_rate=sample_rate, channels=len(stem), subtype="float"
            ) as out:
                out.write(stem)
        return folder

    return write


@pytest.fixture
def write_stem_file() -> Callable[[Path, list[np.ndarray]], Path]:
    """Write a stem file with one lossless audio stream for each array (2, samples)."""

    def write(path: Path, streams: list[np.ndarray]) -> Path:
        with av.open(str(path), "w", format="mp4") as container:
            tracks = []
            for _ in streams:
                track = container.add_stream("flac", rate=RATE)
                track.layout, track.format = "stereo", "s16"
                tracks.append(track)
            for track, samples in zip(tracks, streams, strict=True):
                whole = np.rint(samples * 32768).astype(np.int16).T.reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(whole), format="s16", layout="stereo")
                frame.sample_rate, frame.pts = RATE, 0
                for packet in (*track.encode(frame), *track.encode(None)):
                    container.mux(packet)
        return path

    return write
