"""The report of a run has a row for each song, and its totals add up."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from unbraid.cluster.report import ReportFile, Totals
from unbraid.cluster.song_worker import DONE, FAILED, SKIPPED, Outcome
from unbraid.errors import SettingError

OUTCOMES = [
    Outcome("a, b.wav", DONE, "a, b", duration_s=1800.0, seconds=60.0, warnings=("low", "short")),
    Outcome('c "d".wav', FAILED, error='c "d".wav is empty.'),
    Outcome("e.wav", SKIPPED, "e", duration_s=100.0),
]


def write(path: Path) -> Totals:
    report, totals = ReportFile(path), Totals(4)
    for outcome in OUTCOMES:
        report.add(outcome)
        totals.add(outcome)
    report.end(totals)
    return totals


def test_json_has_all_songs_and_the_totals(tmp_path: Path) -> None:
    totals = write(tmp_path / "new/report.json")
    content = json.loads((tmp_path / "new/report.json").read_text())
    assert [Outcome(**{**row, "warnings": tuple(row["warnings"])}) for row in content["songs"]] == OUTCOMES
    expected = {"songs": 4, "done": 1, "skipped": 1, "not_audio": 0, "failed": 1, "hours_of_music": 0.5}
    assert expected.items() <= content["totals"].items()
    # Two songs took the time so far, and one is left.
    assert totals.left_s == pytest.approx(totals.elapsed_s / 2, rel=0.2)


def test_csv_has_a_row_for_each_song(tmp_path: Path) -> None:
    write(tmp_path / "report.csv")
    with (tmp_path / "report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["song"] for row in rows] == [one.song for one in OUTCOMES]
    assert rows[0]["warnings"] == "low short"
    assert rows[1]["error"] == OUTCOMES[1].error


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"\*\.json or \*\.csv"):
        ReportFile(tmp_path / "report.xls")
