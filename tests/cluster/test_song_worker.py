"""A worker of a cluster separates songs from a storage into a storage: each once, and nothing is lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks.songs import write_song
from tests.folders import everything_in

from unbraid.cluster.song_worker import DONE, FAILED, NOT_AUDIO, SKIPPED, Outcome, SongWorker, Task
from unbraid.cluster.storage import Storage, StoredSong
from unbraid.errors import SettingError
from unbraid.separation import Separator
from unbraid.separation.song_record import RECORD, read_record

SECONDS = 0.2

Work = Callable[..., list[Outcome]]


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """A folder with two songs in folders of their own."""
    for number, name in enumerate(("a/one.wav", "b/two.wav")):
        (tmp_path / "music" / name).parent.mkdir(parents=True)
        write_song(tmp_path / "music" / name, SECONDS, seed=number)
    return tmp_path / "music"


@pytest.fixture
def work(model_folder: Path, tmp_path: Path) -> Work:
    """Function that separates all songs of `music` into `stems` by a new worker, and returns their outcomes."""

    def run(**options: object) -> list[Outcome]:
        task = Task(
            f"file://{tmp_path}/music",
            f"file://{tmp_path}/stems",
            separator={"model": str(model_folder), "for_stems": "vocals"},
            **options,  # type: ignore[arg-type]
        )
        worker = SongWorker(task)
        return [worker.separate(song) for song in songs_in(task)]

    return run


def songs_in(task: Task) -> list[StoredSong]:
    return list(Storage(task.source).songs(leave_out=Storage(task.out)))


def test_stems_equal_those_of_one_machine(
    work: Work, music: Path, model_folder: Path, tmp_path: Path
) -> None:
    outcomes = work(files={"format": "flac"})
    assert [(one.song, one.status, one.folder) for one in outcomes] == [
        ("a/one.wav", DONE, "a/one"),
        ("b/two.wav", DONE, "b/two"),
    ]
    assert all(one.duration_s == SECONDS and one.seconds > 0 for one in outcomes)
    Separator(model_folder).separate_to_files(music / "a/one.wav", tmp_path / "local", format="flac")
    for stem in ("vocals.flac", "no_vocals.flac"):
        assert (tmp_path / "stems/a/one" / stem).read_bytes() == (tmp_path / "local/one" / stem).read_bytes()
    assert everything_in(tmp_path / "stems/b/two") == [RECORD, "no_vocals.flac", "vocals.flac"]


def test_a_second_run_skips_songs_that_are_done(work: Work, music: Path, tmp_path: Path) -> None:
    work()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "stems").rglob("*") if path.is_file()}
    assert [(one.status, one.duration_s) for one in work()] == [(SKIPPED, SECONDS)] * 2
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [one.status for one in work(replace=True)] == [DONE, DONE]


@pytest.mark.parametrize("change", ["song", "options", "missing stem", "unfinished"])
def test_what_is_not_done_is_separated_again(work: Work, music: Path, tmp_path: Path, change: str) -> None:
    work(stems="all")
    folder, options = tmp_path / "stems/a/one", {"stems": "all"}
    if change == "song":
        write_song(music / "a/one.wav", SECONDS, seed=9)
        os.utime(music / "a/one.wav", ns=(1, 1))
    elif change == "options":
        options = {"stems": "vocals"}
    elif change == "missing stem":
        (folder / "bass.wav").unlink()
    else:  # a worker was killed between its first and its last file
        record = json.loads((folder / RECORD).read_text())
        (folder / RECORD).write_text(json.dumps({**record, "making": None}))
    outcomes = work(**options)
    assert [one.status for one in outcomes] == [DONE, DONE if change == "options" else SKIPPED]
    record = read_record(folder / RECORD)
    assert record is not None and record.making is not None
    # Stems of the first run that the second doesn't write are gone.
    assert everything_in(folder) == sorted([RECORD, *record.files])
    assert set(record.making.stems) == (
        {"vocals", "no_vocals"} if change == "options" else {"drums", "bass", "other", "vocals"}
    )


def test_files_of_others_are_kept(work: Work, music: Path, tmp_path: Path) -> None:
    (tmp_path / "stems/a/one").mkdir(parents=True)
    (tmp_path / "stems/a/one/vocals.wav").write_text("mine")
    assert [one.folder for one in work()] == ["a/one (2)", "b/two"]
    assert (tmp_path / "stems/a/one/vocals.wav").read_text() == "mine"
    assert [(one.status, one.folder) for one in work()] == [(SKIPPED, "a/one (2)"), (SKIPPED, "b/two")]


def test_a_bad_song_fails_alone(work: Work, music: Path) -> None:
    (music / "a/broken.mp3").write_bytes(b"not a song")
    (music / "a/readme").write_bytes(b"a text")
    outcomes = {one.song: one for one in work()}
    assert {song: one.status for song, one in outcomes.items()} == {
        "a/broken.mp3": FAILED,
        "a/one.wav": DONE,
        "a/readme": NOT_AUDIO,
        "b/two.wav": DONE,
    }
    assert outcomes["a/broken.mp3"].error.startswith("a/broken.mp3 can't be read as audio")


def test_a_song_that_disappears_fails_alone(work: Work, music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    download = Storage.download

    def lose(self: Storage, song: StoredSong, target: Path) -> None:
        if song.label == "a/one.wav":
            (music / "a/one.wav").unlink()
        download(self, song, target)

    monkeypatch.setattr(Storage, "download", lose)
    failed, done = work()
    assert (failed.status, done.status) == (FAILED, DONE)
    assert failed.error.startswith("a/one.wav: FileNotFoundError")


def test_machines_need_one_version(work: Work, music: Path) -> None:
    with pytest.raises(SettingError, match=r"has Unbraid .*, and this one 0\.0\.1\. Install one version\."):
        work(version="0.0.1")
