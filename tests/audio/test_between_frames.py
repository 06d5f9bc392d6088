"""Bytes between frames take no time if they are tags or zeros; damaged frames keep their time."""

from __future__ import annotations

import io
import tempfile
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tests.audio.sounds import Kind, Sound, bursts, lag, write
from tests.audio.tag_bytes import ape, garbage, id3v1, id3v2, lyrics3

from unbraid.audio.decode import Decoder
from unbraid.audio.mpeg_frames import ac3_length, adts_length, mpeg_length, walk
from unbraid.audio.probe import probe

RATE = 44100
LENGTH = 2 * RATE
MP3 = Kind("mp3", "mp3", "libmp3lame", "fltp")
MP2 = Kind("mp2", "mp2", "mp2", "s16")
AAC = Kind("aac", "adts", "aac", "fltp")
AC3 = Kind("ac3", "ac3", "ac3", "fltp")
EAC3 = Kind("eac3", "eac3", "eac3", "fltp")


@cache
def encoded(kind: Kind, seed: int = 0, channels: int = 2, rate: int = RATE) -> bytes:
    sound = bursts(LENGTH, channels, rate, seed)
    with tempfile.TemporaryDirectory() as folder:
        content = write(Path(folder) / f"part.{kind.ending}", sound, rate, kind).read_bytes()
    return content[45:] if content.startswith(b"ID3") else content


def decode(path: Path, content: bytes) -> tuple[Sound, list[str]]:
    path.write_bytes(content)
    with Decoder(path) as decoder:
        return np.concatenate(list(decoder), axis=1), [str(warning) for warning in decoder.warnings]


def starts(content: bytes) -> list[int]:
    """Return the positions of all frames."""
    is_ac3 = content.startswith(b"\x0b\x77")
    length = ac3_length if is_ac3 else adts_length if content[1] & 6 == 0 else mpeg_length
    found = [0]
    while found[-1] + length(content[found[-1] :][:7]) < len(content):
        found.append(found[-1] + length(content[found[-1] :][:7]))
    return found


def blocks(mp3: bytes) -> dict[str, bytes]:
    """Return tags by name. Their covers contain frames, or bytes like those of frames and tags."""
    traps = garbage(40_000) + mp3 + b"TAG" + b"ID3\3\0\0\1\1\1\1" + mp3
    return {
        "ID3v1": id3v1(),
        "extended ID3v1": b"TAG+" + bytes(range(223)) + id3v1(),
        "ID3v2": id3v2(traps),
        "ID3v2 with a footer": id3v2(traps, footer=True),
        "APE": ape(traps),
        "APE without a header": ape(garbage(40_000), header=False),
        "Lyrics3": lyrics3(),
        "Lyrics3 v1": lyrics3(version=1),
        "all": ape(traps) + lyrics3() + id3v1() + id3v2(traps) + bytes(1000),
        "zeros": bytes(20_000),
        "many zeros": bytes(200_000),
        "one zero": bytes(1),
    }


NAMES = list(blocks(b""))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", [MP3, AAC, MP2, AC3, EAC3], ids=lambda kind: kind.ending)
def test_tags_and_zeros_between_joined_files_take_no_time(tmp_path: Path, kind: Kind, name: str) -> None:
    one, other = encoded(kind), encoded(kind, seed=1)
    expected, _ = decode(tmp_path / f"plain.{kind.ending}", one + other)
    block = blocks(encoded(MP3))[name]
    decoded, warnings = decode(tmp_path / f"tagged.{kind.ending}", one + block + other)
    assert np.array_equal(decoded, expected)
    assert warnings == []


@pytest.mark.parametrize("name", NAMES)
def test_tags_behind_the_sound_change_nothing(tmp_path: Path, name: str) -> None:
    content = encoded(MP3)
    decoded, warnings = decode(tmp_path / "song.mp3", content + blocks(content)[name])
    assert decoded.shape == (2, LENGTH)
    assert abs(lag(bursts(LENGTH, 2, RATE), decoded)) < 0.5
    assert warnings == []


@pytest.mark.parametrize("size", [1, 500, 20_000, 100_000])
def test_inserted_zeros_take_no_time(tmp_path: Path, size: int) -> None:
    content = encoded(MP3)
    middle = starts(content)[40]
    decoded, warnings = decode(tmp_path / "song.mp3", content[:middle] + bytes(size) + content[middle:])
    expected, _ = decode(tmp_path / "plain.mp3", content)
    assert np.array_equal(decoded, expected)
    assert warnings == []


