"""Broken files are decoded as far as possible or refused in one plain line, without FFmpeg's own messages."""

from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.stream import Disposition
from tests.audio.sounds import Kind, as_an_ordinary_user, bursts, decode, lag, noise, write
from tests.broken_files import LENGTH, BrokenFile, make_corpus, png

from unbraid.audio import open_part
from unbraid.audio.decode import Decoder
from unbraid.audio.encode import Encoder
from unbraid.audio.probe import probe
from unbraid.audio.tags.read import picture, read_pictures
from unbraid.audio.timeline import Timeline
from unbraid.errors import InputError


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[BrokenFile]:
    return make_corpus(tmp_path_factory.mktemp("broken"))


def test_refuses_unusable_file_in_one_line_with_advice(
    corpus: list[BrokenFile], capfd: pytest.CaptureFixture[str]
) -> None:
    for broken in (b for b in corpus if b.error):
        with pytest.raises(InputError) as caught:
            decode(broken.path)
        message = caught.value.message
        assert broken.error in message, message
        assert broken.path.name in message
        assert "\n" not in message
        assert message.count(". ") >= 1, "says what happened, then what to do"
    assert capfd.readouterr() == ("", "")


def test_uses_readable_part_with_warning(corpus: list[BrokenFile], capfd: pytest.CaptureFixture[str]) -> None:
    for broken in (b for b in corpus if not b.error):
        with Decoder(broken.path) as decoder:
            sound = np.concatenate(list(decoder), axis=1)
        assert np.isfinite(sound).all()
        if broken.samples is not None:
            assert broken.samples[0] <= sound.shape[1] <= broken.samples[1], broken.path.name
        if broken.warning is None:
            assert decoder.warnings == []
        else:
            assert any(broken.warning in str(warning) for warning in decoder.warnings), decoder.warnings
        assert all("\n" not in str(warning) for warning in decoder.warnings)
    assert capfd.readouterr() == ("", "")


def test_stays_in_sync_after_damage(tmp_path: Path) -> None:
    sound = bursts(LENGTH, 2, 44100)
    names = ["garbage-in-the-middle.mp3", "hole-in-the-middle.mp3"]
    found = [broken.path for broken in make_corpus(tmp_path) if broken.path.name in names]
    assert len(found) == 2
    for path in found:
        after = slice(LENGTH * 3 // 4, None)
        assert abs(lag(sound[:, after], decode(path)[:, after])) < 0.5


@pytest.mark.parametrize("container", ["wav", "w64"])
@pytest.mark.parametrize("damaged", [[3], [4], [5], [6, 8], [1, 2, 4, 6, 7, 12]], ids=str)
def test_damaged_blocks_of_adpcm_keep_their_time(tmp_path: Path, container: str, damaged: list[int]) -> None:
    path = tmp_path / f"song.{container}"
    write(path, bursts(44100, 1, 44100), 44100, Kind(container, container, "adpcm_ms", "s16"))
    intact, content = decode(path), bytearray(path.read_bytes())
    block, in_packet = 1024, 4  # bytes, and blocks that FFmpeg reads at once
    start = content.index(b"data") + (8 if container == "wav" else 24)
    for number in damaged:
        content[start + number * block] = 0xFF  # there are 7 pairs of coefficients
    path.write_bytes(content)
    decoded = decode(path)
    assert decoded.shape == intact.shape
    assert not np.array_equal(decoded, intact)
    end = 4 * in_packet * block * 2  # a byte has two samples
    assert np.array_equal(decoded[:, end:], intact[:, end:])


def test_lost_opus_pages_become_silence_of_equal_length(tmp_path: Path) -> None:
    sound = bursts(5 * 48000, 2, 48000)
    path = write(tmp_path / "song.opus", sound, 48000, Kind("opus", "opus", "libopus", "flt"))
    content = path.read_bytes()
    pages = [at for at in range(len(content)) if content.startswith(b"OggS", at)]
    path.write_bytes(content[: pages[3]] + content[pages[4] :])
    with Decoder(path) as decoder:
        decoded = np.concatenate(list(decoder), axis=1)
    assert decoded.shape == sound.shape
    assert any("became silence" in str(warning) for warning in decoder.warnings)
    assert abs(lag(sound[:, -48000:], decoded[:, -48000:])) < 0.5


def test_refuses_file_without_read_permission() -> None:
    with as_an_ordinary_user() as folder:
        path = folder / "secret.wav"
        path.write_bytes(b"RIFF")
        path.chmod(0)
        with pytest.raises(InputError, match="can't be read: you have no permission"):
            probe(path)


def out_of_memory(*_: object, **__: object) -> None:
    raise av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory")


def test_running_out_of_memory_is_not_reported_as_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "song.mp3", noise(44100, 2), 44100, Kind("mp3", "mp3", "libmp3lame", "fltp"))
    with Decoder(path) as decoder, pytest.raises(MemoryError):
        monkeypatch.setattr(Timeline, "note_packet", out_of_memory)  # called for each packet
        list(decoder)
    monkeypatch.setattr(av, "open", out_of_memory)
    monkeypatch.setattr(open_part, "probe_memory", out_of_memory)
    for use in (lambda: probe(path), lambda: picture(png())):
        with pytest.raises(MemoryError):
            use()


