"""Whatever the tags of a song say, the song is read and its stems are written."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from tests.audio.tagged import RATE, encode, id3, named, tagged_mp3, tags_of, text
from tests.audio.test_tags import PEAKS, TEXTS

from unbraid.audio.decode import Decoder
from unbraid.audio.formats import FORMATS
from unbraid.audio.probe import probe

DIGITS = "1" * 5000  # Python refuses to convert more than 4300 digits
VALUES = {
    "many digits": DIGITS,
    "many decimals": f"1.{DIGITS} dB",
    "pair of many digits": f"{DIGITS}/{DIGITS}",
    "infinite": "1e999",
    "not a number": "nan",
    "negative": "-1",
    "too large": "99999999/-99999999",
    "other digits": "٣/²",
    "slashes": "//",
    "space": " ",
    "long": "☃" * 70_000,
    "zeros": "0/0",
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("target", FORMATS)
def test_every_format_is_written_with_any_value_of_any_tag(tmp_path: Path, target: str, value: str) -> None:
    path = encode(tmp_path / f"stem.{target}", tags_of(dict.fromkeys(TEXTS | PEAKS, value)))
    assert probe(path).duration_s == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("source", FORMATS)
def test_many_digits_in_a_song_of_any_format_reach_any_other(tmp_path: Path, source: str) -> None:
    names = dict.fromkeys([*TEXTS, *PEAKS], DIGITS) | {"title": "Song"}
    song = probe(encode(tmp_path / f"song.{source}", tags_of(names))).tags
    for target in FORMATS:
        assert probe(encode(tmp_path / f"stem.{target}", song)).tags.text("title") == "Song"


@pytest.mark.parametrize("version", [3, 4])
def test_numbers_of_an_mp3_that_no_m4a_can_store_are_left_out(tmp_path: Path, version: int) -> None:
    frames = [(name, text(DIGITS)) for name in ("TRCK", "TPOS", "TBPM", "TCMP", "TDAT", "TYER", "TLEN")]
    frames += [("TXXX", named("replaygain_track_gain", DIGITS)), ("TIT2", text("Song"))]
    song = probe(tagged_mp3(tmp_path / "song.mp3", id3(frames, version))).tags
    assert song.text("track") == DIGITS
    stem = probe(encode(tmp_path / "stem.m4a", song)).tags
    assert stem.text("title") == "Song"
    assert stem.text("track") is None


def test_length_of_many_digits_in_a_matroska_tag_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "song.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=RATE, layout="stereo", format="s16")
        stream.metadata["duratiom"] = f"{DIGITS}:00:00"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2 * RATE), np.int16), "s16", "stereo")
        frame.sample_rate, frame.pts = RATE, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    content = path.read_bytes().replace(b"DURATION", b"DURATIOX").replace(b"DURATIOM", b"DURATION")
    path.write_bytes(content)
    with Decoder(path) as decoder:
        assert np.concatenate(list(decoder), axis=1).shape == (2, RATE)
