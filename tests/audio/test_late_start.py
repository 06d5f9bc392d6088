"""Sound that starts late is intact: no warning, and the length of the sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from tests.audio.sounds import KINDS, Kind, Sound, as_stored, bursts, decode, lag, write

from unbraid.audio.decode import Decoder

OGG_FLAC = Kind("oga", "ogg", "flac", "s16")
LATE = [
    *(kind for kind in KINDS if kind.container in ("matroska", "webm", "ogg", "mp4", "mov", "asf")),
    OGG_FLAC,
    Kind("opus", "ogg", "libopus", "flt", (48000,)),
    Kind("mka", "matroska", "vorbis", "fltp"),
    Kind("ts", "mpegts", "mp2", "s16"),
    Kind("avi", "avi", "pcm_s16le", "s16"),
]


def write_late(path: Path, sound: Sound, rate: int, kind: Kind, start_s: float) -> Path:
    """Write a file whose sound starts at `start_s`, as after cutting or recording without a first part."""
    with av.open(str(path), "w", format=kind.container) as container:
        stream = container.add_stream(kind.codec, rate=rate)
        stream.layout, stream.format = "stereo", kind.format
        if kind.codec != "flac" and not kind.codec.startswith("pcm"):
            stream.bit_rate = 128_000
        stream.codec_context.options = {"strict": "-2"}
        frame = av.AudioFrame.from_ndarray(as_stored(sound, kind.format), kind.format, "stereo")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            start = round(Fraction(start_s) / packet.time_base)
            packet.pts += start
            packet.dts += start
            container.mux(packet)
    return path


@pytest.mark.parametrize("start_s", [0.3, 0.4, 3.0, 100.0])
@pytest.mark.parametrize("kind", LATE, ids=lambda kind: kind.name)
def test_has_no_warning_and_the_length_of_the_sound(tmp_path: Path, kind: Kind, start_s: float) -> None:
    rate = kind.rates[0]
    sound = bursts(rate * 3 // 2, 2, rate)
    at_once = decode(write_late(tmp_path / f"at-once.{kind.ending}", sound, rate, kind, 0))
    with Decoder(write_late(tmp_path / f"late.{kind.ending}", sound, rate, kind, start_s)) as decoder:
        decoded = np.concatenate(list(decoder), axis=1)
    assert decoder.warnings == []
    assert abs(decoded.shape[1] - at_once.shape[1]) <= 2048
    assert abs(lag(at_once, decoded)) <= 2048


@pytest.mark.parametrize("start_s", [0.0, 3.0])
@pytest.mark.parametrize(
    "kind", [OGG_FLAC, Kind("mkv", "matroska", "flac", "s16")], ids=lambda kind: kind.name
)
def test_late_file_that_is_cut_off_is_still_reported(tmp_path: Path, kind: Kind, start_s: float) -> None:
    sound = bursts(4 * 44100, 2, 44100)
    content = write_late(tmp_path / f"song.{kind.ending}", sound, 44100, kind, start_s).read_bytes()
    (tmp_path / f"cut.{kind.ending}").write_bytes(content[: len(content) // 2])
    with Decoder(tmp_path / f"cut.{kind.ending}") as decoder:
        decoded = np.concatenate(list(decoder), axis=1)
    assert decoded.shape[1] < 3 * 44100
    assert any("cut off" in str(warning) for warning in decoder.warnings)


def test_lost_pages_of_flac_in_ogg_become_silence_wherever_they_are(tmp_path: Path) -> None:
    sound = bursts(5 * 44100, 2, 44100)
    content = write(tmp_path / "song.oga", sound, 44100, OGG_FLAC).read_bytes()
    pages = [at for at in range(len(content)) if content.startswith(b"OggS", at)]
    assert len(pages) > 5
    for lost in (3, 4):  # the second or third page of sound
        (tmp_path / "lost.oga").write_bytes(content[: pages[lost]] + content[pages[lost + 1] :])
        assert decode(tmp_path / "lost.oga").shape == sound.shape
