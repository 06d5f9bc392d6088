"""`unbraid models`: a table for each purpose."""

from __future__ import annotations

import re

import pytest

from unbraid.cli import questions as shown
from unbraid.cli.main import main
from unbraid.cores import usable_cores
from unbraid.models import catalog
from unbraid.models.questions import questions
from unbraid.models.speed import seconds_per_second


@pytest.fixture
def text(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The output on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["models"]) == 0
    return capsys.readouterr().out


def test_fits_80_columns(text: str) -> None:
    assert max(map(len, text.splitlines())) <= 80


def test_has_a_table_for_each_purpose_with_score_time_size_and_licence(text: str) -> None:
    for word, question in questions().items():
        if not question.ranking:
            assert f"{word}:" not in text
            continue
        table = text[text.index(f"\n{word}: {question.text}\n") :].split("\n\n")[0]
        for entry in question.ranking:
            (row,) = re.findall(rf"^  {entry.name} .*$", table, re.MULTILINE)
            score = question.score(entry)
            assert (f" {score:.1f} " if score else " - ") in row
            seconds = shown.SONG_S * seconds_per_second(entry, question.all_stems)
            assert f" {shown.short_time(seconds)} " in row
            assert row.split()[-1].rstrip("*") == entry.licence.split(",")[0]
            size = f"{entry.download_size / 1e6:.0f} MB" if entry.download_size else "bundled"
            assert f" {size} " in row


def test_says_what_scores_rest_on_and_whose_machine_it_is(text: str) -> None:
    flat = " ".join(text.split())
    assert "dB [1]: signal-to-distortion ratio of the vocals" in flat
    assert "models-scores.json of audio-separator" in flat
    assert "as listed by Music-Source-Separation-Training" in flat
    assert flat.count("Compare it only within its table.") == 2
    assert flat.count("No public source compares these models for this purpose.") == 4
    assert f"on this machine (cores: {usable_cores()})" in flat


def test_times_are_scaled_to_the_cores(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("unbraid.models.speed.usable_cores", lambda: 8)
    assert main(["models"]) == 0
    (row,) = re.findall(r"^  melband_denoise .*$", capsys.readouterr().out, re.MULTILINE)
    minutes = 240 * catalog()["melband_denoise"].speed.all_stems / 4 / 60
    assert f" {minutes:.0f} min " in row
