"""Damaged headers of FLAC and chained Ogg: the sound behind them is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.audio.sounds import Kind, Sound, bursts, write
from tests.audio.tag_bytes import ape, garbage, id3v1, id3v2

from unbraid.audio.decode import Decoder
from unbraid.audio.find_parts import find_parts
from unbraid.audio.flac_frames import first_frame, shape_of, streaminfo
from unbraid.audio.flac_links import _MOST_TAGS, is_beheaded
from unbraid.audio.probe import probe
from unbraid.errors import InputError

RATE = 48000
LENGTH = 2 * RATE + 123
FLAC = Kind("flac", "flac", "flac", "s16")
OPUS = Kind("opus", "ogg", "libopus", "flt")
VORBIS = Kind("ogg", "ogg", "vorbis", "fltp")
OGG_FLAC = Kind("oga", "ogg", "flac", "s16")


def recording(folder: Path, kind: Kind, seed: int = 0, rate: int = RATE) -> bytes:
    return write(folder / "part", bursts(LENGTH, 2, rate, seed), rate, kind, serial=seed).read_bytes()


def decode(path: Path, content: bytes) -> tuple[Sound, list[str]]:
    path.write_bytes(content)
    with Decoder(path) as decoder:
        return np.concatenate(list(decoder), axis=1), [str(warning) for warning in decoder.warnings]


def with_shorter_padding(content: bytes) -> bytes:
    """Remove 5,000 of the 8,192 bytes of padding that FFmpeg writes in front of the frames."""
    padding = content.rindex(bytes(8192))
    return content[:padding] + content[padding + 5000 :]


def without_last_block(content: bytes) -> bytes:
    """Zero the header of the last block, so that the metadata has no end."""
    padding = content.rindex(bytes(8192))
    return content[: padding - 4] + bytes(4) + content[padding:]


def with_other_streaminfo(content: bytes) -> bytes:
    return content[:18] + b"\xff\xff\xff" + with_shorter_padding(content)[21:]


@pytest.mark.parametrize(
    "damage",
    [with_shorter_padding, without_last_block, with_other_streaminfo],
    ids=lambda damage: damage.__name__,
)
def test_flac_with_damaged_metadata_is_read(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    content = recording(tmp_path, FLAC)
    intact, _ = decode(tmp_path / "song.flac", content)
    decoded, warnings = decode(tmp_path / "song.flac", damage(content))
    assert np.array_equal(decoded, intact)
    assert warnings == ["song.flac is damaged; its start can't be read. Copy or download it again."]


def test_joined_flac_with_damaged_metadata_is_read(tmp_path: Path) -> None:
    one, other = (recording(tmp_path, FLAC, seed) for seed in (0, 1))
    intact, _ = decode(tmp_path / "song.flac", one + other)
    decoded, warnings = decode(tmp_path / "song.flac", one + with_shorter_padding(other))
    assert np.array_equal(decoded, intact)
    assert any("the start of 1 of its 2 parts can't be read" in warning for warning in warnings)


@pytest.mark.parametrize("rate", [RATE, 32000])
def test_flac_without_its_start_is_read_up_to_the_next_one(tmp_path: Path, rate: int) -> None:
    one, other = recording(tmp_path, FLAC), recording(tmp_path, FLAC, 1, rate)
    expected, _ = decode(tmp_path / "song.flac", other)
    decoded, _ = decode(tmp_path / "song.flac", one[len(one) // 2 :] + other)
    first = decoded.shape[1] - expected.shape[1] * RATE // rate
    assert 0 < first < LENGTH
    if rate == RATE:
        assert np.array_equal(decoded[:, first:], expected)


def test_flac_without_its_start_behind_a_large_tag_is_read(tmp_path: Path) -> None:
    one, other = recording(tmp_path, FLAC), recording(tmp_path, FLAC, 1)
    tag = b"ID3\x04\0\0\0\x0c\x7f\x7f" + bytes(13 << 14)
    expected, _ = decode(tmp_path / "song.flac", other)
    cut = one[: one.rindex(bytes(8192)) + 8192 + 500]  # in the first frame
    decoded, _ = decode(tmp_path / "song.flac", cut + tag + other[len(other) // 2 :] + tag + other)
    behind = decoded.shape[1] - LENGTH
    assert LENGTH // 4 < behind < LENGTH
    assert np.array_equal(decoded, np.concatenate([expected[:, -behind:], expected], axis=1))


TAGS = {
    "ID3v1": id3v1(),
    "ID3v2": id3v2(garbage(20_000)),
    "two ID3v2": id3v2(title="New") + id3v2(garbage(20_000), "Old"),
    "large ID3v2": id3v2(garbage(300_000)),
    "APE": ape(garbage(20_000)),
    "APE without a header": ape(garbage(300_000), header=False),
}


def short_flac(folder: Path, samples: int, seed: int) -> bytes:
    sound = bursts(samples, 1, RATE, seed)
    return write(folder / "part", sound, RATE, FLAC, serial=seed).read_bytes()


@pytest.mark.parametrize("tag", TAGS.values(), ids=TAGS)
def test_short_flac_without_its_start_behind_any_tag_is_read(tmp_path: Path, tag: bytes) -> None:
    one, other = (short_flac(tmp_path, 3 * 4608 + 1611, seed) for seed in range(2))
    first, _ = decode(tmp_path / "song.flac", one)
    second, _ = decode(tmp_path / "song.flac", other)
    cut = other.rindex(bytes(8192)) + 8192 + 100  # in the first of its frames
    decoded, _ = decode(tmp_path / "song.flac", one + tag + other[cut:])
    assert np.array_equal(decoded, np.concatenate([first, second[:, 4608:]], axis=1))


def test_only_some_of_hundreds_of_tags_between_frames_are_looked_at(tmp_path: Path) -> None:
    """Such files are made to take long."""
    content = short_flac(tmp_path, 4 * 4608, 0)
    frames = content[content.rindex(bytes(8192)) + 8192 :]
    path = tmp_path / "song.flac"
    path.write_bytes(content + 300 * (id3v2(title="Song") + frames))
    assert find_parts(path).all == 1 + _MOST_TAGS


def test_frames_behind_the_end_of_a_flac_are_not_its_padding(tmp_path: Path) -> None:
    """FLAC has no padding. Two frames of another recording are sound."""
    one, other = short_flac(tmp_path, 4 * 4608, 0), short_flac(tmp_path, 3 * 4608, 1)
    decoded, _ = decode(tmp_path / "song.flac", one + other[other.rindex(bytes(8192)) + 8192 + 100 :])
    assert decoded.shape[1] >= 4608 * (4 + 1)


def test_sound_that_looks_like_a_tag_is_no_tag(tmp_path: Path) -> None:
    """FLAC stores noise as it is, so its bytes can be those of a tag."""
    tag = id3v1()
    noise = np.random.default_rng(0).integers(-(2**15), 2**15, LENGTH).astype(">i2")
    noise[20_000 : 20_000 + len(tag) // 2] = np.frombuffer(tag, ">i2")
    sound = (noise.astype(np.float32) / 2**15)[None]
    content = write(tmp_path / "part", sound, RATE, FLAC).read_bytes()
    assert tag in content
    path = tmp_path / "song.flac"
    decoded, warnings = decode(path, content)
    assert (find_parts(path).all, warnings) == (1, [])
    assert np.array_equal(decoded, sound)


def test_frames_declare_the_settings_of_a_flac(tmp_path: Path) -> None:
    path = tmp_path / "song.flac"
    for kind, rate in ((FLAC, 22050), (FLAC, 11025), (Kind("flac", "flac", "flac", "s32"), 96000)):
        content = recording(tmp_path, kind, rate=rate)
        path.write_bytes(content)
        with path.open("rb") as file:
            frame = first_frame(file, content.rindex(bytes(8192)), len(content))
        assert frame is not None
        assert (frame.at, frame.number) == (content.rindex(bytes(8192)) + 8192, 0)
        assert frame.shape == shape_of(content[8:]) == shape_of(streaminfo(frame))


def damaged_header(content: bytes) -> bytes:
    """Overwrite the end of the second page, which holds codebooks or comments."""
    page = content.index(b"OggS", 4)
    end = content.index(b"OggS", page + 4)
    return content[: page + 28] + b"\xff" * (end - page - 28) + content[end:]


def damaged_start(content: bytes) -> bytes:
    return content[:28] + b"\xff" * 8 + content[36:]


@pytest.mark.parametrize(
    ("kind", "damage"),
    [(OPUS, damaged_start), (VORBIS, damaged_start), (VORBIS, damaged_header), (OGG_FLAC, damaged_start)],
    ids=lambda each: getattr(each, "name", getattr(each, "__name__", "")),
)
def test_first_recording_with_a_damaged_header_is_read_with_the_settings_behind_it(
    tmp_path: Path, kind: Kind, damage
) -> None:  # type: ignore[no-untyped-def]
    parts = [recording(tmp_path, kind, seed) for seed in range(2)]
    path = tmp_path / f"song.{kind.ending}"
    intact, _ = decode(path, b"".join(parts))
    decoded, warnings = decode(path, damage(parts[0]) + parts[1])
    assert np.array_equal(decoded, intact)
    assert any("the start of 1 of its 2 parts can't be read" in warning for warning in warnings)


def test_settings_may_be_in_a_recording_whose_sound_is_damaged(tmp_path: Path) -> None:
    sound = bursts(RATE // 2, 2, RATE)
    content = write(tmp_path / "part", sound, RATE, VORBIS, serial=1).read_bytes()
    without_sound = content[:-1000] + bytes(500) + content[-500:]  # one page
    decoded, warnings = decode(tmp_path / "song.ogg", without_sound + damaged_header(content))
    assert abs(decoded.shape[1] - RATE // 2) < 100
    assert any("the start of 2 of its 2 parts can't be read" in warning for warning in warnings)


def test_damaged_page_is_not_the_start_of_a_recording(tmp_path: Path) -> None:
    content = recording(tmp_path, OPUS)
    page = content.index(b"OggS", content.index(b"OpusTags"))
    for flags in (0x86, 0x02):
        path = tmp_path / "song.opus"
        path.write_bytes(content[: page + 5] + bytes([flags]) + content[page + 6 :])
        assert find_parts(path).all == 1


@pytest.mark.parametrize("kind", [FLAC, OPUS], ids=lambda kind: kind.name)
def test_file_with_thousands_of_headers_is_one_recording(tmp_path: Path, kind: Kind) -> None:
    """Such files are made to take long: each part is opened."""
    content = recording(tmp_path, kind)
    head = content[:42] if kind is FLAC else content[: content.index(b"OggS", 4)] + content[-4000:]
    path = tmp_path / f"song.{kind.ending}"
    path.write_bytes(content + 3000 * head)
    assert find_parts(path).all == 1
    decoded, _ = decode(path, path.read_bytes())
    assert decoded.shape[1] >= LENGTH - 4608


def test_recording_gets_no_header_of_another_rate(tmp_path: Path) -> None:
    one, other = recording(tmp_path, VORBIS), recording(tmp_path, VORBIS, 1, 32000)
    third = recording(tmp_path, VORBIS, 2)
    expected, _ = decode(tmp_path / "song.ogg", other)
    decoded, _ = decode(tmp_path / "song.ogg", damaged_header(one) + other)
    assert np.array_equal(decoded, expected)
    whole, _ = decode(tmp_path / "song.ogg", one + other + third)
    decoded, _ = decode(tmp_path / "song.ogg", damaged_header(one) + other + third)
    assert np.array_equal(decoded, whole)


def test_damaged_recordings_are_read_together_if_only_another_rate_follows(tmp_path: Path) -> None:
    """The first has the settings, but all its sound is in one damaged page. The second lacks the settings."""
    one, other = (
        write(tmp_path / "part", bursts(RATE // 2, 2, RATE, seed), RATE, VORBIS, serial=seed).read_bytes()
        for seed in range(2)
    )
    without_sound = one[:-1000] + bytes(500) + one[-500:]
    third = recording(tmp_path, VORBIS, 2, 32000)
    whole, _ = decode(tmp_path / "song.ogg", other + third)
    decoded, _ = decode(tmp_path / "song.ogg", without_sound + damaged_header(other) + third)
    assert abs(decoded.shape[1] - whole.shape[1]) <= 1024


def test_flac_in_matroska_without_its_start_is_not_a_flac(tmp_path: Path) -> None:
    content = recording(tmp_path, Kind("mkv", "matroska", "flac", "s16"))
    path = tmp_path / "song.mkv"
    path.write_bytes(content[content.index(b"\xff\xf8") - 20 :])
    with path.open("rb") as file:
        assert not is_beheaded(file, 0)
    path.write_bytes(recording(tmp_path, FLAC)[9000:])
    with path.open("rb") as file:
        assert is_beheaded(file, 0)


def test_flac_without_its_streaminfo_is_cut_off(tmp_path: Path) -> None:
    """The first block is no STREAMINFO, and says that it is longer than the file."""
    path = tmp_path / "cut.flac"
    path.write_bytes(b"fLaC" + bytes([1, 0, 0, 34]) + bytes(16))
    with pytest.raises(InputError):
        probe(path)
    with path.open("rb") as file:
        assert first_frame(file, 42, 24) is None
