"""`unbraid serve`: the web app on this machine."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path
from typing import Any

from unbraid.cli.messages import say
from unbraid.cli.stopping import stop_on_signals
from unbraid.cli.streams import StandardOutputError, write_result


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "serve",
        help="open the web app on this machine",
        description="Start the web app: drop songs, follow their progress, play, mix and download the stems.",
        epilog="Environment variables or a .env file can set these options and more: see docs/settings.md.",
        allow_abbrev=False,
    )
    # No defaults here: the environment may set the options that are absent.
    parser.add_argument(
        "--host", metavar="ADDRESS", help="address to listen on (default: 127.0.0.1, only this machine)"
    )
    parser.add_argument(
        "--port", type=int, metavar="N", help="port to listen on; 0 for any free port (default: 8000)"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder for songs, stems and the database")
    add_workers_option(parser)
    parser.add_argument(
        "--public-url", metavar="URL", help="address of the app for users, if a proxy is in front"
    )
    parser.add_argument(
        "--origin",
        action="append",
        dest="origins",
        metavar="URL",
        help="another site whose pages may call this API; repeat for more",
    )
    parser.add_argument(
        "--insecure",
        action="store_true",
        default=None,
        help="allow access over the network without password and sign-in: anyone can then use the server",
    )
    parser.set_defaults(run=run)


def add_workers_option(parser: argparse.ArgumentParser) -> None:
    """Declare `--workers`, which `unbraid worker` has too."""
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="songs separated at the same time (default: one for every 4 cores)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal arrives and return its exit code. Raises UnbraidError."""
    # Imported here because these imports take a second.
    from unbraid.local import logs
    from unbraid.local.settings import Settings
    from unbraid.web.server import serve

    flags = {name: value for name, value in vars(arguments).items() if name != "run"}
    settings = Settings.load(**flags)
    logs.set_up(settings.log_level)
    for warning in settings.warnings:
        say(warning)

    def announce(address: str) -> None:
        with suppress(StandardOutputError):  # standard error has the address too
            write_result(f"{address}\n")
        say(
            f"Open {address} in a browser. Songs and stems are stored in {settings.data}. Press Ctrl-C to stop."
        )

    with stop_on_signals() as stop:
        serve(settings, stop, announce)
    return stop.exit_code
