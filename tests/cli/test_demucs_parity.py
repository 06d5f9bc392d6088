"""`unbraid demucs` compared with demucs: the same model, options and songs give the same files."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import demucs.api
import demucs.separate
import numpy as np
import pytest
from tests.demucs.peer import Loudness
from tests.separation.conftest import level_db, noise, read
from tests.separation.known_models import loudness_model

from unbraid.audio.encode import Encoder
from unbraid.cli.main import main

# Some stems exceed full scale: `loudness_model` multiplies the song by its mean magnitude.
SONG_PEAK = 3.0
INTEGER_ERROR = 2  # steps: demucs truncates, we round


@dataclass(frozen=True)
class Kind:
    """Format of an audio file."""

    codec: str
    sample_format: str
    sample_rate: int
    channels: int

    @classmethod
    def of(cls, path: Path) -> Kind:
        with av.open(str(path)) as container:
            (stream,) = container.streams.audio
            return cls(stream.codec_context.name, stream.format.name, stream.rate, stream.channels)


def files(folder: Path) -> dict[str, Path]:
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


Both = Callable[..., "tuple[Mapping[str, Path], Mapping[str, Path]]"]


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Both:
    """Runs both commands with the same options; returns their files by path below the model's folder."""
    monkeypatch.setattr(demucs.api, "get_model", lambda name, repo=None: Loudness())
    model = loudness_model(tmp_path / "models" / "loudness", fixed_length=False)
    monkeypatch.chdir(tmp_path)

    def run(*options: Any) -> tuple[Mapping[str, Path], Mapping[str, Path]]:
        arguments = [str(option) for option in options]
        random.seed(0)  # the seed of the shifts
        demucs.separate.main(["-n", "loudness", "-o", "theirs", "-d", "cpu", *arguments])
        assert main(["demucs", "-n", str(model), "-o", "ours", "-d", "cpu", *arguments]) == 0
        return files(tmp_path / "ours" / "loudness"), files(tmp_path / "theirs" / "loudness")

    return run


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """Noise of changing loudness, several segments long."""
    return write(tmp_path / "a song.wav", 44100, 2, 20001)


def write(path: Path, sample_rate: int, channels: int, samples: int) -> Path:
    swell = np.linspace(0.1, 1, samples, dtype=np.float32) ** 2
    path.parent.mkdir(exist_ok=True)
    with Encoder(path, sample_rate=sample_rate, channels=channels, subtype="float") as file:
        file.write(noise(channels, samples, peak=SONG_PEAK) * swell)
    return path


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--shifts", "0"],
        ["--shifts", "3"],
        ["--overlap", "0.6"],
        ["--jobs", "2"],
        ["--clip-mode", "clamp"],
        ["--two-stems", "vocals"],
        ["--two-stems=drums", "--other-method", "minus"],
        ["--two-stems=drums", "--other-method", "none"],
        ["--filename", "{stem}/x-{track}.{trackext}"],
    ],
    ids=" ".join,
)
def test_float_stems_agree_to_80_db(options: list[str], both: Both, song: Path) -> None:
    ours, theirs = both("--float32", *options, song)
    assert ours.keys() == theirs.keys()
    for name, path in theirs.items():
        assert Kind.of(ours[name]) == Kind.of(path)
        expected = read(path)
        assert level_db(read(ours[name]) - expected, expected) < -80


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--int24"],
        ["--int24", "--clip-mode", "clamp"],
        ["--clip-mode", "none"],
        ["--flac"],
        ["--flac", "--int24"],
    ],
    ids=" ".join,
)
def test_integer_stems_agree_to_a_step_or_two(options: list[str], both: Both, song: Path) -> None:
    ours, theirs = both(*options, song)
    assert ours.keys() == theirs.keys()
    bits = 24 if "--int24" in options else 16
    for name, path in theirs.items():
        assert Kind.of(ours[name]) == Kind.of(path)
        # The float32 results differ by about a step of 24 bits.
        assert np.abs(read(ours[name]) - read(path)).max() * 2 ** (bits - 1) <= (
            INTEGER_ERROR if bits == 16 else 16
        )


@pytest.mark.parametrize(
    "options",
    [
        ["--mp3"],
        ["--mp3", "--mp3-bitrate", "128", "--mp3-preset", "7"],
        ["--mp3", "--float32"],
        ["--flac", "--float32"],
    ],
    ids=" ".join,
)
def test_formats_and_bit_rates_agree(options: list[str], both: Both, song: Path) -> None:
    ours, theirs = both(*options, song)
    assert ours.keys() == theirs.keys()
    for name, path in theirs.items():
        assert Kind.of(ours[name]) == Kind.of(path)
        with av.open(str(ours[name])) as our_file, av.open(str(path)) as their_file:
            if "--mp3" in options:
                assert our_file.streams.audio[0].bit_rate == their_file.streams.audio[0].bit_rate


@pytest.mark.parametrize(("sample_rate", "channels"), [(48000, 1), (22050, 2), (44100, 1), (32000, 2)])
def test_stems_are_stereo_at_the_rate_of_the_model(
    sample_rate: int, channels: int, both: Both, tmp_path: Path
) -> None:
    song = write(tmp_path / "song.wav", sample_rate, channels, 10007)
    ours, theirs = both("--float32", song)
    assert ours.keys() == theirs.keys()
    for name, path in theirs.items():
        assert Kind.of(ours[name]) == Kind.of(path)
        assert (
            abs(read(ours[name]).shape[1] - read(path).shape[1]) <= 1
        )  # demucs rounds the length down, we to the nearest


def test_songs_get_folders_of_the_same_names(both: Both, tmp_path: Path) -> None:
    names = ("plain.wav", "two.dots.wav", "with space .wav", "ünï.wav", "UPPER.WAV")
    songs = [write(tmp_path / "in" / name, 44100, 2, 500) for name in names]
    ours, theirs = both(*songs)
    assert ours.keys() == theirs.keys()
    assert len(ours) == 4 * len(songs)


@pytest.mark.parametrize(
    "template",
    [
        "{track}_{stem}.{ext}",
        "{stem}.{ext}",
        "{trackext}/{track}/{stem}.flac",
        "a/b/{stem}-{track}.x.MP3",
        "../{stem}.wav",
    ],
)
def test_templates_name_the_same_files(template: str, both: Both, song: Path, tmp_path: Path) -> None:
    both("--filename", template, song)
    ours, theirs = files(tmp_path / "ours"), files(tmp_path / "theirs")
    assert ours.keys() == theirs.keys()
    assert [Kind.of(ours[name]) for name in ours] == [Kind.of(theirs[name]) for name in ours]
