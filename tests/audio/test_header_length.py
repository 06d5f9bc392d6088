"""A length in a header is used only where it agrees with the sound; no samples are lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.audio.boxes import gapless, with_gapless_tag, with_length, without_edit_list
from tests.audio.sounds import Kind, Sound, bursts, lag, write

from unbraid.audio.decode import Decoder
from unbraid.audio.encode import Encoder

RATE = 44100
LENGTH = RATE + 321
FRAME = 1024  # samples in a packet of AAC
PADDING = -LENGTH % FRAME


@pytest.fixture(scope="module")
def m4a(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("m4a") / "song.m4a"
    with Encoder(path, sample_rate=RATE, channels=2, format="m4a") as encoder:
        encoder.write(bursts(LENGTH, 2, RATE))
    return path.read_bytes()


def decode(path: Path, content: bytes) -> tuple[Sound, list[str]]:
    path.write_bytes(content)
    with Decoder(path) as decoder:
        return np.concatenate(list(decoder), axis=1), [str(warning) for warning in decoder.warnings]


def last_packet_whole(m4a: bytes) -> bytes:
    """Make the last packet (the last entry in the table of times) as long as all others, as iTunes does."""
    at = m4a.index(b"stts") + 8
    last = at + 8 * int.from_bytes(m4a[at : at + 4], "big")
    whole = m4a[:last] + FRAME.to_bytes(4, "big") + m4a[last + 4 :]
    return with_length(whole, b"mdhd", FRAME + LENGTH + PADDING)


def test_itunes_gapless_tag_ends_the_song(tmp_path: Path, m4a: bytes) -> None:
    whole = without_edit_list(last_packet_whole(m4a))
    tag = gapless(LENGTH, FRAME, PADDING)
    decoded, warnings = decode(tmp_path / "song.m4a", with_gapless_tag(whole, tag))
    assert decoded.shape == (2, LENGTH)
    assert abs(lag(bursts(LENGTH, 2, RATE), decoded)) < 0.5
    assert warnings == []


@pytest.mark.parametrize("value", ["0 400 0 sixteen", " 00000000 1 2 -30", "0 0 0", "", " 0 0 0 " + "F" * 90])
def test_ignores_malformed_gapless_tag(tmp_path: Path, m4a: bytes, value: str) -> None:
    decoded, warnings = decode(tmp_path / "song.m4a", with_gapless_tag(m4a, value))
    assert decoded.shape == (2, LENGTH)
    assert warnings == []


@pytest.mark.parametrize("tagged", [LENGTH // 3, LENGTH * 3, LENGTH - 5 * FRAME])
def test_ignores_gapless_tag_of_another_length(tmp_path: Path, m4a: bytes, tagged: int) -> None:
    decoded, warnings = decode(tmp_path / "song.m4a", with_gapless_tag(m4a, gapless(tagged)))
    assert decoded.shape == (2, LENGTH)
    assert warnings == []


@pytest.mark.parametrize("codec", ["aac", "alac"])
def test_media_header_with_too_short_length_loses_nothing(tmp_path: Path, codec: str) -> None:
    kind = Kind("m4a", "ipod", codec, "s16p" if codec == "alac" else "fltp")
    content = write(tmp_path / "song.m4a", bursts(LENGTH, 2, RATE), RATE, kind).read_bytes()
    decoded, warnings = decode(tmp_path / "song.m4a", with_length(content, b"mdhd", RATE // 3))
    assert decoded.shape == (2, LENGTH)
    assert len(warnings) == 1
    assert "wrong length" in warnings[0]


def test_skips_what_an_edit_list_skips_with_warning(tmp_path: Path, m4a: bytes) -> None:
    decoded, warnings = decode(tmp_path / "song.m4a", with_length(m4a, b"elst", RATE // 3))
    assert decoded.shape == (2, RATE // 3)
    assert len(warnings) == 1
    assert "Players skip" in warnings[0]


def test_edit_list_may_skip_a_moment_without_warning(tmp_path: Path, m4a: bytes) -> None:
    decoded, warnings = decode(tmp_path / "song.m4a", with_length(m4a, b"elst", LENGTH - 700))
    assert decoded.shape == (2, LENGTH - 700)
    assert warnings == []


def test_packets_that_a_damaged_table_joins_lose_nothing(tmp_path: Path) -> None:
    """The sizes of all packets are in the box "stsz", after version, common size and number of packets."""
    kind = Kind("m4a", "ipod", "aac", "fltp")
    content = write(tmp_path / "song.m4a", bursts(LENGTH, 2, RATE), RATE, kind).read_bytes()
    at = content.index(b"stsz") + 16
    sizes = [
        int.from_bytes(content[at + 4 * n : at + 4 * n + 4], "big")
        for n in range(int.from_bytes(content[at - 4 : at], "big"))
    ]
    joined = at + 4 * (len(sizes) // 2)
    rest = sum(sizes[len(sizes) // 2 :])
    damaged = content[:joined] + rest.to_bytes(4, "big") + content[joined + 4 :]
    decoded, _ = decode(tmp_path / "song.m4a", damaged)
    assert decoded.shape[1] >= LENGTH - FRAME


@pytest.mark.parametrize("ending", ["wmv", "mkv", "mov"])
def test_sound_shorter_than_the_video_is_not_damaged(tmp_path: Path, ending: str) -> None:
    container, codec, form = {
        "wmv": ("asf", "wmav2", "fltp"),
        "mkv": ("matroska", "flac", "s16"),
        "mov": ("mov", "pcm_s16le", "s16"),
    }[ending]
    kind = Kind(ending, container, codec, form, pictures=True)
    path = write(tmp_path / f"song.{ending}", bursts(RATE // 5, 2, RATE), RATE, kind)  # a video of 0.5 s
    with Decoder(path) as decoder:
        list(decoder)
    assert decoder.warnings == []


def test_wrong_unit_of_time_loses_nothing(tmp_path: Path) -> None:
    kind = Kind("m4a", "ipod", "aac", "fltp")
    content = write(tmp_path / "song.m4a", bursts(LENGTH, 2, RATE), RATE, kind).read_bytes()
    at = content.index(b"mdhd") + 16
    decoded, _ = decode(
        tmp_path / "song.m4a", content[:at] + (100 * RATE).to_bytes(4, "big") + content[at + 4 :]
    )
    assert decoded.shape[1] >= LENGTH - FRAME


def test_wrong_length_of_caf_packets_inserts_no_silence(tmp_path: Path) -> None:
    kind = Kind("caf", "caf", "pcm_s16le", "s16")
    content = write(tmp_path / "song.caf", bursts(LENGTH, 2, RATE), RATE, kind).read_bytes()
    at = content.index(b"desc") + 32  # samples in a packet: 1
    decoded, _ = decode(tmp_path / "song.caf", content[:at] + (512).to_bytes(4, "big") + content[at + 4 :])
    assert decoded.shape == (2, LENGTH)
