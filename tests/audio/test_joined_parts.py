"""Joined FLAC, WAV and AIFF files, and chained Ogg: every recording is found, and damage to one costs no other."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from tests.audio.sounds import KINDS, Kind, Sound, bursts, write
from tests.audio.tag_bytes import ape, garbage, id3v1, id3v2

from unbraid.audio import parts
from unbraid.audio.decode import Decoder
from unbraid.audio.probe import probe

RATE = 48000
LENGTH = RATE + 123
FLAC = Kind("flac", "flac", "flac", "s16")
OGG_FLAC = Kind("oga", "ogg", "flac", "s16")
OPUS = Kind("opus", "ogg", "libopus", "flt")
VORBIS = Kind("ogg", "ogg", "vorbis", "fltp")
WAV = Kind("wav", "wav", "pcm_s16le", "s16")
AIFF = Kind("aiff", "aiff", "pcm_s24be", "s32")


def recordings(folder: Path, kind: Kind, count: int = 2) -> list[bytes]:
    return [
        write(folder / "part", bursts(LENGTH, 2, RATE, seed), RATE, kind, serial=seed).read_bytes()
        for seed in range(count)
    ]


def decode(path: Path, content: bytes) -> tuple[Sound, list[str]]:
    path.write_bytes(content)
    with Decoder(path) as decoder:
        return np.concatenate(list(decoder), axis=1), [str(warning) for warning in decoder.warnings]


@pytest.mark.parametrize("kind", [FLAC, OGG_FLAC, OPUS, VORBIS, WAV, AIFF], ids=lambda kind: kind.name)
@pytest.mark.parametrize(
    "tag",
    [
        b"",
        id3v1(),
        b"LYRICSBEGIN" + b"[00:01]words" * 9 + b"LYRICSEND" + id3v1(),
        id3v2(garbage(3_000_000)),
        id3v2(title="New") + id3v2(garbage(3_000_000)),
        ape(garbage(500_000)) + id3v1() + id3v2(garbage(500_000)),
    ],
    ids=["nothing", "ID3v1", "lyrics", "ID3v2", "two ID3v2", "all"],
)
def test_tags_between_recordings_take_no_time_and_cause_no_warning(
    tmp_path: Path, kind: Kind, tag: bytes
) -> None:
    parts = recordings(tmp_path, kind, 3)
    separately = [decode(tmp_path / "part", part)[0] for part in parts]
    decoded, warnings = decode(tmp_path / f"song.{kind.ending}", tag.join(parts))
    assert np.array_equal(decoded, np.concatenate(separately, axis=1))
    assert warnings == []
    assert probe(tmp_path / f"song.{kind.ending}").duration_s == pytest.approx(3 * LENGTH / RATE, abs=0.1)


def test_flac_in_a_cover_is_not_a_recording(tmp_path: Path) -> None:
    one, other = recordings(tmp_path, FLAC)
    picture = b"\x06" + (len(other) + 100).to_bytes(3, "big") + bytes(100) + other
    decoded, warnings = decode(tmp_path / "song.flac", one[:42] + picture + one[42:])
    assert decoded.shape == (2, LENGTH)
    assert warnings == []


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s24le", "pcm_f32le"])
def test_joined_wavs_of_other_rates_and_channels_are_read(tmp_path: Path, codec: str) -> None:
    kind = Kind("wav", "wav", codec, {"pcm_u8": "u8", "pcm_s24le": "s32", "pcm_f32le": "flt"}[codec])
    parts = [
        write(tmp_path / "part", bursts(rate + 1, channels, rate), rate, kind).read_bytes()
        for rate, channels in ((48000, 1), (32000, 2), (48000, 1))
    ]
    decoded, warnings = decode(tmp_path / "song.wav", b"".join(parts))
    assert decoded.shape == (2, 3 * 48000 + 1 + round(1.5) + 1)
    assert warnings == []


@pytest.mark.parametrize("size", [0, 40, 0xFFFFFFFF])
def test_wav_with_a_wrong_size_is_read_completely(tmp_path: Path, size: int) -> None:
    """Recorders that lost power, and programs that write to a pipe, leave such sizes."""
    one, other = recordings(tmp_path, WAV)
    head = one[:4] + size.to_bytes(4, "little") + one[8:]
    decoded, _ = decode(tmp_path / "song.wav", head + other)
    assert decoded.shape[1] >= LENGTH


@pytest.mark.parametrize("mark", [b"RIFF", b"RF64", b"BW64"])
def test_wav_of_64_bit_sizes_is_joined_with_others(tmp_path: Path, mark: bytes) -> None:
    one, other = recordings(tmp_path, WAV)
    if mark != b"RIFF":
        sizes = (len(one) + 28).to_bytes(8, "little") + (4 * LENGTH).to_bytes(8, "little") + bytes(12)
        data = one.index(b"data")
        one = one[: data + 4] + b"\xff" * 4 + one[data + 8 :]
        one = mark + b"\xff" * 4 + b"WAVEds64" + (28).to_bytes(4, "little") + sizes + one[12:]
    decoded, warnings = decode(tmp_path / "song.wav", one + other + one)
    assert decoded.shape == (2, 3 * LENGTH)
    assert warnings == []


@pytest.mark.parametrize("kind", [WAV, AIFF], ids=lambda kind: kind.name)
@pytest.mark.parametrize("missing", [1200, 120_000])
def test_recording_after_one_that_is_cut_short_is_read(tmp_path: Path, kind: Kind, missing: int) -> None:
    one, other = recordings(tmp_path, kind)
    sound = decode(tmp_path / "part", other)[0]
    decoded, warnings = decode(tmp_path / f"song.{kind.ending}", one[:-missing] + other)
    assert decoded.shape[1] == 2 * LENGTH - missing // (4 if kind is WAV else 6)
    assert np.array_equal(decoded[:, -LENGTH:], sound)
    assert missing == 1200 or any("is cut off" in warning for warning in warnings)


@pytest.mark.parametrize("trap", [b"TAG", b"ID3\3\0\0\1\1\1\1"])
def test_bytes_like_a_tag_in_a_cover_hide_no_recording_after_one_that_is_cut_short(
    tmp_path: Path, trap: bytes
) -> None:
    one, other = recordings(tmp_path, WAV)
    tag = id3v2(b"\xff\xd8" + garbage(20_000) + trap)
    plain, _ = decode(tmp_path / "plain.wav", one[:-10_000] + other)
    tagged, _ = decode(tmp_path / "tagged.wav", one[:-10_000] + tag + other)
    assert tagged.shape[1] >= plain.shape[1]
    assert np.array_equal(tagged[:, -RATE:], plain[:, -RATE:])


def test_wav_far_behind_another_is_found(tmp_path: Path) -> None:
    one, other = recordings(tmp_path, WAV)
    decoded, _ = decode(tmp_path / "song.wav", one + b"\xff" * 100_000 + other)
    assert np.array_equal(decoded[:, -LENGTH:], decode(tmp_path / "part", other)[0])


def test_sound_behind_the_declared_end_is_reported(tmp_path: Path) -> None:
    one, other = recordings(tmp_path, WAV)
    decoded, warnings = decode(tmp_path / "song.wav", one + b"\xff" + other[100:])
    assert decoded.shape == (2, LENGTH)
    assert any("bytes after the end that its header declares; they aren't read" in each for each in warnings)


@pytest.mark.parametrize(
    "behind",
    [
        b"LIST\xa0\x86\x01\x00INFO" + garbage(99_996),
        b"LIST\x05\0\0\0INFOa\0id3 \xa0\x86\x01\x00" + garbage(100_000),
        bytes(100_000),
        b"\xff" * 100,
        id3v2(garbage(100_000)) + ape(garbage(100_000)) + id3v1(),
        bytes(5000) + id3v2(garbage(100_000)) + bytes(50),
    ],
    ids=["chunk", "chunks", "zeros", "some bytes", "tags", "zeros and tags"],
)
def test_what_programs_write_behind_an_intact_wav_causes_no_warning(tmp_path: Path, behind: bytes) -> None:
    (one,) = recordings(tmp_path, WAV, 1)
    decoded, warnings = decode(tmp_path / "song.wav", one + behind)
    assert decoded.shape == (2, LENGTH)
    assert warnings == []


@pytest.mark.parametrize("between", [b"", b"\xff" * 20], ids=["nothing", "garbage"])
def test_wav_of_very_many_headers_takes_little_memory(tmp_path: Path, between: bytes) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(recordings(tmp_path, WAV, 1)[0] + (b"RIFF\4\0\0\0WAVE" + between) * 50_000)
    tracemalloc.start()
    try:
        assert len(parts.split(path)) == 1
        assert tracemalloc.get_traced_memory()[1] < 4e6
    finally:
        tracemalloc.stop()
    assert "they aren't read" in decode(path, path.read_bytes())[1][0]


def test_wav_in_a_cover_is_not_a_recording(tmp_path: Path) -> None:
    one, other = recordings(tmp_path, WAV)
    decoded, _ = decode(tmp_path / "song.wav", one + id3v2(other) + other + id3v2(other))
    assert decoded.shape == (2, 2 * LENGTH)


def test_flac_that_is_cut_off_before_another_is_reported(tmp_path: Path) -> None:
    one, other = recordings(tmp_path, FLAC)
    decoded, warnings = decode(tmp_path / "song.flac", one[: len(one) // 2] + other)
    assert LENGTH < decoded.shape[1] < 2 * LENGTH
    assert "cut off or damaged" in warnings[0]


@pytest.mark.parametrize("kind", [OGG_FLAC, OPUS, VORBIS], ids=lambda kind: kind.name)
def test_recording_after_one_that_is_cut_off_within_its_header_is_read(tmp_path: Path, kind: Kind) -> None:
    one, other = recordings(tmp_path, kind)
    expected, _ = decode(tmp_path / "part", other)
    second_page = one.index(b"OggS", 4)
    for size in (40, second_page + 40):
        decoded, warnings = decode(tmp_path / f"song.{kind.ending}", one[:size] + other)
        assert np.array_equal(decoded, expected)
    assert any("the start of 1 of its 2 parts can't be read" in warning for warning in warnings)


def test_recording_with_a_damaged_header_is_read_with_the_settings_before_it(tmp_path: Path) -> None:
    parts = recordings(tmp_path, VORBIS, 3)
    at = parts[1].index(b"\x05vorbis")  # the codebooks
    parts[1] = parts[1][:at] + bytes(500) + parts[1][at + 500 :]
    decoded, warnings = decode(tmp_path / "song.ogg", b"".join(parts))
    assert abs(decoded.shape[1] - 3 * LENGTH) <= 2048
    assert any("the start of 1 of its 3 parts can't be read" in warning for warning in warnings)


def test_a_flac_is_searched_once_until_it_changes(tmp_path: Path) -> None:
    kind = next(kind for kind in KINDS if kind.ending == "flac")
    path = write(tmp_path / "song.flac", bursts(44100, 2, 44100), 44100, kind)
    content = path.read_bytes()
    before = parts._split.cache_info().misses
    for _ in range(3):
        assert len(parts.split(path)) == 1
    assert parts._split.cache_info().misses == before + 1
    path.write_bytes(content + content)
    assert len(parts.split(path)) == 2
