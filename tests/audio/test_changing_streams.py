"""A stream that changes its rate or channels on its way is decoded completely, at the first rate."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from tests.audio.sounds import Kind, Sound, as_stored, bursts, write

from unbraid.audio.decode import Decoder, decode_all
from unbraid.audio.mixing import Mix
from unbraid.audio.probe import probe
from unbraid.audio.resample import Resampler

MP3 = Kind("mp3", "mp3", "libmp3lame", "fltp")
AAC = Kind("aac", "adts", "aac", "fltp")
AC3 = Kind("ac3", "ac3", "ac3", "fltp")
TS = Kind("ts", "mpegts", "mp2", "s16")
FLAC = Kind("flac", "flac", "flac", "s16")
OGG_FLAC = Kind("oga", "ogg", "flac", "s16")
VORBIS = Kind("ogg", "ogg", "vorbis", "fltp")
OPUS = Kind("opus", "ogg", "libopus", "flt")
# Samples by which a format may be longer than the sound, once per part: its delay, padding and a header frame. These
# formats don't declare them, or FFmpeg reads the declaration only at the start of the file.
UNDECLARED = {"mp3": 3 * 1152, "aac": 2 * 1024, "ac3": 2 * 1536, "ts": 2 * 1152, "ogg": 1024}
SECONDS = 2

Part = tuple[int, int]
"""Sample rate in Hz, and number of channels."""


def sound(part: Part, seed: int) -> Sound:
    rate, channels = part
    return bursts(SECONDS * rate, channels, rate, seed)


def joined(folder: Path, kind: Kind, *parts: Part) -> Path:
    """Write a file of several recordings, one after another, as `cat` makes it."""
    contents = []
    for seed, (rate, channels) in enumerate(parts):
        layout = "5.1" if channels == 6 else None
        path = write(folder / "part", sound((rate, channels), seed), rate, kind, layout=layout)
        contents.append(path.read_bytes())
    path = folder / f"song.{kind.ending}"
    path.write_bytes(b"".join(contents))
    return path


def decode(path: Path, channels: int | None = None) -> tuple[Sound, list[str]]:
    with Decoder(path, channels=channels) as decoder:
        decoded = np.concatenate(list(decoder), axis=1)
    assert decoder.samples_decoded == decoded.shape[1]
    return decoded, [str(warning) for warning in decoder.warnings]


def position(part: Sound, whole: Sound) -> int:
    """Return the sample of `whole` at which `part` starts, by the peak of the cross-correlation."""
    size = 1 << (part.shape[1] + whole.shape[1]).bit_length()
    spectrum = np.fft.rfft(whole[0], size) * np.fft.rfft(part[0], size).conj()
    return int(np.fft.irfft(spectrum, size).argmax())


@pytest.mark.parametrize("rates", [(44100, 48000), (48000, 44100), (44100, 32000, 44100)])
@pytest.mark.parametrize("kind", [MP3, AAC, AC3, TS, FLAC, OGG_FLAC, VORBIS], ids=lambda kind: kind.ending)
def test_parts_of_another_rate_are_resampled_to_the_first(
    tmp_path: Path, kind: Kind, rates: tuple[int, ...]
) -> None:
    path = joined(tmp_path, kind, *((rate, 2) for rate in rates))
    decoded, warnings = decode(path)
    first, surplus = rates[0], UNDECLARED.get(kind.ending, 0)
    assert probe(path).sample_rate == first
    end = 0
    for seed, rate in enumerate(rates):
        expected = Resampler(rate, first, 2).push(sound((rate, 2), seed), last=True)
        assert -2 < position(expected, decoded) - end <= (seed + 1) * surplus
        end += expected.shape[1]
    assert 0 <= decoded.shape[1] - end <= len(rates) * surplus
    assert not any("damaged" in warning for warning in warnings)


@pytest.mark.parametrize("kind", [FLAC, OGG_FLAC, OPUS], ids=lambda kind: kind.ending)
@pytest.mark.parametrize("channels", [(2, 1), (1, 2), (2, 1, 2)])
def test_parts_with_other_channels_are_decoded_to_the_sample(
    tmp_path: Path, kind: Kind, channels: tuple[int, ...]
) -> None:
    parts = [(48000, number) for number in channels]
    decoded, _ = decode(joined(tmp_path, kind, *parts), channels=2)
    length = SECONDS * 48000
    assert decoded.shape == (2, len(parts) * length)
    for seed, part in enumerate(parts):
        found = decoded[:, seed * length : (seed + 1) * length]
        expected = np.repeat(sound(part, seed), 2 // part[1], axis=0)
        assert position(expected, found) == 0
        assert position(expected[1:], found[1:]) == 0
        assert np.array_equal(found[0], found[1]) == (part[1] == 1)


@pytest.mark.parametrize("kind", [MP3, AAC, AC3], ids=lambda kind: kind.ending)
def test_mono_then_stereo_becomes_stereo_on_request(tmp_path: Path, kind: Kind) -> None:
    decoded, warnings = decode(joined(tmp_path, kind, (48000, 1), (48000, 2)), channels=2)
    assert np.array_equal(*decoded[:, :48000])
    assert not np.allclose(*decoded[:, -48000:], atol=0.01)
    assert warnings == []


@pytest.mark.parametrize("kind", [MP3, AAC, OPUS], ids=lambda kind: kind.ending)
def test_sound_in_memory_and_mixes_become_stereo(tmp_path: Path, kind: Kind) -> None:
    path = joined(tmp_path, kind, (48000, 1), (48000, 2))
    in_memory, decoder = decode_all(path)
    mix = Mix([(path, 1.0)])
    mix.measure()
    for decoded in (in_memory, np.concatenate(list(mix.blocks()), axis=1)):
        assert decoded.shape[0] == 2
        assert np.array_equal(*decoded[:, :48000])
        assert not np.allclose(*decoded[:, -48000:], atol=0.01)
    assert mix.samples == in_memory.shape[1]
    assert decoder.warnings == []


def test_decoder_reports_the_most_channels_of_all_parts(tmp_path: Path) -> None:
    for channels, widest in (((1, 1), 1), ((1, 2), 2), ((2, 1), 2)):
        path = joined(tmp_path, OPUS, *((48000, number) for number in channels))
        with Decoder(path) as decoder:
            list(decoder)
        assert decoder.widest == widest
        assert decoder.channels == widest
        assert decoder.warnings == []


def test_later_surround_is_mixed_with_warning(tmp_path: Path) -> None:
    decoded, warnings = decode(joined(tmp_path, AC3, (48000, 2), (48000, 6)))
    assert decoded.shape[0] == 2
    assert len(warnings) == 1
    assert "6 channels" in warnings[0]


def test_chained_ogg_has_the_length_of_its_links(tmp_path: Path) -> None:
    path = joined(tmp_path, OPUS, *3 * [(48000, 2)])
    decoded, warnings = decode(path)
    assert decoded.shape == (2, 3 * SECONDS * 48000)
    assert warnings == []
    assert probe(path).duration_s == pytest.approx(3 * SECONDS, abs=0.1)


def test_a_link_that_is_cut_off_is_reported(tmp_path: Path) -> None:
    path = joined(tmp_path, OPUS, (48000, 2), (48000, 2))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    decoded, warnings = decode(path)
    assert SECONDS * 48000 < decoded.shape[1] < 2 * SECONDS * 48000
    assert len(warnings) == 1
    assert "cut off" in warnings[0]
    second = content.index(b"OpusHead", len(content) // 3) - 28
    path.write_bytes(content[: second + 60])
    decoded, warnings = decode(path)
    assert decoded.shape == (2, SECONDS * 48000)
    assert "the start of 1 of its 2 parts can't be read" in warnings[0]


def test_a_stream_that_starts_later_is_reported(tmp_path: Path) -> None:
    contents = []
    for first_id in (0x100, 0x200):
        with av.open(
            str(tmp_path / "part.ts"), "w", options={"mpegts_start_pid": str(first_id)}
        ) as container:
            stream = container.add_stream("mp2", rate=48000, layout="stereo")
            sound = as_stored(bursts(SECONDS * 48000, 2, 48000), "s16")
            frame = av.AudioFrame.from_ndarray(sound, "s16", "stereo")
            frame.sample_rate = 48000
            container.mux([*stream.encode(frame), *stream.encode(None)])
        contents.append((tmp_path / "part.ts").read_bytes())
    no_data = (b"\x47\x1f\xff\x10" + 184 * b"\xff") * 30_000  # more than FFmpeg reads when it opens a file
    (tmp_path / "song.ts").write_bytes(no_data.join([*contents, contents[0]]))
    decoded, warnings = decode(tmp_path / "song.ts")
    assert decoded.shape[1] >= 2 * SECONDS * 48000
    assert any("starts later" in warning for warning in warnings)


def test_blocks_stay_short_after_a_change(tmp_path: Path) -> None:
    with Decoder(joined(tmp_path, FLAC, (48000, 1), (8000, 2), (96000, 1))) as decoder:
        lengths = [block.shape[1] for block in decoder]
    assert min(lengths) > 0
    assert max(lengths) <= 2 * 48000
