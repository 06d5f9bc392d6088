"""The command `unbraid`: the parser, and how any command ends."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
from collections.abc import Sequence

from unbraid import __version__
from unbraid.cli import completion, demucs, deploy, evaluate, models, separate, serve
from unbraid.cli.messages import say
from unbraid.errors import UnbraidError, exit_code


def build_parser() -> argparse.ArgumentParser:
    """The whole command line. Each command sets `run`, which takes the arguments and gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="unbraid",
        description="Takes songs apart: vocals and accompaniment, or drums, bass, other and vocals.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"unbraid {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    separate.add_parser(commands)
    demucs.add_parser(commands)
    models.add_parser(commands)
    evaluate.add_parser(commands)
    serve.add_parser(commands)
    deploy.add_parser(commands)
    completion.add_parser(commands, parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code; usage errors and --help leave by SystemExit, as argparse does."""
    # Standard error spells out what it can't encode; standard output should not fail on it either.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        parsed = build_parser().parse_args(arguments)
        code: int = parsed.run(parsed)
        sys.stdout.flush()
        return code
    except UnbraidError as error:
        say(error.message)
        return exit_code(error)
    except KeyboardInterrupt:
        say("stopped")
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader of our output is gone (`unbraid models | head -1`); what is left in the buffers goes nowhere.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
        return 128 + signal.SIGPIPE
