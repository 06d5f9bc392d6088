"""A tag behind a format that has its own tags changes nothing, although FFmpeg doesn't know it there."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from tests.audio.sounds import KINDS, Kind, bursts, write
from tests.audio.tag_bytes import ape, garbage, id3v1, id3v2, lyrics3
from tests.audio.test_leading_tag import FURTHER

from unbraid.audio.decode import Decoder
from unbraid.audio.tag_blocks import trailing_tags_start

FRAMES = 20 * (b"\xff\xfb\x90\x64" + bytes(413))
TAGS = {
    "ID3v1": id3v1(),
    "extended ID3v1": b"TAG+" + bytes(range(223)) + id3v1(),
    "APE": ape(garbage(300_000) + FRAMES),
    "APE without a header": ape(garbage(300), header=False),
    "Lyrics3": lyrics3() + id3v1(),
    "Lyrics3 v1": lyrics3(version=1) + id3v1(),
    "ID3v2": id3v2(garbage(300_000) + FRAMES, "Title", footer=True),
    "several": id3v2(b"cover", footer=True) + ape(garbage(300)) + lyrics3() + id3v1(),
}


@pytest.mark.parametrize("tag", ["APE", "ID3v2", "several"])
@pytest.mark.parametrize("kind", [*KINDS, *FURTHER], ids=lambda kind: kind.name)
def test_file_with_a_tag_behind_sounds_like_the_file_without(tmp_path: Path, kind: Kind, tag: str) -> None:
    rate = kind.rates[0]
    plain = write(tmp_path / f"plain.{kind.ending}", bursts(rate // 2, 2, rate), rate, kind)
    tagged = tmp_path / f"tagged.{kind.ending}"
    tagged.write_bytes(plain.read_bytes() + TAGS[tag])
    sounds = []
    for path in (plain, tagged):
        with Decoder(path) as decoder:
            sounds.append(np.concatenate(list(decoder), axis=1))
        assert decoder.warnings == []
    assert np.array_equal(*sounds)


@pytest.mark.parametrize("tag", TAGS.values(), ids=TAGS)
def test_tags_are_found_from_their_end(tag: bytes) -> None:
    content = garbage(5000)
    assert trailing_tags_start(io.BytesIO(content + tag), 0, len(content + tag)) == len(content)
    assert trailing_tags_start(io.BytesIO(content), 0, len(content)) == len(content)
    assert trailing_tags_start(io.BytesIO(tag[1:]), 0, len(tag) - 1) > 0


@pytest.mark.parametrize(
    "tag", [b"APETAGEX" + b"\xff" * 24, b"3DI\4\0\0\x7f\x7f\x7f\x7f", b"999999LYRICS200"]
)
def test_a_tag_longer_than_the_file_is_not_believed(tag: bytes) -> None:
    content = garbage(300) + tag
    assert trailing_tags_start(io.BytesIO(content), 0, len(content)) == len(content)
