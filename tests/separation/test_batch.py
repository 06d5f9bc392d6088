"""Many songs at once: networks compute in turn, the next song while the last is written; nothing else changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.separation.conftest import WriteSong, noise
from tests.separation.known_models import SEGMENT

from unbraid import Separator
from unbraid.errors import Cancelled, InputError, UnbraidError
from unbraid.separation import Progress, Result

PATIENCE_S = 30.0  # after which a test fails: what it waits for doesn't come


@pytest.fixture
def songs(write_song: WriteSong) -> list[Path]:
    """Three songs, of different lengths."""
    return [write_song(noise(2, 8 * SEGMENT + seed, seed), name=f"{seed}.wav") for seed in range(3)]


class Hold:
    """Holds a song up, at its first report of a stage, until `go`; `there` once it has got to that."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.there, self.go = threading.Event(), threading.Event()

    def __call__(self, report: Progress) -> None:
        if report.stage == self.stage:
            self.there.set()
            assert self.go.wait(PATIENCE_S)


def test_a_song_is_computed_while_the_one_before_is_being_written(
    separator: Separator, songs: list[Path], tmp_path: Path
) -> None:
    hold = Hold("writing")

    def told(song: object, report: Progress) -> None:
        if song == songs[0]:
            hold(report)
        elif song == songs[1] and report.stage == "separating" and report.seconds_done > 0:
            hold.go.set()

    done = [song for song, _ in separator.separate_files(songs, tmp_path / "out", progress=told)]
    assert done == songs


def test_threads_that_share_a_separator_do_so_too(
    separator: Separator, songs: list[Path], tmp_path: Path
) -> None:
    writing = Hold("writing")

    def go(report: Progress) -> None:
        if report.stage == "separating" and report.seconds_done > 0:
            writing.go.set()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(separator.separate_to_files, songs[0], tmp_path, progress=writing)
        assert writing.there.wait(PATIENCE_S)
        second = pool.submit(separator.separate_to_files, songs[1], tmp_path, progress=go)
    assert first.result().files.keys() == second.result().files.keys()


def test_one_song_is_computed_at_a_time_and_in_order(
    separator: Separator, songs: list[Path], tmp_path: Path
) -> None:
    computed: list[object] = []

    def told(song: object, report: Progress) -> None:
        if report.stage == "separating":
            computed.append(song)
        elif report.stage == "analysing" and song == songs[0]:
            threading.Event().wait(0.2)  # time enough for the others to get ahead

    assert len(list(separator.separate_files(songs, tmp_path, progress=told))) == 3
    assert len(computed) > 6
    assert computed == sorted(computed, key=songs.index)


@pytest.mark.parametrize(
    "options", [{"format": "flac", "stems": "all"}, {"format": "mp3", "clip_mode": "clamp"}], ids=str
)
def test_files_are_those_of_single_songs_byte_for_byte(
    options: dict[str, str], loudness_folder: Path, songs: list[Path], tmp_path: Path
) -> None:
    separator = Separator(loudness_folder, jobs=2)
    for song, result in separator.separate_files(songs, tmp_path / "together", **options):
        assert isinstance(result, Result)
        alone = separator.separate_to_files(str(song), tmp_path / "alone", **options)  # type: ignore[arg-type]
        assert result.files.keys() == alone.files.keys()
        for name, file in alone.files.items():
            assert result.files[name].read_bytes() == file.read_bytes()


def test_what_is_wrong_with_a_song_stands_in_its_place_and_the_others_are_done(
    separator: Separator, songs: list[Path], tmp_path: Path
) -> None:
    first, second, third = songs
    given = [tmp_path / "missing.wav", first, tmp_path, second, third]
    found = list(separator.separate_files(given, tmp_path / "out"))
    assert [song for song, _ in found] == given
    assert [type(outcome) for _, outcome in found] == [InputError, Result, InputError, Result, Result]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"0", "1", "2"}


def test_songs_of_one_name_get_folders_of_their_own(
    separator: Separator, write_song: WriteSong, tmp_path: Path
) -> None:
    song = write_song(noise(1, 1000))
    folders = [
        result.files["vocals"].parent.name
        for _, result in separator.separate_files([song, song], tmp_path)
        if isinstance(result, Result)
    ]
    assert folders == ["song", "song (2)"]