def test_a_damaged_number_of_channels_does_not_crash() -> None:
    """One frame of this AAC declares 36 channels. PyAV lists more planes than that."""
    with Decoder(Path(__file__).parent / "fixtures" / "damaged-channels.aac") as decoder:
        assert np.concatenate(list(decoder), axis=1).shape[1] > 10 * 1024


def test_a_damaged_size_is_not_reported_as_running_out_of_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "song.m4a", noise(44100, 2), 44100, Kind("m4a", "ipod", "aac", "fltp"))
    content = path.read_bytes()
    count = content.index(b"stts") + 8  # the number of entries in the table of times
    path.write_bytes(content[:count] + b"\x80" + content[count + 1 :])
    with pytest.raises(InputError, match="can't be read as audio"):
        probe(path)


def test_a_damaged_size_of_a_packet_is_not_reported_as_running_out_of_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "song.m4a", noise(44100, 2), 44100, Kind("m4a", "ipod", "aac", "fltp"))
    content = path.read_bytes()
    size = content.index(b"stsz") + 16  # of the first packet
    path.write_bytes(content[:size] + b"\x20\0\0\0" + content[size + 4 :])
    with Decoder(path) as decoder, pytest.raises(InputError, match="no audio that can be decoded"):
        list(decoder)


def test_a_damaged_frame_of_flac_is_not_repeated_at_the_end(tmp_path: Path) -> None:
    path = write(tmp_path / "song.flac", bursts(44100, 2, 44100), 44100, Kind("flac", "flac", "flac", "s16"))
    content = bytearray(path.read_bytes())
    content[-5000] ^= 1  # within the frame before the last one
    path.write_bytes(content)
    assert decode(path).shape == (2, 44100)


def test_running_out_of_memory_is_not_reported_as_missing_cover() -> None:
    stream = SimpleNamespace(codec_context=SimpleNamespace(name="png"), disposition=Disposition.attached_pic)
    container = SimpleNamespace(streams=SimpleNamespace(video=[stream]), demux=out_of_memory)
    with pytest.raises(MemoryError):
        read_pictures(container)  # type: ignore[arg-type]


def test_refuses_device_file() -> None:
    with pytest.raises(InputError, match="not a regular file"):
        probe("/dev/null")


def test_uses_m4a_truncated_after_its_header(tmp_path: Path) -> None:
    whole = tmp_path / "whole.m4a"
    with Encoder(whole, sample_rate=44100, channels=2, format="m4a") as encoder:
        encoder.write(bursts(LENGTH, 2, 44100))
    content = whole.read_bytes()
    data, header = content.index(b"mdat") - 4, content.index(b"moov") - 4
    # Put the header first, as for streaming; this moves the sound back by the header's length.
    moved = bytearray(content[header:])
    offsets = moved.index(b"stco") + 8
    for index in range(int.from_bytes(moved[offsets : offsets + 4], "big")):
        at = offsets + 4 + 4 * index
        moved[at : at + 4] = (int.from_bytes(moved[at : at + 4], "big") + len(moved)).to_bytes(4, "big")
    path = tmp_path / "cut.m4a"
    path.write_bytes(content[:data] + moved + content[data : data + (header - data) // 2])
    with Decoder(path) as decoder:
        decoded = np.concatenate(list(decoder), axis=1)
    assert LENGTH * 2 // 5 < decoded.shape[1] < LENGTH * 3 // 5
    assert any("cut off" in str(warning) for warning in decoder.warnings)


@pytest.mark.parametrize("position", [376, 1000])
def test_transport_stream_with_a_damaged_stretch_near_its_start_is_read(
    tmp_path: Path, position: int
) -> None:
    """FFmpeg takes it for a program stream, and finds no sound in it."""
    path, rate = tmp_path / "song.ts", 48000
    write(path, bursts(rate, 2, rate, 0), rate, Kind("ts", "mpegts", "aac", "fltp"))
    content = path.read_bytes()
    path.write_bytes(content[:position] + bytes(20_000) + content[position:])
    with Decoder(path) as decoder:
        decoded = sum(block.shape[1] for block in decoder)
    assert rate * 0.8 < decoded <= rate * 1.1
    assert probe(path).sample_rate == rate


def test_second_stream_of_a_transport_stream_with_a_packet_of_another_format_is_read(tmp_path: Path) -> None:
    """FFmpeg takes it for a program stream, and finds a single stream in it, which has no sound."""
    path, rate = tmp_path / "song.ts", 48000
    write(path, bursts(rate, 2, rate, 0), rate, Kind("ts", "mpegts", "aac", "fltp"), streams=2)
    content = path.read_bytes()
    packet = bytes.fromhex("000001c0 0010 8080 05 2100010001") + bytes(
        8
    )  # of MPEG audio (ISO 13818-1, 2.4.3.6)
    path.write_bytes(content[:376] + 100 * (packet + bytes(180)) + content[376:])
    with Decoder(path, stream=1) as decoder:
        sound = np.concatenate(list(decoder), axis=1)
    assert rate * 0.8 < sound.shape[1] <= rate * 1.1
    assert np.abs(sound).max() > 0.1
