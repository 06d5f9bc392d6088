"""`unbraid completion`: print a completion script for bash or zsh."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from unbraid.cli.streams import write_result

SHELLS = ("bash", "zsh")
FILES, FOLDERS = ("SONG", "MODEL", "FILE"), ("OUT", "DIR")


def add_parser(commands: argparse._SubParsersAction[Any], root: argparse.ArgumentParser) -> None:
    """Declare the command. `root` is the parser of the whole command line, which the script completes."""
    parser = commands.add_parser(
        "completion",
        help="print a completion script for a shell",
        description="Print a script that lets the shell complete commands, options and file names. docs/cli.md says "
        "where to put it.",
        allow_abbrev=False,
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(run=run, root=root)


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    import shtab

    for action in _actions(arguments.root):
        if action.metavar in FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab reads it
        elif action.metavar in FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    write_result(shtab.complete(arguments.root, arguments.shell) + "\n")
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
