"""`unbraid evaluate`: scores as a table and as JSON, and exit codes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unbraid.audio.encode import Encoder
from unbraid.cli.main import main
from unbraid.models import Model, load_model_folder

NAMES = ("drums", "bass", "other", "vocals")
STEMS = {
    name: (0.1 * np.random.default_rng(seed).standard_normal((2, 44100))).astype(np.float32)
    for seed, name in enumerate(NAMES)
}
MIXTURE = np.sum(list(STEMS.values()), axis=0)


def write(folder: Path, gain: float = 1.0, silent: str | None = None) -> Path:
    """Write the stems times `gain` into `folder`; the stem `silent` is silent."""
    folder.mkdir(parents=True)
    for name, stem in STEMS.items():
        with Encoder(folder / f"{name}.wav", sample_rate=44100, channels=2, subtype="float") as file:
            file.write(stem * np.float32(0 if name == silent else gain))
    return folder


def test_scores_the_estimate_and_the_baselines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference, estimate = write(tmp_path / "true"), write(tmp_path / "mine", gain=0.9)
    arguments = ["--reference", str(reference), "--estimate", str(estimate), "--baselines", "--json"]
    assert main(["evaluate", *arguments]) == 0
    output = capsys.readouterr()
    (song,) = json.loads(output.out)["songs"]
    assert output.err == ""
    assert (song["song"], song["duration_s"], song["errors"]) == ("true", 1.0, [])
    assert list(song["scores"]) == ["estimate", "mixture", "centre", "repetition", "percussion"]
    assert song["scores"]["estimate"]["mean_sdr"] == pytest.approx(
        20, abs=1e-3
    )  # the error is a tenth of the stem
    for name, stem in STEMS.items():
        assert song["scores"]["estimate"]["stems"][name]["sdr"] == pytest.approx(20, abs=1e-3)
        of_mixture = 10 * math.log10(np.sum(stem**2) / np.sum((MIXTURE - stem) ** 2))
        assert song["scores"]["mixture"]["stems"][name]["sdr"] == pytest.approx(of_mixture, abs=1e-3)


def test_scores_a_model_under_its_name(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--reference", str(write(tmp_path / "true")), "-m", str(model_folder)]) == 0
    heading, names, scores = capsys.readouterr().out.splitlines()
    assert heading == "SDR in dB over the whole song (Music Demixing Challenge): true (1.0 s)"
    assert names.split() == [*NAMES, "no_vocals", "mean"]
    expected = [
        10 * math.log10(np.sum(stem**2) / np.sum((stem - gain * MIXTURE) ** 2))
        for stem, gain in zip(STEMS.values(), (0.4, 0.3, 0.2, 0.1), strict=True)
    ]
    assert scores.split()[0] == "known"
    assert [float(cell) for cell in scores.split()[1:5]] == pytest.approx(expected, abs=0.05)
    assert float(scores.split()[-1]) == pytest.approx(np.mean(expected), abs=0.05)


def test_prints_the_model_that_auto_chose(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def find(
        name: str, *, progress: Callable[[int, int], None], notice: Callable[[str], None], **_: Any
    ) -> Model:
        progress(0, 10**6)
        notice("using another")
        return load_model_folder(model_folder)

    monkeypatch.setattr("unbraid.separation.separator.find_model", find)
    assert main(["evaluate", "--reference", str(write(tmp_path / "true")), "-m", "auto"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "model: downloading 1.0 MB",
        "unbraid: using another",
    ]


def test_the_table_has_contenders_stems_and_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference, estimate = write(tmp_path / "true", silent="vocals"), write(tmp_path / "mine", gain=0.5)
    assert main(["evaluate", "--reference", str(reference), "--estimate", str(estimate)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == [*NAMES, "no_vocals", "mean"]
    assert lines[2].split() == ["estimate", "6.02", "6.02", "6.02", "silent", "6.02", "6.02"]
    assert "level of the estimate" in lines[4]


def test_names_the_song_that_cannot_be_scored_and_exits_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for song in ("a", "b\x1b[31m"):
        write(tmp_path / "true" / song)
    write(tmp_path / "mine" / "a", gain=0.5)
    arguments = ["--reference", str(tmp_path / "true"), "--estimate", str(tmp_path / "mine")]
    assert main(["evaluate", *arguments, "--json"]) == 1
    output = capsys.readouterr()
    first, second, reason = output.err.splitlines()
    assert (first, second) == ("unbraid: a (1 of 2)", "unbraid: b\\x1b[31m (2 of 2)")
    assert "has no b\\x1b[31m" in reason
    summary = json.loads(output.out)["summary"]["estimate"]
    assert summary["songs"] == 1
    assert summary["mean"] == pytest.approx(20 * math.log10(2), abs=1e-3)


def test_nothing_to_score_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--reference", str(tmp_path)]) == 2
    assert "--estimate" in capsys.readouterr().err
