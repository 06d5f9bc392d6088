"""`unbraid separate`: output files have the chosen format, depth and bit rate, and the tags of the song."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from tests.audio.sounds import Kind
from tests.audio.sounds import write as write_kind
from tests.audio.tagged import tags_of
from tests.broken_files import png
from tests.cli.conftest import Separate, write
from tests.conftest import WriteWave
from tests.separation.conftest import noise

from unbraid.audio.encode import Encoder
from unbraid.audio.probe import probe


@pytest.mark.parametrize(
    ("options", "codec", "sample_format"),
    [
        ([], "pcm_s16le", "s16"),
        (["--int24"], "pcm_s24le", "s32"),
        (["--float32"], "pcm_f32le", "flt"),
        (["--int16"], "pcm_s16le", "s16"),
        (["--format", "flac"], "flac", "s16"),
        (["--format", "flac", "--int24"], "flac", "s32"),
        (["--format", "mp3"], "mp3float", "fltp"),
        (["--format", "m4a"], "aac", "fltp"),
        (["--format", "opus"], "opus", "fltp"),
    ],
)
def test_stems_have_the_chosen_codec_and_depth(
    options: list[str],
    codec: str,
    sample_format: str,
    separate: Separate,
    write_wave: WriteWave,
    tmp_path: Path,
) -> None:
    assert separate(write_wave(tmp_path / "song.wav", seconds=0.2), *options) == 0
    for path in (tmp_path / "separated" / "song").glob("[!.]*"):
        with av.open(str(path)) as file:
            (stream,) = file.streams.audio
            assert (stream.codec_context.name, stream.format.name) == (codec, sample_format)


@pytest.mark.parametrize(
    ("song", "options", "codec", "sample_format"),
    [
        (Kind("wav", "wav", "pcm_s24le", "s32"), [], "pcm_s24le", "s32"),
        (Kind("wav", "wav", "pcm_s24le", "s32"), ["--format", "flac"], "flac", "s32"),
        (Kind("wav", "wav", "pcm_s24le", "s32"), ["--format", "mp3"], "mp3float", "fltp"),
        (Kind("wav", "wav", "pcm_s24le", "s32"), ["--int16"], "pcm_s16le", "s16"),
        (Kind("wav", "wav", "pcm_s24le", "s32"), ["--int16", "--format", "flac"], "flac", "s16"),
        (Kind("wav", "wav", "pcm_f32le", "flt"), [], "pcm_f32le", "flt"),
        (Kind("wav", "wav", "pcm_f32le", "flt"), ["--int24"], "pcm_s24le", "s32"),
        (Kind("wav", "wav", "pcm_f32le", "flt"), ["--format", "flac"], "flac", "s32"),
        (Kind("wav", "wav", "pcm_s32le", "s32"), [], "pcm_f32le", "flt"),
        (Kind("flac", "flac", "flac", "s32"), [], "pcm_s24le", "s32"),
        (Kind("aiff", "aiff", "pcm_s24be", "s32"), [], "pcm_s24le", "s32"),
        (Kind("m4a", "ipod", "alac", "s32p"), ["--format", "flac"], "flac", "s32"),
        (Kind("mp3", "mp3", "libmp3lame", "fltp"), [], "pcm_s16le", "s16"),
    ],
    ids=str,
)
def test_stems_are_as_deep_as_the_song_unless_told_otherwise(
    song: Kind, options: list[str], codec: str, sample_format: str, separate: Separate, tmp_path: Path
) -> None:
    write_kind(tmp_path / f"song.{song.ending}", noise(2, 9000, 1), 44100, song)
    assert separate(f"song.{song.ending}", *options) == 0
    for path in (tmp_path / "separated" / "song").glob("[!.]*"):
        with av.open(str(path)) as file:
            (stream,) = file.streams.audio
            assert (stream.codec_context.name, stream.format.name) == (codec, sample_format)


@pytest.mark.parametrize("format", ["mp3", "m4a", "opus"])
def test_stems_have_the_chosen_bit_rate(format: str, separate: Separate, tmp_path: Path) -> None:
    write(tmp_path / "song.wav", np.tile(noise(2, 44100, 1), 2))  # noise needs every bit
    for kilobits in (96, 192):
        assert separate("song.wav", "-o", str(kilobits), "--format", format, "--bitrate", f"{kilobits}k") == 0
        with av.open(str(tmp_path / str(kilobits) / "song" / f"no_vocals.{format}")) as file:
            assert file.bit_rate == pytest.approx(kilobits * 1000, rel=0.15)


@pytest.mark.parametrize("format", ["wav", "flac", "mp3", "m4a", "opus"])
def test_stems_have_the_tags_and_the_cover_of_the_song(
    format: str, separate: Separate, tmp_path: Path
) -> None:
    tags = tags_of({"title": "Пісня", "artist": "A; B", "date": "2020"}, png())
    with Encoder(
        tmp_path / "song.flac",
        sample_rate=44100,
        channels=2,
        format="flac",
        tags=tags,
    ) as file:
        file.write(noise(2, 44100, 1))
    assert separate("song.flac", "--format", format) == 0
    for path in (tmp_path / "separated" / "song").glob("[!.]*"):
        stem = probe(path).tags
        assert (stem.texts, stem.pictures) == (tags.texts, tags.pictures)
