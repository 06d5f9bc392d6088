"""`unbraid models`: what is there, how big, how good, whose."""

from __future__ import annotations

from pathlib import Path

import pytest

from unbraid.cli.main import main
from unbraid.models import catalog


@pytest.mark.parametrize("words", [[], ["list"]])
def test_the_table_has_size_score_licence_and_stems_of_every_model(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", *words]) == 0
    heading, *rows = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert heading.split() == ["MODEL", "HERE", "SIZE", "SDR", "LICENCE", "STEMS"]
    for row, entry in zip(rows, catalog().values(), strict=True):
        assert row.startswith(f"{entry.name} ")
        assert row.endswith(f"{entry.licence:8} {' '.join(entry.sources)}")
        assert len(row) <= 80
        assert (" yes " in row and " MB " in row) == entry.installed


def test_the_list_says_what_each_model_is_and_which_paper_it_follows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for entry in catalog().values():
        (line,) = (line for line in lines if line.startswith(f"{entry.name} ") and entry.summary in line)
        assert line.endswith(f" ({entry.paper})" if entry.paper else entry.summary)


def test_the_folder_of_a_model_is_a_line_a_script_can_read(
    model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "path", str(model_folder)]) == 0
    assert capsys.readouterr().out == f"{model_folder}\n"


def test_pull_checks_a_model_that_is_here(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", str(model_folder)]) == 0
    assert capsys.readouterr().out.endswith(f" is here: {model_folder}\n")


@pytest.mark.parametrize("word", ["path", "pull"])
def test_a_model_that_is_not_here_is_an_error(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", word, "htdemucs"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("unbraid: ")
    assert "htdemucs" in output.err