def test_a_song_that_waits_for_its_turn_can_be_cancelled(
    separator: Separator, songs: list[Path], tmp_path: Path
) -> None:
    hold, cancel = Hold("separating"), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        computed = pool.submit(separator.separate_to_files, songs[0], tmp_path / "out", progress=hold)
        assert hold.there.wait(PATIENCE_S)
        cancel.set()
        with pytest.raises(Cancelled):
            separator.separate(noise(1, 1000), cancel=cancel)
        hold.go.set()
    assert computed.result().duration_s > 0


def test_waiting_is_not_counted_as_time_that_a_song_took(
    separator: Separator, write_song: WriteSong, songs: list[Path], tmp_path: Path
) -> None:
    hold = Hold("separating")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(separator.separate_to_files, songs[0], tmp_path / "out", progress=hold)
        assert hold.there.wait(PATIENCE_S)
        second = pool.submit(separator.separate_to_files, write_song(noise(1, 1000)), tmp_path / "out")
        threading.Event().wait(0.5)
        hold.go.set()
    assert second.result().seconds < first.result().seconds


def held_up(songs: list[Path], hold: Hold) -> Callable[[object, Progress], None]:
    """A callback that holds up the second of the songs."""
    return lambda song, report: hold(report) if song == songs[1] else None


def test_leaving_early_gives_up_what_is_under_way(
    separator: Separator, songs: list[Path], tmp_path: Path
) -> None:
    hold = Hold("separating")
    results = separator.separate_files(songs, tmp_path / "out", progress=held_up(songs, hold))
    assert next(results)[0] == songs[0]
    assert hold.there.wait(PATIENCE_S)
    threading.Timer(0.2, hold.go.set).start()
    results.close()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["0"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("song")]


def test_all_that_is_under_way_is_cancelled_and_leaves_nothing(
    separator: Separator, songs: list[Path], tmp_path: Path
) -> None:
    cancel = threading.Event()

    def told(song: object, report: Progress) -> None:
        if song == songs[1] and report.stage == "separating":
            cancel.set()
        elif song == songs[0] and report.stage == "writing":
            assert cancel.wait(PATIENCE_S)

    with pytest.raises(Cancelled):
        list(separator.separate_files(songs, tmp_path / "a" / "out", progress=told, cancel=cancel))
    assert not (tmp_path / "a").exists()


def test_an_error_in_the_callback_ends_the_others_and_is_raised(
    separator: Separator, songs: list[Path], tmp_path: Path
) -> None:
    hold = Hold("separating")

    def told(song: object, report: Progress) -> None:
        if song == songs[1]:
            hold(report)
        elif report.stage == "writing":
            assert hold.there.wait(PATIENCE_S)
            threading.Timer(0.2, hold.go.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(separator.separate_files(songs, tmp_path / "out", progress=told))
    assert not (tmp_path / "out").exists()


def test_yields_the_cancelled_songs_before_it_raises_cancelled(
    separator: Separator, songs: list[Path], tmp_path: Path
) -> None:
    cancel = threading.Event()

    def progress(song: object, report: Progress) -> None:
        if song == songs[1] and report.stage == "separating":
            cancel.set()
        elif song == songs[0] and report.stage == "writing":
            assert cancel.wait(PATIENCE_S)

    outcomes: list[tuple[object, object]] = []
    with pytest.raises(Cancelled):
        outcomes.extend(separator.separate_files(songs, tmp_path / "out", progress=progress, cancel=cancel))
    assert [song for song, _ in outcomes] == songs[:2]
    assert all(isinstance(outcome, Cancelled) for _, outcome in outcomes)


def test_running_out_of_memory_is_the_error_of_one_song(
    separator: Separator, songs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    separate = Separator.separate_to_files

    def exhaust_memory(self: Separator, song: Path, *arguments: Any, **options: Any) -> Result:
        if song == songs[0]:
            raise MemoryError
        return separate(self, song, *arguments, **options)

    monkeypatch.setattr(Separator, "separate_to_files", exhaust_memory)
    (_, first), *rest = separator.separate_files(songs, tmp_path)
    assert isinstance(first, UnbraidError)
    assert "not enough memory" in first.message
    assert all(isinstance(result, Result) for _, result in rest)
