"""Damaged times: one wrong time makes no silence, and lost packets keep the rest in sync."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from tests.audio.sounds import Kind, Sound, bursts, lag, write

from unbraid.audio.decode import Decoder

RATE = 44100
LENGTH = 2 * RATE
FLV = Kind("flv", "flv", "aac", "fltp")
TS = Kind("ts", "mpegts", "mp2", "s16")
PS = Kind("mpg", "vob", "mp2", "s16")
JOINED_TS = Kind("ts", "mpegts", "aac", "fltp")
WEBM = Kind("webm", "webm", "libopus", "flt", (48000,))
KINDS = [FLV, TS, PS]


def recording(folder: Path, kind: Kind, rate: int = RATE, seed: int = 0) -> bytes:
    return write(folder / f"part.{kind.ending}", bursts(2 * rate, 2, rate, seed), rate, kind).read_bytes()


def decode(path: Path, content: bytes) -> tuple[Sound, list[str]]:
    path.write_bytes(content)
    with Decoder(path) as decoder:
        return np.concatenate(list(decoder), axis=1), [str(warning) for warning in decoder.warnings]


def places_of_times(content: bytes, kind: Kind) -> list[int]:
    """Return the positions of the packets' times: in the tags of FLV, in the PES headers of MPEG streams."""
    if kind is FLV:
        places, at = [], 9 + 4
        while at < len(content):
            if content[at] == 8:  # sound
                places.append(at + 4)
            at += 11 + int.from_bytes(content[at + 1 : at + 4], "big") + 4
        return places[1:]  # the first tag has the settings of the decoder
    places, at = [], -1
    while (at := content.find(b"\0\0\x01\xc0", at + 1)) >= 0:
        if content[at + 7] & 0x80:  # it has a time
            places.append(at + 9)
    return places


def with_time(content: bytes, kind: Kind, place: int, time_s: float) -> bytes:
    if kind is FLV:
        time = round(time_s * 1000)
        stored = (time & 0xFFFFFF).to_bytes(3, "big") + (time >> 24).to_bytes(1, "big")
    else:  # ISO/IEC 13818-1, section 2.4.3.6
        time = round(time_s * 90_000)
        stored = bytes([0x21 | time >> 29 & 0x0E]) + (time >> 14 & 0xFFFE | 1).to_bytes(2, "big")
        stored += ((time & 0x7FFF) << 1 | 1).to_bytes(2, "big")
    return content[:place] + stored + content[place + len(stored) :]


@pytest.mark.parametrize("time_s", [0.2, 30.0])
@pytest.mark.parametrize("which", ["first", "middle", "two", "last"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.ending)
def test_damaged_time_makes_no_silence(tmp_path: Path, kind: Kind, which: str, time_s: float) -> None:
    content = recording(tmp_path, kind)
    intact, _ = decode(tmp_path / "song", content)
    places = places_of_times(content, kind)
    middle = len(places) // 2
    damaged = {"first": [0], "middle": [middle], "two": [middle, middle + 1], "last": [-1]}[which]
    for number, index in enumerate(damaged):
        content = with_time(content, kind, places[index], time_s + 3 * number)
    decoded, warnings = decode(tmp_path / "song", content)
    assert np.array_equal(decoded, intact)
    assert warnings == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.ending)
def test_lost_packets_before_a_damaged_time_keep_their_time(tmp_path: Path, kind: Kind) -> None:
    content = recording(tmp_path, kind)
    intact, _ = decode(tmp_path / "song", content)
    places = places_of_times(content, kind)
    start, end = (places[len(places) * part // 8] for part in (3, 4))
    next_time = places[places.index(end) + 1]
    head = 4 if kind is FLV else 9 if kind is PS else 0
    if kind is TS:
        start, end = start // 188 * 188, end // 188 * 188
    content = with_time(content, kind, next_time, 40.0)
    decoded, warnings = decode(tmp_path / "song", content[: start - head] + content[end - head :])
    assert abs(decoded.shape[1] - intact.shape[1]) <= 1152
    assert np.abs(decoded[:, -RATE // 2 :] - intact[:, -RATE // 2 :]).max() < 1e-4
    assert "became silence" in warnings[0]


def test_joined_transport_streams_of_other_rates_have_no_silence(tmp_path: Path) -> None:
    parts = {rate: recording(tmp_path, JOINED_TS, rate, seed=1) for rate in (22050, 44100)}
    alone_s = sum(decode(tmp_path / "song", part)[0].shape[1] / rate for rate, part in parts.items())
    decoded, warnings = decode(tmp_path / "song", b"".join(parts.values()))
    assert decoded.shape[1] / 22050 == pytest.approx(alone_s, abs=0.05)
    assert warnings == []


@pytest.mark.parametrize("pause", [range(1, 101), range(40, 101), range(120, 201)])
def test_opus_that_leaves_out_packets_of_silence_stays_in_sync(tmp_path: Path, pause: range) -> None:
    """Recordings of browsers do so (DTX): a packet of 20 ms each 0.4 s."""
    content = write(tmp_path / "all.webm", bursts(4 * 48000, 2, 48000), 48000, WEBM).read_bytes()
    intact, _ = decode(tmp_path / "song.webm", content)
    with av.open(str(tmp_path / "all.webm")) as source, av.open(str(tmp_path / "dtx.webm"), "w") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for number, packet in enumerate(source.demux(audio=0)):
            if packet.pts is not None and not (number in pause and number % 20):
                packet.stream = stream
                target.mux(packet)
    decoded, _ = decode(tmp_path / "song.webm", (tmp_path / "dtx.webm").read_bytes())
    assert abs(decoded.shape[1] - intact.shape[1]) <= 48
    if pause[-1] < 150:
        assert abs(lag(intact[:, -48000:], decoded[:, -48000:])) < 48
