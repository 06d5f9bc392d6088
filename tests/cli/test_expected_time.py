"""A long separation says before it starts how long it will take here, and which model is quicker."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.conftest import Separate
from tests.conftest import WriteWave
from tests.models.roformer_files import write_files
from tests.models.small_catalog import use_catalog

from unbraid.cli import expected_time
from unbraid.cli.expected_time import line
from unbraid.models import catalog, find_model
from unbraid.models.catalog import Speed
from unbraid.models.speed import speed_of
from unbraid.separation import Separator


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unbraid.models.speed.usable_cores", lambda: 2)


def pace(name: str) -> float:
    return catalog()[name].speed.one_stem


def test_says_the_time_and_a_quicker_model() -> None:
    name = "melband_roformer_kim"
    assert line(name, pace(name), 180, 1, "vocals") == (
        "melband_roformer_kim takes about 4 minutes for this song on this machine; mdx_voc_ft takes 41 seconds "
        "(-m mdx_voc_ft)."
    )
    assert line("bs_roformer_sw", 2.5, 7200, 3, "all") == (
        "bs_roformer_sw takes about 5 hours for these 3 songs on this machine; htdemucs takes 58 minutes "
        "(-m htdemucs)."
    )
    assert line("melband_denoise", 2.2, 240, 1, "all") == (
        "melband_denoise takes about 9 minutes for this song on this machine."
    )


def test_says_nothing_of_a_short_time() -> None:
    assert line("lite", pace("lite"), 240, 1, "vocals") is None
    assert line("htdemucs", pace("htdemucs"), 240, 1, "vocals") is None
    assert line("melband_roformer_kim", 2.2, 20, 1, "vocals") is None


def test_more_cores_are_quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unbraid.models.speed.usable_cores", lambda: 8)
    text = line("melband_roformer_kim", 2.2, 240, 1, "vocals")
    assert text is not None and "about 2 minutes" in text


def test_a_model_by_its_path_has_the_speed_of_its_family(
    tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    model = find_model(write_files(tmp_path / "mine"))
    assert speed_of(model) == catalog()["melband_roformer_kim"].speed
    assert speed_of(find_model("lite")) == catalog()["lite"].speed
    assert speed_of(find_model(model_folder)) is None  # of no family


def test_overlap_and_shifts_count(model_folder: Path) -> None:
    work = Separator(model_folder, overlap=0.5).work / Separator(model_folder, overlap=0.0).work
    assert work == pytest.approx(2)
    assert Separator(model_folder, shifts=3).work == pytest.approx(3)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """`lite` is said to take hours."""
    entries = {**catalog(), "lite": replace(catalog()["lite"], speed=Speed(5000, 5000))}
    use_catalog(entries, monkeypatch.setattr)
    monkeypatch.setattr("unbraid.models.speed.catalog", lambda: entries)


def test_separate_says_it_before_the_song(
    slow: None, separate: Separate, write_wave: WriteWave, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_wave(tmp_path / "song.wav", seconds=1)
    assert separate("song.wav", "-m", "lite", "--json") == 0
    output = capsys.readouterr()
    first, *others = output.err.splitlines()
    assert first.startswith("unbraid: lite takes about 83 minutes for this song on this machine; ")
    assert others  # progress
    assert json.loads(output.out)["status"] == "done"


def test_second_models_take_their_time_too(
    slow: None, separate: Separate, write_wave: WriteWave, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_wave(tmp_path / "song.wav", seconds=1)
    assert separate("song.wav", "-m", "lite", "--then", "no_vocals:lite") == 0
    first = capsys.readouterr().err.splitlines()[0]
    assert first == "unbraid: lite and lite take about 2.8 hours for this song on this machine."


def test_quiet_says_nothing(
    slow: None, separate: Separate, write_wave: WriteWave, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_wave(tmp_path / "song.wav", seconds=1)
    assert separate("song.wav", "-m", "lite", "-q") == 0
    assert capsys.readouterr().err == ""


def test_the_quicker_model_is_of_known_licence_and_for_the_same_purpose() -> None:
    for name, entry in catalog().items():
        for stems in ("vocals", "all"):
            quicker = expected_time.quicker_model(name, entry.speed.one_stem, stems)
            if quicker is not None:
                assert quicker.licence_known
                assert {*quicker.answers} & {*entry.answers} or not entry.answers
