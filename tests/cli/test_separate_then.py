"""`unbraid separate --then`: a second model on one stem."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import Separate, stems_in
from tests.cli.test_separate_video import video
from tests.conftest import WriteWave
from tests.separation.conftest import read
from tests.separation.known_models import spectral_model


@pytest.fixture(scope="module")
def duo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with the stems lead and backing, which add up to the song."""
    folder = tmp_path_factory.mktemp("models") / "duo"
    return spectral_model(folder, (0.25, 0.75), ("lead", "backing"), normalise=False, name="duo")


def test_writes_the_parts_beside_their_stem_and_reports_them(
    separate: Separate, duo: Path, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = write_wave(tmp_path / "song.wav", seconds=0.5)
    assert separate(song, "--then", f"vocals:{duo}", "--then", f"no_vocals:{duo}", "--json") == 0
    names = ["no_vocals", "no_vocals.backing", "no_vocals.lead", "vocals", "vocals.backing", "vocals.lead"]
    assert stems_in(tmp_path / "separated" / "song") == sorted(f"{name}.wav" for name in names)
    report = json.loads(capsys.readouterr().out)
    assert report["files"]["vocals.lead"] == "separated/song/vocals.lead.wav"
    assert sorted(report["files"]) == names
    assert report["then"] == {stem: {"model": "duo", "gain": 1.0} for stem in ("vocals", "no_vocals")}


def test_a_chain_equals_two_commands(
    separate: Separate, model_folder: Path, write_wave: WriteWave, tmp_path: Path
) -> None:
    song = write_wave(tmp_path / "song.wav", seconds=0.5)
    options = ("--stems", "drums", "--format", "flac", "--int24")
    assert separate(song, *options, "--then", f"no_drums:{model_folder}") == 0
    stem = tmp_path / "separated" / "song" / "no_drums.flac"
    assert separate(stem, *options[2:], "--stems", "all", "-o", "second") == 0
    parts = sorted((tmp_path / "second" / "no_drums").glob("*.flac"))
    assert len(parts) == 4
    for part in parts:
        assert stem.with_name(f"no_drums.{part.name}").read_bytes() == part.read_bytes()


def test_the_video_keeps_the_accompaniment(separate: Separate, duo: Path, tmp_path: Path) -> None:
    clip = video(tmp_path)
    for out, then in (("plain", []), ("then", ["--then", f"no_vocals:{duo}"])):
        assert separate(clip, "--video", "-o", out, *then) == 0
    plain, then_too = (tmp_path / out / "video" / "no_vocals.mp4" for out in ("plain", "then"))
    np.testing.assert_array_equal(read(then_too), read(plain))
    assert (then_too.parent / "no_vocals.lead.wav").is_file()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            ["--then", "vocals:lite", "--then", "vocals:spleeter"],
            "--then vocals:lite: The stem vocals has two second models. Choose one.",
        ),
        (["--then", "drums:lite"], "--then drums:lite: The stem drums isn't written."),
        (["--then", "horn:lite"], "--then horn:lite: There is no stem 'horn' in this model."),
    ],
)
def test_errors_name_the_option(
    separate: Separate,
    write_wave: WriteWave,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    line: str,
) -> None:
    song = write_wave(tmp_path / "song.wav", seconds=0.1)
    assert separate(song, *options) == 2
    assert line in capsys.readouterr().err
    assert not (tmp_path / "separated").exists()


@pytest.mark.parametrize("value", ["vocals", ":lite", "vocals:"])
def test_the_option_needs_a_stem_and_a_model(
    separate: Separate, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        separate("song.wav", "--then", value)
    assert f"argument --then: invalid STEM:MODEL value: '{value}'" in capsys.readouterr().err


def test_an_unknown_second_model_is_an_error_of_the_option(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert separate(write_wave(tmp_path / "song.wav", seconds=0.1), "--then", "vocals:nothing") == 1
    assert "--then vocals:nothing: There is no model 'nothing'." in capsys.readouterr().err


def test_a_model_of_the_same_stem_alone_is_an_error_of_the_option(
    separate: Separate, write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = spectral_model(tmp_path / "same", (1.0,), ("vocals",), normalise=False, name="same")
    assert separate(write_wave(tmp_path / "song.wav", seconds=0.1), "--then", f"vocals:{same}") == 2
    line = f"--then vocals:{same}: same has only the stem vocals itself. Choose a model with other stems."
    assert line in capsys.readouterr().err
