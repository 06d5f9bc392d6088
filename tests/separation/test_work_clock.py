"""Times of songs that overlap add up."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.separation.conftest import WriteSong, noise
from tests.separation.known_models import SEGMENT
from tests.separation.test_batch import Hold

from unbraid import Separator
from unbraid.separation import Progress, Result
from unbraid.separation.work_clock import WorkClock


class Now:
    """A clock that the test moves."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_time_is_divided_among_the_songs_under_way() -> None:
    now = Now()
    clock = WorkClock(now)
    with ThreadPoolExecutor(1) as other:
        with clock.measure() as first:
            now.seconds += 4  # the first song alone
            measured = clock.measure()
            second = other.submit(measured.__enter__).result()
            now.seconds += 6  # both
            with clock.paused():
                now.seconds += 1  # the second alone
            now.seconds += 2  # both
        now.seconds += 3  # the second alone
        other.submit(measured.__exit__, None, None, None).result()
    now.seconds += 10
    assert (first.seconds, second.seconds) == (8, 8)


def test_an_error_ends_the_measurement() -> None:
    now = Now()
    clock = WorkClock(now)
    with pytest.raises(ValueError, match="broken"), clock.measure() as broken, clock.paused():
        raise ValueError("broken")
    with clock.measure() as timer:
        now.seconds += 2
    assert (broken.seconds, timer.seconds) == (0, 2)


def test_seconds_of_a_batch_add_up_to_at_most_the_time_it_takes(
    separator: Separator, write_song: WriteSong, tmp_path: Path
) -> None:
    songs = [write_song(noise(2, 8 * SEGMENT, seed), name=f"{seed}.wav") for seed in range(3)]
    hold = Hold("writing")

    def progress(song: object, report: Progress) -> None:
        if song == songs[0]:
            hold(report)  # until the next song has been computed
        elif song == songs[1] and report.stage == "writing":
            hold.go.set()

    started = time.monotonic()
    results = [
        result
        for _, result in separator.separate_files(songs, tmp_path / "out", format="flac", progress=progress)
    ]
    wall_s = time.monotonic() - started
    seconds = [result.seconds for result in results if isinstance(result, Result)]
    assert len(seconds) == 3
    assert min(seconds) > 0
    assert sum(seconds) <= wall_s
