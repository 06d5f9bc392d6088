"""A tag that was cut short takes neither time nor any of the music that follows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.audio.sounds import Kind, bursts, lag
from tests.audio.tag_bytes import ape, garbage, id3v1, id3v2
from tests.audio.test_between_frames import AAC, LENGTH, MP3, RATE, decode, encoded, starts

from unbraid.audio.probe import probe

SIZE = (
    20_000  # bytes of a tag that ends within the music of two seconds that follows it, if that isn't the end
)

CUT = {
    "ID3v2": id3v2(garbage(SIZE))[:3000],
    "ID3v2 with zeros": id3v2(garbage(2000) + bytes(SIZE))[:3000],
    "header of ID3v2": id3v2(garbage(SIZE))[:10],
    "APE": ape(garbage(SIZE))[:3000],
    "ID3v1": id3v1()[:50],
    "ID3v2 with a footer": id3v2(garbage(SIZE), footer=True)[:3000],
    "two": id3v2(garbage(SIZE))[:3000] + id3v2(garbage(SIZE, seed=1))[:2000],
    "longer than the file": id3v2(garbage(1_000_000))[:3000],
}


@pytest.mark.parametrize("cut", CUT.values(), ids=CUT)
@pytest.mark.parametrize("kind", [MP3, AAC], ids=lambda kind: kind.ending)
def test_cut_tag_between_files_takes_neither_time_nor_music(tmp_path: Path, kind: Kind, cut: bytes) -> None:
    one, other = encoded(kind), encoded(kind, seed=1)
    expected, _ = decode(tmp_path / f"plain.{kind.ending}", one + other)
    decoded, warnings = decode(tmp_path / f"cut.{kind.ending}", one + cut + other)
    assert np.array_equal(decoded, expected)
    assert warnings == []


@pytest.mark.parametrize("between", [id3v2(garbage(50_000)), id3v1() + id3v2(garbage(50_000))])
def test_tag_cut_so_that_it_ends_within_a_later_tag_takes_no_music(tmp_path: Path, between: bytes) -> None:
    content = encoded(MP3)
    cut = id3v2(garbage(len(content) + len(between) // 2))[:3000]
    expected, _ = decode(tmp_path / "plain.mp3", content * 3)
    decoded, _ = decode(tmp_path / "cut.mp3", content + cut + content + between + content)
    assert np.array_equal(decoded, expected)


def test_repeated_download_of_a_cut_tag_takes_no_time(tmp_path: Path) -> None:
    content = encoded(MP3)
    tag = id3v2(garbage(SIZE))
    expected, _ = decode(tmp_path / "plain.mp3", content * 2)
    decoded, _ = decode(tmp_path / "cut.mp3", content + tag[:3000] + tag + content)
    assert np.array_equal(decoded, expected)


def test_cut_tag_before_silent_frames_takes_no_music(tmp_path: Path) -> None:
    content = encoded(MP3)
    third, fourth = starts(content)[3:5]
    frame = content[third : third + 4].ljust(fourth - third, b"\0")
    silence = frame * 100
    expected, _ = decode(tmp_path / "plain.mp3", content + silence)
    decoded, _ = decode(tmp_path / "cut.mp3", content + id3v2(garbage(SIZE))[:3000] + silence)
    assert np.array_equal(decoded, expected)


@pytest.mark.parametrize("kind", [MP3, AAC], ids=lambda kind: kind.ending)
def test_cut_tag_at_the_start_takes_no_music(tmp_path: Path, kind: Kind) -> None:
    content = encoded(kind)
    expected, _ = decode(tmp_path / f"plain.{kind.ending}", content)
    decoded, _ = decode(tmp_path / f"cut.{kind.ending}", id3v2(garbage(SIZE))[:3000] + content)
    assert decoded.shape == expected.shape
    assert abs(lag(bursts(LENGTH, 2, RATE), decoded) - lag(bursts(LENGTH, 2, RATE), expected)) < 0.5


@pytest.mark.parametrize("following", [bytes(500), garbage(500), b"\xff", b""])
def test_whole_tag_at_the_start_is_read_whatever_follows(tmp_path: Path, following: bytes) -> None:
    content = encoded(MP3)
    path = tmp_path / "song.mp3"
    decoded, _ = decode(path, id3v2(garbage(5000) + content, title="Song") + following + content)
    assert probe(path).tags.text("title") == "Song"
    assert abs(decoded.shape[1] - LENGTH) <= 2 * 1152
