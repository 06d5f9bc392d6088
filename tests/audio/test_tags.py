"""Tags and cover pictures go from song to stem where the format can hold them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.audio.sounds import noise
from tests.broken_files import png

from unbraid.audio.encode import Encoder
from unbraid.audio.probe import probe

TAGS = {
    "title": "Пісня ☃",
    "artist": "A; B",
    "album": "Album",
    "date": "2020",
    "track": "3/9",
    "genre": "Rock",
}


def encode(path: Path, **options: object) -> Path:
    with Encoder(path, sample_rate=44100, channels=2, format=path.suffix[1:], **options) as encoder:  # type: ignore[arg-type]
        encoder.write(noise(44100, 2))
    return path


@pytest.mark.parametrize("format", ["wav", "flac", "mp3", "m4a", "opus"])
def test_tags_come_back(tmp_path: Path, format: str) -> None:
    assert probe(encode(tmp_path / f"stem.{format}", tags=TAGS)).tags == TAGS


@pytest.mark.parametrize("format", ["flac", "mp3", "m4a", "opus"])
def test_the_cover_comes_back(tmp_path: Path, format: str) -> None:
    info = probe(encode(tmp_path / f"stem.{format}", tags=TAGS, cover=png(), cover_mime="image/png"))
    assert (info.cover, info.cover_mime, info.streams, info.tags) == (png(), "image/png", 1, TAGS)
    assert info.duration_s == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("format", ["wav", "flac", "mp3", "m4a", "opus"])
@pytest.mark.parametrize(
    ("cover", "mime"), [(b"no picture at all", "image/jpeg"), (b"GIF89a", "image/gif"), (b"", None)]
)
def test_a_cover_that_is_no_picture_is_left_out(
    tmp_path: Path, format: str, cover: bytes, mime: str | None
) -> None:
    info = probe(encode(tmp_path / f"stem.{format}", cover=cover, cover_mime=mime))
    assert info.cover is None


def test_what_is_true_of_the_song_alone_is_not_carried_over(tmp_path: Path) -> None:
    tags = {"title": "Song", "replaygain_track_gain": "-7.1 dB", "iTunSMPB": " 00000000 00000840 000001CA"}
    assert probe(encode(tmp_path / "song.flac", tags=tags)).tags == {"title": "Song"}


def test_odd_characters_in_tags_do_no_harm(tmp_path: Path) -> None:
    for format in ("wav", "flac", "mp3", "m4a", "opus"):
        encode(
            tmp_path / f"stem.{format}",
            tags={"title": "half a \udcff character", "comment": "line\nline", "x=y": "z"},
        )
