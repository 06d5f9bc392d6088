"""The depth of a song is recognised."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.audio.sounds import Kind, noise, write

from unbraid.audio.formats import deepest_subtype
from unbraid.audio.probe import probe

@pytest.mark.parametrize(
    ("kind", "depth"),
    [
        (Kind("wav", "wav", "pcm_u8", "u8"), "16"),
        (Kind("wav", "wav", "pcm_s16le", "s16"), "16"),
        (Kind("wav", "wav", "pcm_s24le", "s32"), "24"),
        (Kind("wav", "wav", "pcm_s32le", "s32"), "float"),
        (Kind("wav", "wav", "pcm_f32le", "flt"), "float"),
        (Kind("wav", "wav", "pcm_f64le", "dbl"), "float"),
        (Kind("wav", "wav", "pcm_mulaw", "s16"), "16"),
        (Kind("aiff", "aiff", "pcm_s16be", "s16"), "16"),
        (Kind("aiff", "aiff", "pcm_s24be", "s32"), "24"),
        (Kind("aiff", "aiff", "pcm_s32be", "s32"), "float"),
        (Kind("flac", "flac", "flac", "s16"), "16"),
        (Kind("flac", "flac", "flac", "s32"), "24"),
        (Kind("mkv", "matroska", "flac", "s32"), "24"),
        (Kind("m4a", "ipod", "alac", "s16p"), "16"),
        (Kind("m4a", "ipod", "alac", "s32p"), "24"),
        (Kind("wv", "wv", "wavpack", "s32p"), "24"),
        (Kind("wv", "wv", "wavpack", "fltp"), "float"),
        (Kind("tta", "tta", "tta", "s32"), "24"),
        (Kind("mov", "mov", "pcm_f32le", "flt"), "float"),
        (Kind("mp3", "mp3", "libmp3lame", "fltp"), "16"),  # decoders compute in float
        (Kind("m4a", "ipod", "aac", "fltp"), "16"),
        (Kind("opus", "opus", "libopus", "flt", (48000,)), "16"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.codec}-{value.format}",
)
def test_recognises_the_depth_of_the_song(tmp_path: Path, kind: Kind, depth: str) -> None:
    song = write(tmp_path / f"song.{kind.ending}", noise(9000, 2), kind.rates[0], kind)
    assert probe(song).depth == depth


def test_formats_store_the_depth_as_well_as_they_can() -> None:
    depths = ("16", "24", "float")
    assert [deepest_subtype("wav", depth) for depth in depths] == ["16", "24", "float"]
    assert [deepest_subtype("flac", depth) for depth in depths] == ["16", "24", "24"]
    assert {deepest_subtype(name, depth) for name in ("mp3", "m4a", "opus") for depth in depths} == {"16"}
