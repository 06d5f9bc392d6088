"""Songs are found in any storage that fsspec knows."""

from __future__ import annotations

import fsspec
import pytest

from unbraid.cluster.storage import Storage
from unbraid.errors import SettingError
from unbraid.separation.song_record import RECORD


@pytest.fixture
def bucket() -> str:
    """A storage in memory with songs, pictures, hidden files and stems."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    for name in (
        "in/z.mp3",
        "in/album/one.wav",
        "in/album/one.flac",
        "in/album/One.txt",
        "in/album/cover.jpg",
        "in/album/.hidden.wav",
        "in/album/noending",
        "in/.trash/lost.wav",
        f"in/old/song/{RECORD}",
        "in/old/song/vocals.wav",
        "in/out/other.wav",
    ):
        files.pipe_file(f"/{name}", name.encode())
    return "memory://in"


def test_songs_are_listed_with_their_folders(bucket: str) -> None:
    songs = list(Storage(bucket).songs(leave_out=Storage(f"{bucket}/out")))
    assert [(song.label, song.folder, song.name, song.size) for song in songs] == [
        ("z.mp3", "", "z", len("in/z.mp3")),
        # Two names that differ in their suffix: the whole name, whatever the order in which they are found.
        ("album/noending", "album", "noending", len("in/album/noending")),
        ("album/one.flac", "album", "one.flac", len("in/album/one.flac")),
        ("album/one.wav", "album", "one.wav", len("in/album/one.wav")),
    ]
    assert all(song.modified_ns > 0 for song in songs)
    assert Storage(bucket).url_of(songs[0]) == "memory:///in/z.mp3"


def test_no_two_songs_meet_in_a_folder() -> None:
    files = fsspec.filesystem("memory")
    files.store.clear()
    for name in ("a.mp3", "a.wav", "a.mp3.flac", "b", "b.ogg", "c.tar.wav", "C.mp3", "c.MP3.flac"):
        files.pipe_file(f"/in/{name}", b"song")
    names = [song.name for song in Storage("memory://in").songs()]
    assert sorted(names) == sorted(["a.mp3", "a.wav", "a.mp3.flac", "b", "b.ogg", "c.tar", "C", "c.MP3.flac"])
    assert len({name.lower() for name in names}) == len(names)


def test_unknown_storage_is_an_error() -> None:
    with pytest.raises(SettingError, match="nowhere://x can't be opened"):
        Storage("nowhere://x")
