"""An ID3 tag in front of a format with its own tags changes nothing, and its title and cover are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.audio.sounds import KINDS, Kind, bursts, decode, write
from tests.audio.tag_bytes import garbage, id3v2
from tests.broken_files import png

from unbraid.audio.decode import Decoder
from unbraid.audio.probe import open_sound, probe

FURTHER = [
    Kind("aac", "adts", "aac", "fltp"),
    Kind("ac3", "ac3", "ac3", "fltp"),
    Kind("au", "au", "pcm_s16be", "s16"),
    Kind("caf", "caf", "pcm_s16le", "s16"),
    Kind("oga", "ogg", "flac", "s16"),
    Kind("mpg", "mpeg", "mp2", "s16"),
    Kind("nut", "nut", "pcm_s16le", "s16"),
    Kind("rm", "rm", "ac3", "fltp"),
    Kind("ts", "mpegts", "mp2", "s16"),
    Kind("tta", "tta", "tta", "s16"),
    Kind("voc", "voc", "pcm_s16le", "s16"),
    Kind("wv", "wv", "wavpack", "s16p"),
]
TAGS = {
    "short": id3v2(title="Title"),
    "with a cover": id3v2(b"\xff\xd8" + garbage(300_000), "Title"),
    "two": id3v2(title="Title") + id3v2(title="Older"),
}


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("kind", [*KINDS, *FURTHER], ids=lambda kind: kind.name)
def test_file_with_a_tag_in_front_sounds_like_the_file_without(tmp_path: Path, kind: Kind, tag: str) -> None:
    rate = kind.rates[0]
    plain = write(tmp_path / f"plain.{kind.ending}", bursts(rate // 2, 2, rate), rate, kind)
    tagged = tmp_path / f"tagged.{kind.ending}"
    tagged.write_bytes(TAGS[tag] + plain.read_bytes())
    sounds = []
    for path in (plain, tagged):
        with Decoder(path) as decoder:
            sounds.append(np.concatenate(list(decoder), axis=1))
        assert decoder.warnings == []
    assert np.array_equal(*sounds)
    assert probe(tagged).tags.text("title") in (None, "Title")
    assert open_sound(tagged, None)[0].format.name == open_sound(plain, None)[0].format.name


def test_chunk_of_an_impossible_size_ends_no_tagged_file(tmp_path: Path) -> None:
    kind = Kind("caf", "caf", "alac", "s16p")
    plain = write(tmp_path / "plain.caf", bursts(44100, 2, 44100), 44100, kind)
    content = plain.read_bytes()
    table = content.index(b"pakt")
    damaged = content[:table] + b"free" + (1 << 62).to_bytes(8, "big") + content[table:]
    tagged = tmp_path / "tagged.caf"
    tagged.write_bytes(TAGS["short"] + damaged)
    assert np.array_equal(decode(tagged), decode(plain))


@pytest.mark.parametrize("ending", ["wav", "aiff", "flac", "m4a", "caf"])
def test_title_and_cover_of_the_tag_are_read(tmp_path: Path, ending: str) -> None:
    kind = next(kind for kind in (*KINDS, *FURTHER) if kind.ending == ending)
    path = write(tmp_path / f"song.{ending}", bursts(44100, 2, 44100), 44100, kind)
    path.write_bytes(id3v2(png(), "A title").replace(b"image/jpeg", b"image/png\0") + path.read_bytes())
    info = probe(path)
    assert info.tags.text("title") == "A title"
    cover = info.tags.cover
    assert cover is not None
    assert (cover.data, cover.mime) == (png(), "image/png")
