"""`unbraid serve`: the web app on this machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from unbraid.cli.messages import say
from unbraid.cli.stopping import stop_on_signals


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "serve",
        help="open the web app on this machine",
        description="Serves the web app: drop songs, watch them being separated, play, mix and download the stems.",
        epilog="Each option and more can be set by the environment or a file .env: docs/settings.md lists all.",
        allow_abbrev=False,
    )
    # No defaults here: what isn't said may be set elsewhere.
    parser.add_argument(
        "--host", metavar="ADDRESS", help="address to listen at (default: 127.0.0.1, this machine alone)"
    )
    parser.add_argument(
        "--port", type=int, metavar="N", help="port to listen at; 0: any that is free (default: 8000)"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder for songs, stems and the database")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="songs separated at once (default: one for each 4 cores)"
    )
    parser.add_argument("--public-url", metavar="URL", help="address that people type, where it is another")
    parser.add_argument(
        "--origin",
        action="append",
        dest="origins",
        metavar="URL",
        help="other site whose pages may call this API",
    )
    parser.add_argument(
        "--insecure",
        action="store_true",
        default=None,
        help="listen to the network without sign-in: everybody there can use it",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped; the exit code says by which signal. Raises UnbraidError."""
    # Imported here, as these take a second.
    from unbraid.local import logs
    from unbraid.local.settings import Settings
    from unbraid.web.server import serve

    flags = {name: value for name, value in vars(arguments).items() if name != "run"}
    settings = Settings.load(**flags)
    logs.set_up(settings.log_level)

    def started(address: str) -> None:
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
        say(
            f"Open {address} in a browser. Songs and stems are kept in {settings.data}. Ctrl-C stops the app."
        )

    with stop_on_signals() as stop:
        serve(settings, stop, started)
    return stop.exit_code
