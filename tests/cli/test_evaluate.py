"""`unbraid evaluate` hands its options on, and says what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.conftest import WriteWave

from unbraid.cli.main import main


def test_a_perfect_estimate_and_the_baselines_are_scored(
    write_wave: WriteWave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for stem in ("drums", "bass", "other", "vocals"):
        write_wave(tmp_path / f"{stem}.wav", seconds=2.0)
    folder = str(tmp_path)
    assert main(["evaluate", "--reference", folder, "--estimate", folder, "--baselines", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_nothing_to_score_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--reference", str(tmp_path)]) == 2
    assert "--estimate" in capsys.readouterr().err
