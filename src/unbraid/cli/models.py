"""`unbraid models`: which models there are, where they lie, and how they get here."""

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
WIDEST = 110  # columns of running text, however wide the terminal is
NOTES = (
    "SIZE: on disk, or to download where a model is not here. SDR: mean over drums, bass, other and vocals in dB, "
    "as the model's authors report it.",
    "A model that is not here is downloaded when it is first used, or by: unbraid models pull NAME",
)


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Declare the command, and what it can do."""
    parser = commands.add_parser(
        "models",
        help="show the models, with size, score, licence and stems; download them",
        description="Shows the models, downloads one, or says where it is.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=list_models)
    actions = parser.add_subparsers(metavar="list|pull|path")
    actions.add_parser("list", help="show all models (also without any word)", allow_abbrev=False)
    for name, run, text in (
        ("pull", pull_model, "make sure that a model is here and intact: download it if need be"),
        ("path", print_path, "print the folder of a model that is here"),
    ):
        action = actions.add_parser(name, help=text, description=text.capitalize() + ".", allow_abbrev=False)
        action.add_argument("name", metavar="NAME", help="as `unbraid models` lists it")
        action.set_defaults(run=run)


def list_models(_arguments: argparse.Namespace) -> int:
    """Print a table of the catalogue, and what each model is."""
    from unbraid.models import catalog

    entries = list(catalog().values())
    rows = [("MODEL", "HERE", "SIZE", "SDR", "LICENCE", "STEMS"), *map(_row, entries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        name, here, size, *others, stems = (
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        )
        sys.stdout.write(
            "  ".join((name, here, size.strip().rjust(len(size)), *others, stems)).rstrip() + "\n"
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
    columns = min(shutil.get_terminal_size().columns, WIDEST)
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
    """Download a model unless it is here, and check every file of it. Raises ModelError."""
    from unbraid.cli.downloads import DownloadDisplay
    from unbraid.models import find_model

    display = DownloadDisplay(arguments.name)
    try:
        folder = find_model(arguments.name, progress=display.update, notice=display.notice).folder
    except KeyboardInterrupt:
        display.notice("stopped; the next pull goes on from there")
        return 128 + signal.SIGINT
    finally:
        display.clear()
    sys.stdout.write(f"{arguments.name} is here: {folder}\n")
    return 0


def print_path(arguments: argparse.Namespace) -> int:
    """Print the folder of a model that is here. Raises ModelError otherwise."""
    from unbraid.models import find_installed

    sys.stdout.write(f"{find_installed(arguments.name).folder}\n")
    return 0
