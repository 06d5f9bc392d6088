"""MP3s that were joined have no length in a header; MP3s that were cut off still have one."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from tests.audio.sounds import bursts
from tests.audio.tag_bytes import id3v1, id3v2
from tests.audio.test_between_frames import RATE, decode

from unbraid.audio.lame import declared_frames


def mp3(path: Path, kbits: int, seconds: float = 2, channels: int = 2) -> bytes:
    """Return an MP3 with a LAME header and without a tag."""
    layout = "mono" if channels == 1 else "stereo"
    with av.open(str(path), "w", format="mp3", options={"id3v2_version": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout=layout, format="fltp")
        stream.bit_rate = 1000 * kbits
        sound = bursts(int(seconds * RATE), channels, RATE)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), "fltp", layout)
        frame.sample_rate, frame.pts = RATE, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize("between", [b"", id3v1() + id3v2(b"cover")], ids=["joined", "with tags"])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((128, 2, 2), (320, 2, 2)),
        ((320, 2, 2), (128, 2, 2)),
        ((64, 2, 1), (128, 2, 2)),
        ((128, 4, 2), (32, 1, 1)),
    ],
)
def test_joined_mp3s_of_different_bit_rates_cause_no_warning_about_their_length(
    tmp_path: Path, one: tuple[int, float, int], other: tuple[int, float, int], between: bytes
) -> None:
    contents = [mp3(tmp_path / "part.mp3", *which) for which in (one, other)]
    decoded, warnings = decode(tmp_path / "song.mp3", between.join(contents))
    assert abs(decoded.shape[1] / RATE - one[1] - other[1]) < 0.1
    assert [warning for warning in warnings if "mono" not in warning] == []


@pytest.mark.parametrize("behind", [b"", id3v1()])
def test_mp3_that_is_cut_off_has_a_warning(tmp_path: Path, behind: bytes) -> None:
    content = mp3(tmp_path / "part.mp3", 128)
    decoded, warnings = decode(tmp_path / "song.mp3", content[: len(content) // 2] + behind)
    assert decoded.shape[1] < 1.1 * RATE
    assert len(warnings) == 1
    assert "is cut off or damaged: its header says 0:02.0" in warnings[0]


def test_number_of_frames_is_read_from_every_kind_of_header() -> None:
    frame = b"\xff\xfb\x90\x64" + bytes(32)
    number = (77).to_bytes(4, "big")
    assert declared_frames(frame + b"Xing\0\0\0\x0f" + number) == 77
    assert declared_frames(frame + b"Info\0\0\0\1" + number) == 77
    assert declared_frames(frame + b"Xing\0\0\0\x0e" + number) == 0
    assert declared_frames(frame + b"VBRI\0\1" + bytes(8) + number) == 77
    assert declared_frames(frame) == 0
    assert declared_frames(b"Xing") == 0
