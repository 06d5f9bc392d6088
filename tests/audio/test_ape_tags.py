"""APE tags at the end of an MP3 or AAC file are read like ID3 tags."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.audio.sounds import Kind, bursts, write
from tests.audio.tag_bytes import ape, garbage, id3v1, id3v2, lyrics3
from tests.audio.tagged import encode
from tests.broken_files import png

from unbraid.audio.probe import probe

TEXTS = {
    "Title": "A title of more than thirty letters ☃",
    "Artist": "One\0Other",
    "Year": "1999",
    "Track": "3/9",
    "BPM": "128",
    "MP3GAIN_MINMAX": "1,2",
}
READ = {
    "title": ("A title of more than thirty letters ☃",),
    "artist": ("One", "Other"),
    "date": ("1999",),
    "track": ("3/9",),
    "bpm": ("128",),
}


@pytest.fixture(params=["mp3", "aac"])
def song(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    kind = {"mp3": Kind("mp3", "mp3", "libmp3lame", "fltp"), "aac": Kind("aac", "adts", "aac", "fltp")}
    path = tmp_path / f"song.{request.param}"
    path.write_bytes(write(path, bursts(44100, 2, 44100), 44100, kind[request.param]).read_bytes())
    return path


@pytest.mark.parametrize("behind", [b"", id3v1("A title of more than th"), lyrics3() + id3v1()])
@pytest.mark.parametrize("has_header", [True, False])
def test_ape_tag_is_read(song: Path, behind: bytes, has_header: bool) -> None:
    cover = b"cover.png\0" + png()
    song.write_bytes(song.read_bytes() + ape(cover, has_header, TEXTS) + behind)
    tags = probe(song).tags
    assert {name: tags.texts.get(name) for name in READ} == READ
    assert not any("gain" in name.lower() for name in tags.texts)
    assert tags.cover is not None
    assert (tags.cover.mime, tags.cover.data) == ("image/png", png())


def test_id3v2_comes_first(song: Path) -> None:
    sound = song.read_bytes().split(b"\xff", 1)[1]
    song.write_bytes(id3v2(title="ID3") + b"\xff" + sound + ape(b"", texts=TEXTS))
    tags = probe(song).tags
    assert tags.text("title") == "ID3"
    assert tags.text("bpm") == "128"


def test_damaged_ape_tag_is_left_out(song: Path) -> None:
    tag = ape(garbage(100), texts=TEXTS)
    for damaged in (tag[:32] + garbage(len(tag) - 64) + tag[-32:], tag[:40] + b"\xff" * 20 + tag[60:]):
        song.write_bytes(song.read_bytes() + damaged)
        assert probe(song).tags.cover is None


def test_copy_has_the_texts_of_an_ape_tag(song: Path, tmp_path: Path) -> None:
    song.write_bytes(song.read_bytes() + ape(b"", texts=TEXTS))
    for ending in ("mp3", "flac"):
        copy = encode(tmp_path / f"copy.{ending}", probe(song).tags)
        assert probe(copy).tags.texts["artist"] == ("One", "Other")