@pytest.mark.parametrize("replacement", [bytes(4000), garbage(4000)], ids=["zeros", "garbage"])
def test_damaged_frames_keep_their_time(tmp_path: Path, replacement: bytes) -> None:
    content = encoded(MP3)
    middle = starts(content)[40] + 100
    damaged = content[:middle] + replacement + content[middle + 4000 :]
    decoded, warnings = decode(tmp_path / "song.mp3", damaged)
    assert decoded.shape == (2, LENGTH)
    after = slice(LENGTH * 3 // 4, None)
    assert abs(lag(bursts(LENGTH, 2, RATE)[:, after], decoded[:, after])) < 0.5
    assert "damaged" in warnings[0]


def test_damage_between_tags_is_read_as_without_the_tags(tmp_path: Path) -> None:
    """The file is so short that FFmpeg doesn't recognise it with the tags."""
    content = (Path(__file__).parent / "fixtures" / "he-aac.aac").read_bytes()
    damaged = content[:35] + bytes(1000) + content[35:]
    expected, _ = decode(tmp_path / "plain.aac", damaged)
    decoded, _ = decode(
        tmp_path / "tagged.aac", id3v2(title="Title") + damaged + lyrics3("La la la. " * 10) + id3v1()
    )
    assert expected.shape[1] > RATE
    assert np.array_equal(decoded, expected)


def test_tag_among_damaged_frames_takes_no_time(tmp_path: Path) -> None:
    content = encoded(MP3)
    middle = starts(content)[40] + 100
    half = garbage(2000)
    with_tag = content[:middle] + half + id3v2(content) + half + content[middle + 4000 :]
    decoded, _ = decode(tmp_path / "song.mp3", with_tag)
    assert abs(decoded.shape[1] - LENGTH) <= 1152
    assert abs(lag(bursts(LENGTH, 2, RATE)[:, -RATE // 2 :], decoded[:, -RATE // 2 :])) < 1153


def test_tag_after_a_file_that_is_cut_off_takes_no_time(tmp_path: Path) -> None:
    one, other = encoded(MP3), encoded(MP3, seed=1)
    cut = one[: starts(one)[30] + 100]
    expected, _ = decode(tmp_path / "plain.mp3", cut + other)
    decoded, _ = decode(tmp_path / "tagged.mp3", cut + id3v2(other) + other)
    assert abs(decoded.shape[1] - expected.shape[1]) <= 1152


def test_small_tags_within_a_frame_that_was_cut_short_take_no_time(tmp_path: Path) -> None:
    one, other = encoded(MP3), encoded(MP3, seed=1)
    cut = one[: starts(one)[30] + 50]  # 368 bytes of the frame are missing
    tags = id3v1() + id3v2(title="New") + id3v2(garbage(20_000) + other)
    ranges = walk(io.BytesIO(cut + tags + other), "mp3").ranges
    assert ranges == ((0, len(cut)), (len(cut + tags), len(cut + tags + other)))


@pytest.mark.parametrize("kind", [MP3, MP2, AAC, AC3], ids=lambda kind: kind.name)
@pytest.mark.parametrize(
    "tag", [id3v1(), id3v2(title="New"), id3v2() + ape(b""), lyrics3(version=1)], ids=len
)
def test_tag_shorter_than_the_missing_bytes_of_a_frame_takes_no_time(
    tmp_path: Path, kind: Kind, tag: bytes
) -> None:
    one, other = encoded(kind), encoded(kind, seed=1)
    length, start = max((end - start, start) for start, end in pairwise(starts(one)))
    cut = one[: start + 50]
    assert 50 + len(tag) < length
    container = {"mp2": "mp3", "adts": "aac"}.get(kind.container, kind.container)
    ranges = walk(io.BytesIO(cut + tag + other), container).ranges
    assert ranges == ((0, len(cut)), (len(cut + tag), len(cut + tag + other)))
    expected, _ = decode(tmp_path / f"plain.{kind.ending}", cut + other)
    decoded, _ = decode(tmp_path / f"tagged.{kind.ending}", cut + tag + other)
    assert np.array_equal(decoded, expected)


def test_tags_are_read_although_they_take_no_time(tmp_path: Path) -> None:
    content = encoded(MP3)
    path = tmp_path / "song.mp3"
    path.write_bytes(id3v2(title="First") + content + id3v2(b"cover", "Second") + content)
    assert probe(path).tags.text("title") == "First"
    path.write_bytes(content + ape(b"cover") + id3v1("Last"))
    assert probe(path).tags.text("title") == "Last"


@pytest.mark.parametrize(("channels", "rate"), [(1, 44100), (2, 48000), (2, 22050), (1, 8000)])
@pytest.mark.parametrize("kind", [MP3, AAC], ids=lambda kind: kind.ending)
def test_file_without_gaps_is_read_as_it_is(tmp_path: Path, kind: Kind, channels: int, rate: int) -> None:
    content = encoded(kind, channels=channels, rate=rate)
    name = "aac" if kind is AAC else "mp3"
    assert walk(io.BytesIO(content), name).ranges is None
    assert walk(io.BytesIO(id3v2(b"cover") + content + id3v1()), name).ranges is None
    assert walk(io.BytesIO(content[:-50]), name).ranges is None


@pytest.mark.parametrize(
    "content", [b"", bytes(50), garbage(100_000), b"\xff\xfb" * 1000, b"ID3\4\0\0\0\0\0\0"]
)
def test_bytes_without_frames_are_left_to_ffmpeg(content: bytes) -> None:
    assert walk(io.BytesIO(content), "mp3").ranges is None


@pytest.mark.parametrize("kind", [MP3, AAC], ids=lambda kind: kind.ending)
def test_file_may_end_within_a_header(tmp_path: Path, kind: Kind) -> None:
    content = encoded(kind)
    last = starts(content)[60]
    for size in range(1, 9):
        for gap in (b"", garbage(300)):
            cut = content[:last] + gap + content[last : last + size]
            assert walk(io.BytesIO(cut), "aac" if kind is AAC else "mp3").ranges is None


def test_a_tag_longer_than_the_file_is_not_believed(tmp_path: Path) -> None:
    content = encoded(MP3)
    middle = starts(content)[40]
    bogus = b"ID3\4\0\0" + b"\x7f\x7f\x7f\x7f" + garbage(500)
    decoded, _ = decode(tmp_path / "song.mp3", content[:middle] + bogus + content[middle:])
    assert decoded.shape[1] > LENGTH - 1152


# Bytes of frames by ISO/IEC 11172-3 and 13818-3: 144 * bit rate / sample rate and so on.
@pytest.mark.parametrize(
    ("head", "length"),
    [
        ("fffb9064", 417),  # MPEG 1, layer 3, 128 kbit/s, 44.1 kHz
        ("fffb9264", 418),  # with padding
        ("fffbe044", 1044),  # 320 kbit/s
        ("fff38064", 208),  # MPEG 2, layer 3, 64 kbit/s, 22.05 kHz
        ("ffe38064", 417),  # MPEG 2.5, 64 kbit/s, 11.025 kHz
        ("fffd8404", 384),  # MPEG 1, layer 2, 128 kbit/s, 48 kHz
        ("ffff4404", 128),  # MPEG 1, layer 1, 128 kbit/s, 48 kHz
        ("fffb0064", 0),  # free format
        ("fffbf064", 0),
        ("fffb9c64", 0),
        ("ffeb9064", 0),
        ("fff99064", 0),
        ("00fb9064", 0),
        ("fffb", 0),
    ],
)
def test_length_of_an_mpeg_frame(head: str, length: int) -> None:
    assert mpeg_length(bytes.fromhex(head)) == length


# Bytes of frames by ETSI TS 102 366, tables 4.13 and E.1.2.
@pytest.mark.parametrize(
    ("head", "length"),
    [
        ("0b7700001440 40", 768),  # 48 kHz, 192 kbit/s
        ("0b7700005440 40", 834),  # 44.1 kHz, 192 kbit/s
        ("0b7700005540 40", 836),
        ("0b7700009440 40", 1152),  # 32 kHz
        ("0b7700ff3f80 00", 512),  # E-AC-3
        ("0b770000d440 40", 0),  # reserved rate
        ("0b7700002640 40", 0),  # reserved size
        ("0b77000014f0 40", 0),  # unknown version
        ("0b7800001440 40", 0),
        ("0b77000014", 0),
    ],
)
def test_length_of_an_ac3_frame(head: str, length: int) -> None:
    assert ac3_length(bytes.fromhex(head)) == length
