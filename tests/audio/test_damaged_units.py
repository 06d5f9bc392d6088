"""Damaged units and tables of times: the sound is read without silence in it, and none of it is lost."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from tests.audio.boxes import without_edit_list
from tests.audio.sounds import Kind, Sound, bursts, write

from unbraid.audio.decode import Decoder

RATE = 48000
SAMPLES = 2 * RATE
AVI = Kind("avi", "avi", "ac3", "fltp", pictures=True)
MATROSKA = [
    Kind("mkv", "matroska", "aac", "fltp"),
    Kind("mkv", "matroska", "libmp3lame", "fltp"),
    Kind("mka", "matroska", "ac3", "fltp"),
    Kind("webm", "webm", "libopus", "flt"),
    Kind("webm", "webm", "vorbis", "fltp"),
]
MP4 = [
    Kind("m4a", "ipod", "aac", "fltp"),
    Kind("mp4", "mp4", "ac3", "fltp"),
    Kind("mp4", "mp4", "flac", "s16"),
]


def recording(folder: Path, kind: Kind) -> bytes:
    return write(folder / f"song.{kind.ending}", bursts(SAMPLES, 2, RATE), RATE, kind, serial=1).read_bytes()


def mp4_recording(folder: Path, kind: Kind) -> bytes:
    """Write an MP4 without an edit list, because FFmpeg leaves out the packets whose times are behind its end."""
    return without_edit_list(recording(folder, kind))


def decode(path: Path, content: bytes) -> Sound:
    path.write_bytes(content)
    with Decoder(path) as decoder:
        return np.concatenate(list(decoder), axis=1)


def replaced(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def with_avi_scale(content: bytes, factor: float) -> bytes:
    """Change dwScale in the header of the audio stream: the length of a packet, in units of 1 / dwRate."""
    at = content.index(b"auds") + 20
    (scale,) = struct.unpack_from("<I", content, at)
    return replaced(content, at, struct.pack("<I", round(scale * factor)))


def with_matroska_scale(content: bytes, factor: float) -> bytes:
    """Change TimestampScale, the nanoseconds of a unit: a million (RFC 9559, section 5.1.2.9)."""
    at = content.index(b"\x2a\xd7\xb1\x83") + 4
    return replaced(content, at, round(1_000_000 * factor).to_bytes(3, "big"))


def with_mp4_timescale(content: bytes, factor: float) -> bytes:
    """Change the unit of the audio stream's times in "mdhd" (ISO/IEC 14496-12, section 8.4.2)."""
    at = content.index(b"mdhd") + 16
    return replaced(content, at, struct.pack(">I", round(RATE / factor)))


def first_times(content: bytes) -> tuple[int, int, int]:
    """Return the position, number and length of the first run of equal packets in "stts" (section 8.6.1.2)."""
    at = content.index(b"stts") + 12
    return at, *struct.unpack_from(">II", content, at)


@pytest.mark.parametrize("factor", [1.6, 4, 250])
def test_avi_with_a_damaged_unit_has_no_silence(tmp_path: Path, factor: float) -> None:
    content = recording(tmp_path, AVI)
    decoded = decode(tmp_path / "song.avi", with_avi_scale(content, factor))
    assert np.array_equal(decoded, decode(tmp_path / "song.avi", content))


@pytest.mark.parametrize("factor", [1, 250])
def test_undecodable_packets_of_avi_become_silence_of_their_own_length(tmp_path: Path, factor: float) -> None:
    content = recording(tmp_path, AVI)
    intact = decode(tmp_path / "song.avi", content)
    start = len(content) // 2
    for _ in range(3):
        start = content.index(b"\x0b\x77", start + 2)  # an AC-3 frame
        content = replaced(content, start, bytes(40))
    decoded = decode(tmp_path / "song.avi", with_avi_scale(content, factor))
    assert decoded.shape == intact.shape
    assert np.abs(decoded[:, -RATE:] - intact[:, -RATE:]).max() < 0.01  # AC-3 adds noise
    assert not np.array_equal(decoded, intact)


@pytest.mark.parametrize("factor", [1.4, 2, 5.2, 9.4, 16])
@pytest.mark.parametrize("kind", MATROSKA, ids=lambda kind: kind.name)
def test_matroska_with_a_damaged_unit_has_no_silence(tmp_path: Path, kind: Kind, factor: float) -> None:
    content = recording(tmp_path, kind)
    decoded = decode(tmp_path / "song", with_matroska_scale(content, factor))
    assert np.array_equal(decoded, decode(tmp_path / "song", content))


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.4, 4, 250])
@pytest.mark.parametrize("kind", MP4, ids=lambda kind: kind.name)
def test_mp4_with_a_damaged_unit_is_complete_and_has_no_silence(
    tmp_path: Path, kind: Kind, factor: float
) -> None:
    content = mp4_recording(tmp_path, kind)
    frame = first_times(content)[2]
    decoded = decode(tmp_path / "song", with_mp4_timescale(content, factor))
    intact = decode(tmp_path / "song", content)
    assert abs(decoded.shape[1] - intact.shape[1]) <= frame
    both = min(decoded.shape[1], intact.shape[1]) - frame
    assert np.array_equal(decoded[:, :both], intact[:, :both])


@pytest.mark.parametrize("times", [0.3, 0.7, 2, 12], ids=lambda times: f"{times} times as long")
@pytest.mark.parametrize("kind", MP4, ids=lambda kind: kind.name)
def test_mp4_with_damaged_times_is_complete_and_has_no_silence(
    tmp_path: Path, kind: Kind, times: float
) -> None:
    content = mp4_recording(tmp_path, kind)
    at, _, frame = first_times(content)
    damaged = replaced(content, at + 4, struct.pack(">I", round(frame * times)))
    decoded, intact = decode(tmp_path / "song", damaged), decode(tmp_path / "song", content)
    assert abs(decoded.shape[1] - intact.shape[1]) <= frame


@pytest.mark.parametrize("kind", MP4, ids=lambda kind: kind.name)
def test_mp4_whose_times_count_too_few_packets_is_complete(tmp_path: Path, kind: Kind) -> None:
    """FFmpeg gives all further packets the length of the last, which is shorter."""
    content = mp4_recording(tmp_path, kind)
    at, number, frame = first_times(content)
    damaged = replaced(content, at, struct.pack(">I", number // 2))
    decoded, intact = decode(tmp_path / "song", damaged), decode(tmp_path / "song", content)
    assert abs(decoded.shape[1] - intact.shape[1]) <= frame
