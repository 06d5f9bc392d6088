"""Broken and unusual songs on the command line: one message each, the right exit code, the other songs done."""

from __future__ import annotations

import contextlib
import io
import json
import os
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.audio.sounds import Kind, Sound, noise, write
from tests.broken_files import RATE, BrokenFile, make_corpus
from tests.conftest import WriteWave

from unbraid.audio.decode import Decoder
from unbraid.cli.main import main

FLOAT_WAV = Kind("wav", "wav", "pcm_f32le", "flt")
ADVICE = (
    "Check",
    "Copy",
    "Try",
    "Choose",
    "Name",
    "Give",
    "Save",
)  # every error message contains one of these


class Output:
    """Exit code, messages, JSON reports and output folder of one call."""

    def __init__(self, code: int, out: str, err: str, folder: Path) -> None:
        self.code, self.folder = code, folder
        self.lines = err.splitlines()
        self.reports: dict[str, dict[str, Any]] = {}
        for line in out.splitlines():
            report = json.loads(line)
            self.reports[report["input"]] = report

    def about(self, song: str | Path) -> list[str]:
        """Return the lines of standard error about `song`."""
        return [line for line in self.lines if line.startswith(f"unbraid: {song}: ")]

    def stems(self, song: str | Path) -> dict[str, Sound]:
        """Read the stems of `song`."""
        return {stem: read(Path(path)) for stem, path in self.reports[str(song)]["files"].items()}


Separate = Callable[..., Output]


