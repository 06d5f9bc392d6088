"""Tags and cover pictures survive the round trip in formats that support them."""

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
def test_tags_survive(tmp_path: Path, format: str) -> None:
    assert probe(encode(tmp_path / f"stem.{format}", tags=TAGS)).tags == TAGS


@pytest.mark.parametrize("format", ["flac", "mp3", "m4a", "opus"])
def test_cover_survives(tmp_path: Path, format: str) -> None:
    info = probe(encode(tmp_path / f"stem.{format}", tags=TAGS, cover=png(), cover_mime="image/png"))
    assert (info.cover, info.cover_mime, info.streams, info.tags) == (png(), "image/png", 1, TAGS)
    assert info.duration_s == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("format", ["wav", "flac", "mp3", "m4a", "opus"])
@pytest.mark.parametrize(
    ("cover", "mime"), [(b"not a picture", "image/jpeg"), (b"GIF89a", "image/gif"), (b"", None)]
)
def test_ignores_unusable_cover(tmp_path: Path, format: str, cover: bytes, mime: str | None) -> None:
    info = probe(encode(tmp_path / f"stem.{format}", cover=cover, cover_mime=mime))
    assert info.cover is None


def test_drops_tags_that_are_wrong_for_a_stem(tmp_path: Path) -> None:
    tags = {"title": "Song", "replaygain_track_gain": "-7.1 dB", "iTunSMPB": " 00000000 00000840 000001CA"}
    assert probe(encode(tmp_path / "song.flac", tags=tags)).tags == {"title": "Song"}


def test_accepts_odd_characters_in_tags(tmp_path: Path) -> None:
    for format in ("wav", "flac", "mp3", "m4a", "opus"):
        encode(
            tmp_path / f"stem.{format}",
            tags={"title": "half a \udcff character", "comment": "line\nline", "x=y": "z"},
        )
