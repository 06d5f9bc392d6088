"""`unbraid worker`: separate the songs of a server that runs on another machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from unbraid.cli.messages import say
from unbraid.cli.serve import add_workers_option
from unbraid.cli.stopping import stop_on_signals
from unbraid.errors import SettingError


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "worker",
        help="separate songs for a server on another machine",
        description="Separate the songs of a server that has the same database and the same store for files.",
        epilog="Environment variables or a .env file set the database and the store: see docs/scale.md.",
        allow_abbrev=False,
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder for temporary files")
    add_workers_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Work until a signal arrives and return its exit code. Raises UnbraidError."""
    # Imported here because these imports take a second.
    from unbraid.local import logs
    from unbraid.local.factory import open_sessions
    from unbraid.local.processes import ALIVE_FILE, Supervisor
    from unbraid.local.settings import Settings

    settings = Settings.load(data=arguments.data, workers=arguments.workers, insecure=True)
    logs.set_up(settings.log_level)
    if settings.worker_count == 0:
        raise SettingError("A worker separates at least one song at a time. Set --workers (UNBRAID_WORKERS).")
    for warning in settings.warnings:
        say(warning)
    open_sessions(settings)  # raises if the database or the store can't be used
    with stop_on_signals() as stop:
        workers = Supervisor(settings, settings.data / ALIVE_FILE)
        workers.start()
        say(f"Separating up to {settings.worker_count} songs at a time. Press Ctrl-C to stop.")
        try:
            while not stop.wait(1.0):  # a signal just before a wait doesn't end it
                pass
        except BaseException:
            workers.stop(within_s=0)  # a second Ctrl-C doesn't wait: the leases expire
            raise
        workers.stop()
    return stop.exit_code
