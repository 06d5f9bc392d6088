"""Batches: songs overlap, networks compute in turn, and the stems are the same as for single songs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import WriteWave
from tests.separation.conftest import WriteSong, noise
from tests.separation.known_models import SEGMENT

from unbraid import Separator
from unbraid.errors import Cancelled, InputError, OutputError, UnbraidError
from unbraid.separation import Progress, Result, find_songs
from unbraid.separation.file_choices import FileChoices

TIMEOUT_S = 30.0


@pytest.fixture
def songs(write_song: WriteSong) -> list[Path]:
    """Three songs of different lengths."""
    return [write_song(noise(2, 8 * SEGMENT + seed, seed), name=f"{seed}.wav") for seed in range(3)]


class Hold:
    """A progress callback that blocks a song at its first report of `stage`: sets `reached`, then waits for `go`."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.reached, self.go = threading.Event(), threading.Event()

    def __call__(self, report: Progress) -> None:
        if report.stage == self.stage:
            self.reached.set()
            assert self.go.wait(TIMEOUT_S)


def test_computes_a_song_while_the_previous_one_is_encoded(
    separator: Separator, songs: list[Path], tmp_path: Path
) -> None:
    hold = Hold("writing")

    def progress(song: object, report: Progress) -> None:
        if song == songs[0]:
            hold(report)
        elif song == songs[1] and report.stage == "separating" and report.seconds_done > 0:
            hold.go.set()

    done = [song for song, _ in separator.separate_files(songs, tmp_path / "out", progress=progress)]
    assert done == songs


def test_threads_that_share_a_separator_overlap_too(
    separator: Separator, songs: list[Path], tmp_path: Path
) -> None:
    writing = Hold("writing")

    def go(report: Progress) -> None:
        if report.stage == "separating" and report.seconds_done > 0:
            writing.go.set()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(separator.separate_to_files, songs[0], tmp_path, progress=writing)
        assert writing.reached.wait(TIMEOUT_S)
        second = pool.submit(separator.separate_to_files, songs[1], tmp_path, progress=go)
    assert first.result().files.keys() == second.result().files.keys()


def test_computes_one_song_at_a_time_and_in_order(
    separator: Separator, songs: list[Path], tmp_path: Path
) -> None:
    computed: list[object] = []

    def progress(song: object, report: Progress) -> None:
        if report.stage == "separating":
            computed.append(song)
        elif report.stage == "analysing" and song == songs[0]:
            threading.Event().wait(0.2)  # enough time for the other songs to get ahead

    assert len(list(separator.separate_files(songs, tmp_path, progress=progress))) == 3
    assert len(computed) > 6
    assert computed == sorted(computed, key=songs.index)


@pytest.mark.parametrize(
    "options", [{"format": "flac", "stems": "all"}, {"format": "mp3", "clip_mode": "clamp"}], ids=str
)
def test_files_equal_those_of_single_songs(
    options: dict[str, str], loudness_folder: Path, songs: list[Path], tmp_path: Path
) -> None:
    separator = Separator(loudness_folder, jobs=2)
    for song, result in separator.separate_files(songs, tmp_path / "together", **options):
        assert isinstance(result, Result)
        alone = separator.separate_to_files(str(song), tmp_path / "alone", **options)  # type: ignore[arg-type]
        assert result.files.keys() == alone.files.keys()
        for name, file in alone.files.items():
            assert result.files[name].read_bytes() == file.read_bytes()


def test_takes_every_option_of_single_songs() -> None:
    own = {"song", "out_dir", "subfolder", "folders", "progress", "cancel", "listener", "return"}
    options = {
        name: kind for name, kind in Separator.separate_to_files.__annotations__.items() if name not in own
    }
    assert options == {name: kind.__forward_arg__ for name, kind in FileChoices.__annotations__.items()}


def test_yields_errors_in_order_and_separates_the_other_songs(
    separator: Separator, songs: list[Path], tmp_path: Path
) -> None:
    first, second, third = songs
    paths = [tmp_path / "missing.wav", first, tmp_path, second, third]
    outcomes = list(separator.separate_files(paths, tmp_path / "out"))
    assert [song for song, _ in outcomes] == paths
    assert [type(outcome) for _, outcome in outcomes] == [InputError, Result, InputError, Result, Result]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"0", "1", "2"}


def test_songs_with_the_same_name_get_separate_folders(
    separator: Separator, write_song: WriteSong, tmp_path: Path
) -> None:
    song = write_song(noise(1, 1000))
    folders = [
        result.files["vocals"].parent.name
        for _, result in separator.separate_files([song, song], tmp_path)
        if isinstance(result, Result)
    ]
    assert folders == ["song", "song (2)"]


