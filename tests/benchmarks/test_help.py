"""Every benchmark starts and describes itself, so that none rots unnoticed between its runs."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from tests.benchmarks.conftest import FOLDER

COMMANDS = [path for path in sorted(FOLDER.glob("*.py")) if "__main__" in path.read_text("utf-8")]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda path: path.stem)
def test_help_names_the_command(
    command: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [str(command), "--help"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(command), run_name="__main__")
    assert not stopped.value.code
    help_text = capsys.readouterr().out
    assert help_text.startswith("usage: ")
    assert f"python benchmarks/{command.name}" in help_text
