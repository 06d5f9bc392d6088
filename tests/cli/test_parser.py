"""The command line as a whole: fast to start, documented, and consistent with the engine."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import unbraid
from unbraid.audio.formats import SONG_FORMATS
from unbraid.cli.completion import SHELLS
from unbraid.cli.main import build_parser, main
from unbraid.separation.runtimes.choose import DEVICES
from unbraid.separation.stems import CLIP_MODES

MANUAL = Path(__file__).parents[2] / "docs" / "cli.md"


def commands(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield the parser and every command and subcommand, with their full names."""
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, command in action.choices.items():
                yield from commands(command, f"{name} {word}")


COMMANDS = dict(commands(build_parser(), "unbraid"))


def section(command: str) -> str:
    """Return the section of the manual about `command`."""
    match = re.search(
        rf"^## `{command}`$(.*?)(?=^## |\Z)", MANUAL.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert match, f"docs/cli.md has no heading for {command}"
    return match.group(1)


@pytest.mark.parametrize("command", [name for name in COMMANDS if name.count(" ") == 1])
def test_the_manual_has_every_option(command: str) -> None:
    text = section(command)
    for name, parser in COMMANDS.items():
        if name == command or name.startswith(f"{command} "):
            for action in parser._actions:
                if isinstance(action, argparse._SubParsersAction):
                    continue
                for option in action.option_strings or [str(action.metavar or action.dest)]:
                    if option not in ("-h", "--help", "==SUPPRESS=="):
                        assert re.search(rf"`[^`]*(?<![\w-]){re.escape(option)}(?![\w-])[^`]*`", text), option


@pytest.mark.parametrize("command", [name for name in COMMANDS if name.count(" ") == 1])
def test_the_manual_has_no_removed_option(command: str) -> None:
    known = {
        option
        for name, parser in COMMANDS.items()
        if name.startswith(command)
        for action in parser._actions
        for option in action.option_strings
    }
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", section(command))) <= known


def test_choices_match_the_engine() -> None:
    actions = {action.dest: action for action in COMMANDS["unbraid separate"]._actions}
    assert tuple(actions["format"].choices or ()) == SONG_FORMATS
    assert tuple(actions["clip_mode"].choices or ()) == CLIP_MODES
    assert actions["device"].metavar == "|".join(DEVICES)


def test_building_the_parser_imports_nothing_heavy() -> None:
    program = (
        "import sys; from unbraid.cli.main import build_parser; build_parser();"
        "heavy = {'numpy', 'av', 'soxr', 'openvino', 'shtab', 'torch', 'scipy'};"
        "heavy |= {'fastapi', 'uvicorn', 'sqlalchemy', 'pydantic', 'jwt', 'starlette'};"
        "print(*heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_prints_the_version_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"unbraid {unbraid.__version__}\n"


def test_without_a_command_prints_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_scripts_contain_commands_and_options(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("separate", "evaluate", "--clip-mode", "rescale", "--audio-stream"):
        assert word in script
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed, so its syntax check can't run")
    subprocess.run([program, "-n"], input=script, text=True, check=True)