def test_a_waiting_song_can_be_cancelled(separator: Separator, songs: list[Path], tmp_path: Path) -> None:
    hold, cancel = Hold("separating"), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        computed = pool.submit(separator.separate_to_files, songs[0], tmp_path / "out", progress=hold)
        assert hold.reached.wait(TIMEOUT_S)
        cancel.set()
        with pytest.raises(Cancelled):
            separator.separate(noise(1, 1000), cancel=cancel)
        hold.go.set()
    assert computed.result().duration_s > 0


def test_seconds_exclude_the_time_spent_waiting(
    separator: Separator, write_song: WriteSong, songs: list[Path], tmp_path: Path
) -> None:
    hold = Hold("separating")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(separator.separate_to_files, songs[0], tmp_path / "out", progress=hold)
        assert hold.reached.wait(TIMEOUT_S)
        second = pool.submit(separator.separate_to_files, write_song(noise(1, 1000)), tmp_path / "out")
        threading.Event().wait(0.5)
        hold.go.set()
    assert second.result().seconds < first.result().seconds


def hold_second(songs: list[Path], hold: Hold) -> Callable[[object, Progress], None]:
    """Return a progress callback that blocks the second song."""
    return lambda song, report: hold(report) if song == songs[1] else None


def test_closing_the_generator_cancels_the_songs_under_way(
    separator: Separator, songs: list[Path], tmp_path: Path
) -> None:
    hold = Hold("separating")
    results = separator.separate_files(songs, tmp_path / "out", progress=hold_second(songs, hold))
    assert next(results)[0] == songs[0]
    assert hold.reached.wait(TIMEOUT_S)
    threading.Timer(0.2, hold.go.set).start()
    results.close()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["0"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("song")]


def cancel_during_second(songs: list[Path], cancel: threading.Event) -> Callable[[object, Progress], None]:
    """Return a callback that sets `cancel` while the second song is separated and the first one is being written."""

    def progress(song: object, report: Progress) -> None:
        if song == songs[1] and report.stage == "separating":
            cancel.set()
        elif song == songs[0] and report.stage == "writing":
            assert cancel.wait(TIMEOUT_S)

    return progress


def test_cancelling_removes_all_songs_under_way(
    separator: Separator, songs: list[Path], tmp_path: Path
) -> None:
    cancel = threading.Event()
    progress = cancel_during_second(songs, cancel)
    with pytest.raises(Cancelled):
        list(separator.separate_files(songs, tmp_path / "a" / "out", progress=progress, cancel=cancel))
    assert not (tmp_path / "a").exists()


def test_an_exception_in_the_callback_cancels_the_others_and_is_raised(
    separator: Separator, songs: list[Path], tmp_path: Path
) -> None:
    hold = Hold("separating")

    def progress(song: object, report: Progress) -> None:
        if song == songs[1]:
            hold(report)
        elif report.stage == "writing":
            assert hold.reached.wait(TIMEOUT_S)
            threading.Timer(0.2, hold.go.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(separator.separate_files(songs, tmp_path / "out", progress=progress))
    assert not (tmp_path / "out").exists()


def test_yields_the_cancelled_songs_before_it_raises_cancelled(
    separator: Separator, songs: list[Path], tmp_path: Path
) -> None:
    cancel = threading.Event()
    progress = cancel_during_second(songs, cancel)
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


def test_a_song_whose_stem_would_replace_another_song_is_refused(
    separator: Separator, songs: list[Path], tmp_path: Path
) -> None:
    (_, result), *_ = separator.separate_files(songs[:1], tmp_path / "out")
    assert isinstance(result, Result)
    vocals = result.files["vocals"]
    before = vocals.read_bytes()
    outcomes = list(separator.separate_files([songs[0], vocals], tmp_path / "out"))
    assert [type(outcome) for _, outcome in outcomes] == [OutputError, Result]
    assert vocals.read_bytes() == before


def test_songs_are_searched_while_others_are_separated(
    model_folder: Path, write_wave: WriteWave, tmp_path: Path
) -> None:
    for number in range(10):
        write_wave(tmp_path / "music" / f"{number}.wav", 0.05)
    found: list[object] = []
    songs = find_songs([tmp_path / "music"])
    songs.listener = found.append
    outcomes = Separator(model_folder).separate_files(songs, tmp_path / "out")
    done = 0
    for done, (song, outcome) in enumerate(outcomes, 1):
        assert isinstance(outcome, Result)
        assert str(song) == str(tmp_path / "music" / f"{done - 1}.wav")
        assert done <= len(found) <= done + 4
    assert done == 10
