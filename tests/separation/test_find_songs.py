"""Search folders for songs: a stable order, no hidden files, no loops, none of our own files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unbraid.models.cache import CACHE
from unbraid.separation import FoundSong, find_songs
from unbraid.separation.record_cache import records_folder
from unbraid.separation.song_record import RECORD, SongRecord


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def found(*paths: Path, out: Path | None = None) -> list[str]:
    """Return the folder below the output folder and the name of each song."""
    songs = find_songs(paths, out)
    assert list(songs) == list(songs)
    return [
        str(song.folder / song.path.name) if isinstance(song, FoundSong) else f"named {os.fspath(song)}"
        for song in songs
    ]


def test_lists_files_before_folders_in_alphabetical_order(tmp_path: Path) -> None:
    touch(tmp_path, "b.mp3", "A.mp3", "c/2.mp3", "c/1.mp3", "c/deep/3.mp3", "Z/4.mp3")
    assert found(tmp_path) == ["A.mp3", "b.mp3", "c/1.mp3", "c/2.mp3", "c/deep/3.mp3", "Z/4.mp3"]


def test_a_folder_and_its_content_give_the_same_folders(tmp_path: Path) -> None:
    touch(tmp_path, "album/1.mp3", "single.mp3")
    assert found(tmp_path) == ["single.mp3", "album/1.mp3"]
    assert found(*sorted(tmp_path.iterdir())) == ["album/1.mp3", f"named {tmp_path / 'single.mp3'}"]


def test_leaves_out_hidden_files_and_folders(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3", "._a.mp3", ".cache/b.mp3")
    assert found(tmp_path) == ["a.mp3"]


def test_leaves_out_the_output_folder_and_written_stems(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3", "out/x/vocals.wav", "done/vocals.wav", "shared/a - vocals.wav", "shared/own.mp3")
    touch(tmp_path, "vocals/a.wav", "vocals/own.wav")
    SongRecord("", {"vocals.wav": 1}).save(tmp_path / "done" / RECORD)
    SongRecord("", {"a - vocals.wav": 1}).save(tmp_path / "shared" / f".a - {RECORD}")
    SongRecord("", {"vocals/a.wav": 1}).save(tmp_path / f".a{RECORD}")
    assert found(tmp_path, out=tmp_path / "out") == ["a.mp3", "shared/own.mp3", "vocals/own.wav"]
    assert "out/x/vocals.wav" in found(tmp_path)


def test_the_searched_folder_may_be_the_output_folder(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3", "a/vocals.wav")
    SongRecord("", {"vocals.wav": 1}).save(tmp_path / "a" / RECORD)
    assert found(tmp_path, out=tmp_path) == ["a.mp3"]


def test_leaves_out_files_on_record_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    touch(tmp_path, "music/known/a/vocals.wav", "music/known/a/own.wav", "music/known/a/drums.wav")
    touch(tmp_path, "music/known/vocals.wav")
    records_folder().mkdir(parents=True)
    (records_folder() / "damaged.json").write_text("{")
    size = len("music/known/a/vocals.wav")
    files = {"a/vocals.wav": size, "a/drums.wav": size + 1, "a/gone.wav": 3}
    SongRecord("", files, folder=str(tmp_path / "music" / "known")).save(records_folder() / "1.json")
    # The user replaced drums.wav by a file of another size.
    assert found(tmp_path / "music") == ["known/vocals.wav", "known/a/drums.wav", "known/a/own.wav"]
    (tmp_path / "link").symlink_to(tmp_path / "music")
    assert found(tmp_path / "link" / "known" / "a") == ["drums.wav", "own.wav"]


def test_follows_links_once(tmp_path: Path) -> None:
    touch(tmp_path, "music/album/a.mp3", "elsewhere/b.mp3")
    music = tmp_path / "music"
    (music / "album" / "loop").symlink_to(music)
    (music / "same.mp3").symlink_to(music / "album" / "a.mp3")
    (music / "other").symlink_to(tmp_path / "elsewhere")
    (music / "other again").symlink_to(tmp_path / "elsewhere")
    (music / "broken.mp3").symlink_to("missing.mp3")
    assert found(music) == ["album/a.mp3", "other/b.mp3"]


def test_a_folder_that_cannot_be_read_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.mp3", "closed/b.mp3")
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if path.name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    songs = find_songs([tmp_path])
    monkeypatch.setattr(os, "scandir", refuse)
    assert len(list(songs)) == 1
    (problem,) = songs.problems
    assert "closed can't be read: Permission denied." in problem.message
