"""`unbraid completion`: a script that teaches a shell to complete Unbraid's commands and options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any

SHELLS = ("bash", "zsh")
FILES, FOLDERS = ("SONG", "MODEL"), ("OUT", "DIR")


def add_parser(commands: argparse._SubParsersAction[Any], whole: argparse.ArgumentParser) -> None:
    """Declare the command; `whole` is the parser that is to be completed."""
    parser = commands.add_parser(
        "completion",
        help="print a completion script for a shell",
        description="Prints a script to be read by the shell at its start; docs/cli.md says how.",
        allow_abbrev=False,
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(run=run, whole=whole)


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    import shtab

    for action in _actions(arguments.whole):
        if action.metavar in FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # where shtab looks for it
        elif action.metavar in FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    sys.stdout.write(shtab.complete(arguments.whole, arguments.shell) + "\n")
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
