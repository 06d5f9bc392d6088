"""`unbraid models`: which models there are, and where."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unbraid.models import CatalogEntry

UNKNOWN = "-"


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Declare the command, and what it can do."""
    parser = commands.add_parser(
        "models",
        help="show the models, with size, score, licence and stems",
        description="Shows the models, or says where one is.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=list_models)
    actions = parser.add_subparsers(metavar="list|pull|path")
    actions.add_parser("list", help="show all models (also without any word)", allow_abbrev=False)
    for name, run, text in (
        ("pull", pull_model, "make sure that a model is here and intact"),
        ("path", print_path, "print the folder of a model"),
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
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    sys.stdout.write(
        "\nSDR: mean over drums, bass, other and vocals in dB, as the model's authors report it.\n"
    )
    sys.stdout.write("\n")
    for entry in entries:
        paper = f" ({entry.paper})" if entry.paper else ""
        sys.stdout.write(f"{entry.name.ljust(widths[0])}  {entry.summary}{paper}\n")
    if not all(entry.installed for entry in entries):
        sys.stdout.write("\nModels that are not here can't be used by this version of Unbraid yet.\n")
    return 0


def _row(entry: CatalogEntry) -> tuple[str, ...]:
    score = entry.sdr_db.get("mean")
    return (
        entry.name,
        "yes" if entry.installed else "no",
        UNKNOWN if entry.size is None else f"{entry.size / 1e6:.1f} MB",
        UNKNOWN if score is None else f"{score:.1f}",
        entry.licence,
        " ".join(entry.sources),
    )


def pull_model(arguments: argparse.Namespace) -> int:
    """Check every file of a model. Raises ModelError when it is not here or not intact."""
    from unbraid.models import find_model

    sys.stdout.write(f"{arguments.name} is here: {find_model(arguments.name).folder}\n")
    return 0


def print_path(arguments: argparse.Namespace) -> int:
    """Print the folder of a model that is here. Raises ModelError otherwise."""
    from unbraid.models import find_model

    sys.stdout.write(f"{find_model(arguments.name).folder}\n")
    return 0