@pytest.fixture
def separate(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Separate:
    """Separate into `tmp_path / "out"` with the known model, whose vocals are a tenth of the song."""

    def run(*arguments: str | Path) -> Output:
        command = ["separate", "-m", str(model_folder), "-o", str(tmp_path / "out"), "--json"]
        code = main([*command, *map(str, arguments)])
        return Output(code, *capsys.readouterr(), tmp_path / "out")

    return run


def read(path: Path) -> Sound:
    with Decoder(path) as decoder:
        return np.concatenate(list(decoder), axis=1)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[BrokenFile]:
    # The command searches folders; in Python they are an error.
    files = make_corpus(tmp_path_factory.mktemp("corpus") / "songs")
    return [broken for broken in files if not broken.path.is_dir()]


@pytest.fixture(scope="module")
def corpus_output(
    corpus: list[BrokenFile], model_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Output:
    """The whole corpus separated in one call."""
    out = tmp_path_factory.mktemp("all") / "out"
    stdout, stderr = io.StringIO(), io.StringIO()
    songs = [str(broken.path) for broken in corpus]
    options = ["-m", str(model_folder), "-o", str(out), "--json", "--float32", "--clip-mode", "none"]
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        code = main(["separate", *songs, *options])
    return Output(code, stdout.getvalue(), stderr.getvalue(), out)


def test_the_exit_code_says_that_some_songs_failed(corpus_output: Output, corpus: list[BrokenFile]) -> None:
    assert corpus_output.code == 1
    assert len(corpus_output.reports) == len(corpus)


def test_every_error_is_one_line_with_the_problem_and_advice(
    corpus_output: Output, corpus: list[BrokenFile]
) -> None:
    rejected = [broken for broken in corpus if broken.error]
    assert len(rejected) >= 10
    for broken in rejected:
        (line,) = corpus_output.about(broken.path)
        assert broken.error is not None
        assert broken.error in line
        assert any(f" {word} " in line for word in ADVICE), line
        assert "warning" not in line
        report = corpus_output.reports[str(broken.path)]
        assert (report["status"], report["files"]) == ("failed", {})
        assert broken.error in report["error"]


def test_the_other_songs_have_stems_of_full_length_without_nan(
    corpus_output: Output, corpus: list[BrokenFile]
) -> None:
    for broken in corpus:
        if broken.error:
            continue
        assert corpus_output.reports[str(broken.path)]["status"] == "done", broken.path
        vocals, rest = corpus_output.stems(broken.path).values()
        assert np.isfinite(vocals).all()
        assert np.isfinite(rest).all()
        assert vocals.shape == rest.shape == read(broken.path).shape
        if broken.samples:
            lowest, highest = broken.samples
            assert lowest <= vocals.shape[1] <= highest


def test_only_repaired_songs_have_a_warning(corpus_output: Output, corpus: list[BrokenFile]) -> None:
    for broken in corpus:
        if broken.warning:
            (line,) = corpus_output.about(broken.path)
            assert line.startswith(f"unbraid: {broken.path}: warning: ")
            assert broken.warning in line
        elif not broken.error:
            assert corpus_output.about(broken.path) == []


def test_vocals_and_the_rest_add_up_to_the_song(corpus_output: Output, corpus: list[BrokenFile]) -> None:
    """The corpus includes a DC offset, silence, and replaced broken samples."""
    for broken in corpus:
        if broken.error:
            continue
        vocals, rest = corpus_output.stems(broken.path).values()
        assert np.abs(vocals + rest - read(broken.path)).max() < 1e-6, broken.path


def test_leaves_only_stems(corpus_output: Output, corpus: list[BrokenFile]) -> None:
    done = [broken for broken in corpus if not broken.error]
    folders = list(corpus_output.folder.iterdir())
    assert len(folders) == len(done)
    for folder in folders:
        names = sorted(path.name for path in folder.iterdir())
        assert names == [".unbraid.json", "no_vocals.wav", "vocals.wav"]


@pytest.mark.parametrize("level", [0.0, 1e-30], ids=["digital", "denormal"])
def test_silence_gives_silent_stems(separate: Separate, tmp_path: Path, level: float) -> None:
    song = write(tmp_path / "silence.wav", np.full((2, 20_000), level, np.float32), RATE, FLOAT_WAV)
    output = separate(song, "--stems", "all", "--float32")
    assert output.code == 0
    for stem in output.stems(song).values():
        assert np.abs(stem).max() <= 1e-7


def test_nan_and_infinity_become_silence_with_a_warning(separate: Separate, tmp_path: Path) -> None:
    sound = np.full((2, 5_000), np.nan, np.float32)
    sound[:, ::2] = -np.inf
    song = write(tmp_path / "nan.wav", sound, RATE, FLOAT_WAV)
    output = separate(song, "--float32")
    assert output.code == 0
    (line,) = output.about(song)
    assert "10000 samples that are not numbers" in line
    for stem in output.stems(song).values():
        assert not stem.any()


def test_ten_samples_stay_ten_in_every_format(separate: Separate, tmp_path: Path) -> None:
    song = write(tmp_path / "ten.wav", noise(10, 2), RATE, FLOAT_WAV)
    for format in ("wav", "flac", "mp3"):
        output = separate(song, "--format", format)
        assert output.code == 0
        assert {stem.shape for stem in output.stems(song).values()} == {(2, 10)}


def test_a_dc_offset_stays_in_the_sum(separate: Separate, tmp_path: Path) -> None:
    sound = 0.1 * noise(30_000, 2) + np.float32(0.3)
    song = write(tmp_path / "dc.wav", sound, RATE, FLOAT_WAV)
    vocals, rest = separate(song, "--float32").stems(song).values()
    assert float(np.mean(vocals + rest)) == pytest.approx(float(sound.mean()), abs=1e-5)
    assert np.abs(vocals + rest - sound).max() < 1e-5


def test_mono_stays_mono_and_eight_channels_become_two(
    corpus_output: Output, corpus: list[BrokenFile]
) -> None:
    channels = {
        path.name: corpus_output.stems(path)["vocals"].shape[0]
        for path in (broken.path for broken in corpus)
        if path.name in ("one-channel.wav", "eight-channels.wav")
    }
    assert channels == {"one-channel.wav": 1, "eight-channels.wav": 2}


def test_songs_with_the_same_name_get_separate_folders(
    separate: Separate, write_wave: WriteWave, tmp_path: Path
) -> None:
    songs = [write_wave(tmp_path / folder / "Song.wav", seconds=s) for folder, s in (("a", 0.1), ("b", 0.2))]
    songs.append(write_wave(tmp_path / "c" / "song.flac.wav", seconds=0.3))
    output = separate(*songs, songs[0])
    assert output.code == 0
    assert sorted(path.name for path in output.folder.iterdir()) == [
        "Song",
        "Song (2)",
        "Song (3)",
        "song.flac",
    ]
    assert {output.stems(song)["vocals"].shape[1] for song in songs} == {4410, 8820, 13230}


def test_a_long_or_empty_name_is_one_line(separate: Separate, write_wave: WriteWave, tmp_path: Path) -> None:
    good = write_wave(tmp_path / "good.wav", seconds=0.1)
    output = separate("x" * 300 + ".mp3", "", good)
    assert output.code == 1
    (long,) = output.about("x" * 300 + ".mp3")
    assert "too long" in long
    (empty,) = output.about("''")
    assert "no name" in empty
    assert output.reports[str(good)]["status"] == "done"


def test_separates_a_file_whose_name_is_not_valid_text(
    separate: Separate, write_wave: WriteWave, tmp_path: Path
) -> None:
    song = tmp_path / os.fsdecode(b"caf\xe9.wav")  # Latin-1, as on old disks
    try:
        write_wave(song, seconds=0.1)
    except OSError:
        pytest.skip("this file system accepts only valid text as names")
    assert separate(song).code == 0
    with wave.open(str(tmp_path / "out" / os.fsdecode(b"caf\xe9") / "vocals.wav")) as file:
        assert file.getnframes() == 4410
