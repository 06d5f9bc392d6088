"""Memory is constant. `benchmarks/memory.py` measures the whole process with songs of up to an hour."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.separation.conftest import noise

from unbraid import Separator
from unbraid.audio.encode import Encoder


def peak_bytes(separator: Separator, song: Path, out: Path, **options: Any) -> int:
    """Return the peak memory of Python and NumPy while `song` is separated."""
    tracemalloc.start()
    try:
        separator.separate_to_files(song, out, **options)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("sample_rate", "stems"), [(44100, "vocals"), (48000, "all")])
def test_a_song_six_times_as_long_takes_no_more_memory(
    loudness_folder: Path, tmp_path: Path, sample_rate: int, stems: str
) -> None:
    separator = Separator(loudness_folder, segment_s=2, shifts=1, threads=1)
    second = noise(2, sample_rate)
    peaks = []
    for seconds in (15, 90):
        song = tmp_path / f"{seconds}.wav"
        with Encoder(song, sample_rate=sample_rate, channels=2) as encoder:
            for _ in range(seconds):
                encoder.write(second)
        peaks.append(peak_bytes(separator, song, tmp_path, stems=stems))
    whole = 90 * sample_rate * 2 * np.dtype(np.float32).itemsize
    # Some variation remains, because threads decide which blocks are in memory together. The song and its stems would
    # take five times `whole`.
    assert peaks[1] < 1.5 * peaks[0]
    assert peaks[1] < whole


def test_second_passes_take_no_more_memory_for_a_longer_song(loudness_folder: Path, tmp_path: Path) -> None:
    separator = Separator(loudness_folder, segment_s=1, threads=1)
    second = Separator(loudness_folder, segment_s=1.5, threads=1, sharing=separator)
    peaks = []
    for seconds in (15, 60):
        song = tmp_path / f"{seconds}.wav"
        with Encoder(song, sample_rate=44100, channels=2) as encoder:
            for _ in range(seconds):
                encoder.write(noise(2, 44100))
        then = {"drums": second}
        peaks.append(peak_bytes(separator, song, tmp_path, stems="all", then=then))
    assert peaks[1] < 1.5 * peaks[0]
