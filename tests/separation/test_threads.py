"""Threads that share a separator, progress, and cancellation."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tests.separation.conftest import WriteSong, noise
from tests.separation.known_models import SEGMENT

from unbraid import Separator
from unbraid.errors import Cancelled
from unbraid.separation import Progress


def test_concurrent_songs_give_the_same_stems_as_single_songs(loudness_folder: Path) -> None:
    separator = Separator(loudness_folder, jobs=2)
    songs = [noise(2, 8 * SEGMENT + index, seed=index) for index in range(6)]
    alone = [separator.separate(song)["vocals"] for song in songs]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda song: separator.separate(song)["vocals"], songs))
    for expected, actual in zip(alone, together, strict=True):
        assert np.array_equal(expected, actual)


def test_progress_increases_through_all_stages_to_one(
    separator: Separator, write_song: WriteSong, tmp_path: Path
) -> None:
    reports: list[Progress] = []
    separator.separate_to_files(write_song(noise(2, 88200)), tmp_path / "out", progress=reports.append)
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert list(dict.fromkeys(report.stage for report in reports)) == ["analysing", "separating", "writing"]
    assert reports[-1].seconds_done == reports[-1].seconds_total == 2.0
    assert len({report.seconds_done for report in reports if report.stage == "separating"}) > 10


@pytest.mark.parametrize("stage", ["analysing", "separating", "writing"])
def test_a_cancelled_song_leaves_no_files(
    separator: Separator, write_song: WriteSong, tmp_path: Path, stage: str
) -> None:
    cancel = threading.Event()
    reports: list[Progress] = []

    def stop(report: Progress) -> None:
        reports.append(report)
        if report.stage == stage:
            cancel.set()

    song = write_song(noise(2, 20 * 44100))
    with pytest.raises(Cancelled):
        separator.separate_to_files(song, tmp_path / "a" / "out", progress=stop, cancel=cancel)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["song.wav"]
    assert len([report for report in reports if report.stage == stage]) == 1


def test_an_exception_in_the_callback_stops_the_work(separator: Separator) -> None:
    def fail(report: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        separator.separate(noise(2, 100000), progress=fail)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("segment")]
