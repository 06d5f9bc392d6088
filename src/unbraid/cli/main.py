"""The command `unbraid`: build the parser, run a command, map errors to exit codes."""

from __future__ import annotations

import argparse
import io
import signal
import sys
from collections.abc import Sequence

from unbraid import __version__
from unbraid.cli import (
    completion,
    demucs,
    deploy,
    evaluate,
    finetune,
    models,
    separate,
    serve,
    streams,
    worker,
)
from unbraid.cli.messages import message_of, say
from unbraid.errors import UnbraidError, exit_code


def build_parser() -> argparse.ArgumentParser:
    """Build the whole command line. Each command sets `run`, which takes the arguments and returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="unbraid",
        description="Separate songs into stems: vocals and accompaniment, or drums, bass, other and vocals.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"unbraid {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    separate.add_parser(commands)
    demucs.add_parser(commands)
    models.add_parser(commands)
    evaluate.add_parser(commands)
    finetune.add_parser(commands)
    serve.add_parser(commands)
    worker.add_parser(commands)
    deploy.add_parser(commands)
    completion.add_parser(commands, parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. Usage errors and --help raise SystemExit, as in argparse."""
    streams.open_missing()
    # Escape characters that standard output can't encode, as Python does on standard error.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            parser = build_parser()
            parsed, unknown = parser.parse_known_args(arguments)
            if unknown:
                hint = demucs.hint_for(unknown) if parsed.run is demucs.run else ""
                parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        except SystemExit:
            # argparse has written its text, but it may still be in the buffers.
            streams.write_message("")
            streams.write_result("")
            raise
        code: int = parsed.run(parsed)
        return code
    except UnbraidError as error:
        say(message_of(error))
        return exit_code(error)
    except KeyboardInterrupt:
        say("Stopped.")
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader of the output is gone (`unbraid models | head -1`). Discard the rest.
        for stream in (sys.stdout, sys.stderr):
            streams.discard(stream)
        return 128 + signal.SIGPIPE
