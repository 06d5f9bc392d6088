"""`unbraid models`: list, download and locate models."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unbraid.models import CatalogEntry

UNKNOWN = "-"
MAX_COLUMNS = 110  # longest line of text on a wide terminal
NOTES = (
    "SIZE: on disk, or of the download. SDR: mean of drums, bass, other and vocals in dB, as reported by the model's "
    "authors.",
    "A model is downloaded when you first use it, or with: unbraid models pull NAME",
)


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Declare the command and its actions."""
    parser = commands.add_parser(
        "models",
        help="list the models, with size, score, licence and stems; download them",
        description="List the models, download one, or print its folder.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=list_models)
    actions = parser.add_subparsers(metavar="list|pull|path")
    actions.add_parser("list", help="list all models (the default)", allow_abbrev=False)
    for name, run, text in (
        ("pull", pull_model, "download a model if it is missing or damaged"),
        ("path", print_path, "print the folder of a downloaded model"),
    ):
        action = actions.add_parser(name, help=text, description=text.capitalize() + ".", allow_abbrev=False)
        action.add_argument("name", metavar="NAME", help="name of the model; `unbraid models` lists them")
        action.set_defaults(run=run)


def list_models(_arguments: argparse.Namespace) -> int:
    """Print the catalogue as a table, then a description of each model."""
    from unbraid.models import catalog

    entries = list(catalog().values())
    rows = [("MODEL", "READY", "SIZE", "SDR", "LICENCE", "STEMS"), *map(_row, entries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        name, installed, size, *others, stems = (
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        )
        sys.stdout.write(
            "  ".join((name, installed, size.strip().rjust(len(size)), *others, stems)).rstrip() + "\n"
        )
    sys.stdout.write("\n")
    for note in NOTES:
        _write_wrapped(note, "")
    for entry in entries:
        paper = f" ({entry.paper})" if entry.paper else ""
        sys.stdout.write("\n")
        _write_wrapped(f"{entry.name.ljust(widths[0])}  {entry.summary}{paper}", " " * (widths[0] + 2))
        if entry.sdr_db:
            scores = ", ".join(f"{name} {score:.1f}" for name, score in entry.sdr_db.items())
            _write_wrapped(f"SDR: {scores} dB ({entry.sdr_source})", " " * (widths[0] + 2), first=False)
    return 0


def _write_wrapped(text: str, indent: str, first: bool = True) -> None:
    columns = min(shutil.get_terminal_size().columns, MAX_COLUMNS)
    lines = textwrap.wrap(
        text,
        columns,
        initial_indent="" if first else indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
    sys.stdout.write("\n".join(lines) + "\n")


def _row(entry: CatalogEntry) -> tuple[str, ...]:
    score = entry.sdr_db.get("mean")
    size = entry.size
    return (
        entry.name,
        "no" if size is None else "yes",
        f"{(entry.download_size if size is None else size) / 1e6:.1f} MB",
        UNKNOWN if score is None else f"{score:.1f}",
        entry.licence,
        " ".join(entry.sources),
    )


def pull_model(arguments: argparse.Namespace) -> int:
    """Download a model unless it is installed, and check every file of it. Raises ModelError."""
    from unbraid.cli.downloads import DownloadDisplay
    from unbraid.models import find_model

    display = DownloadDisplay(arguments.name)
    try:
        folder = find_model(arguments.name, progress=display.update, notice=display.notice).folder
    except KeyboardInterrupt:
        display.notice("Stopped. The next pull continues from here.")
        return 128 + signal.SIGINT
    finally:
        display.clear()
    sys.stdout.write(f"{arguments.name} is installed: {folder}\n")
    return 0


def print_path(arguments: argparse.Namespace) -> int:
    """Print the folder of an installed model. Raises ModelError if it isn't installed."""
    from unbraid.models import find_installed

    sys.stdout.write(f"{find_installed(arguments.name).folder}\n")
    return 0
