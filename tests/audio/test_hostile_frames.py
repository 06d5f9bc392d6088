"""Files that were made to take long are read with few looks at them, and as they are."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from tests.audio.tag_bytes import garbage, id3v2
from tests.audio.test_between_frames import MP3, encoded, starts

from unbraid.audio import mpeg_frames
from unbraid.audio.decode import Decoder
from unbraid.audio.mpeg_frames import walk
from unbraid.audio.probe import probe

MOST_READS = 250_000
MOST_BYTES = 3 * 2**30


class CountingFile(io.BytesIO):
    """Counts reads, and the bytes read."""

    reads = size = 0

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self.reads += 1
        self.size += len(content)
        return content


def hostile(content: bytes) -> dict[str, bytes]:
    one = starts(content)[3:5]
    frame = content[one[0] : one[1]]
    three = content[one[0] : starts(content)[6]]
    return {
        "headers without frames": b"\xff\xfb\x90\x00" * 500_000,
        "many ones": b"\xff" * 2_000_000,
        "three frames and garbage": (three + b"\1") * 3000,
        "frames and garbage": (frame + b"\1") * 60_000,
        "frames and zeros": (b"\xff\xf3\x18\xc4".ljust(24, b"\0") + b"\0\1") * 80_000,
        "tiny Lyrics3": b"\0LYRICSBEGINLYRICSEND\1" * 100_000,
        "ends of Lyrics3": b"LYRICSEND" * 200_000,
        "numbered ends of Lyrics3": b"009999LYRICS200" * 100_000,
        "tags": b"ID3\4\0\0\0\0\0\0\1" * 200_000,
        "long tags": b"ID3\4\0\0\0\x20\0\0" * 200_000,
        "long tags with frames": (b"ID3\4\0\0\0\x20\0\0" + frame) * 5_000,
        "ID3v1": b"TAG" * 700_000,
        "APE": b"APETAGEX\xd0\x07\0\0\xff\xff\0\0\1\0\0\0" + b"\0\0\0\xa0" * 1000 + garbage(50) * 20_000,
    }


@pytest.mark.parametrize("name", hostile(bytes.fromhex("fffb9000").ljust(417, b"\0") * 9))
def test_hostile_bytes_between_frames_are_looked_at_a_limited_number_of_times(
    tmp_path: Path, name: str
) -> None:
    content = encoded(MP3)
    file = CountingFile(content + hostile(content)[name] + content)
    frames = walk(file, "mp3")
    assert file.reads < MOST_READS
    assert file.size < MOST_BYTES
    assert len(frames.ranges or ()) <= mpeg_frames._MOST_CHECKS


def test_file_with_too_many_gaps_is_read_as_it_is(tmp_path: Path) -> None:
    content = encoded(MP3)
    lyrics = b"\0LYRICSBEGINLYRICSEND\1" * 100_000
    assert walk(io.BytesIO(content + lyrics + content), "mp3") == (None, None)


def test_hours_of_segments_with_a_tag_each_are_not_too_many(tmp_path: Path) -> None:
    content = encoded(MP3)
    segment = id3v2(b"", "time") + content[: starts(content)[4]]
    ranges = walk(io.BytesIO(segment * 12_000), "mp3").ranges
    assert ranges is not None
    assert len(ranges) == 12_000


def test_a_song_is_walked_once_until_it_changes(tmp_path: Path) -> None:
    content = encoded(MP3)
    path = tmp_path / "song.mp3"
    path.write_bytes(content + id3v2(b"cover") + content)
    before = mpeg_frames._remembered.cache_info().misses
    info = probe(path)
    for _ in range(2):
        with Decoder(path, info=info) as decoder:
            length = np.concatenate(list(decoder), axis=1).shape[1]
    assert mpeg_frames._remembered.cache_info().misses == before + 1
    path.write_bytes(content * 3)
    with Decoder(path) as decoder:
        assert np.concatenate(list(decoder), axis=1).shape[1] > length
