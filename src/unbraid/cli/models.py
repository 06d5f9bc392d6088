"""`unbraid models`: list, download, locate, export and import models."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unbraid.cli.messages import message_of, say
from unbraid.cli.own_models import list_own_models
from unbraid.cli.streams import write_result
from unbraid.cli.wrapped import UNKNOWN, write_wrapped
from unbraid.errors import ModelError, SettingError

if TYPE_CHECKING:
    from unbraid.models import CatalogEntry

NOTES = (
    "SIZE: on disk, or of the download. SDR: mean of drums, bass, other and vocals in dB, as reported by the model's "
    "authors.",
    "A model is downloaded when you first use it, or with: unbraid models pull NAME",
)
NAME = "name of a model, or a word such as karaoke; `unbraid models` lists them"


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Declare the command and its actions."""
    parser = commands.add_parser(
        "models",
        help="say which model is best for what; list all models; download them; copy them to another machine",
        description="Say for each purpose which models there are, with scores, times, sizes and licences. Or list all "
        "models, download them, print their folders, or copy them to a machine without a network.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=_show_questions)
    actions = parser.add_subparsers(metavar="list|pull|path|export|import")
    text = "list all models, with size, score, stems and sources"
    table = actions.add_parser("list", help=text, description=text.capitalize() + ".", allow_abbrev=False)
    table.set_defaults(run=list_models)

    text = "download models that are missing or damaged"
    pull = actions.add_parser("pull", help=text, description=text.capitalize() + ".", allow_abbrev=False)
    pull.add_argument("names", metavar="NAME", nargs="*", help=NAME)
    pull.add_argument(
        "--all", action="store_true", help="download all models, for a machine that will be offline"
    )
    pull.add_argument(
        "--unverified",
        action="store_true",
        help="also download models whose files have no published checksum, so that nothing proves whose they are",
    )
    pull.set_defaults(run=pull_models)

    text = "print the folder of a downloaded model"
    path = actions.add_parser("path", help=text, description=text.capitalize() + ".", allow_abbrev=False)
    path.add_argument("name", metavar="NAME", help=NAME)
    path.set_defaults(run=print_path)

    text = "write downloaded models into one file, for a machine without a network"
    export = actions.add_parser("export", help=text, description=text.capitalize() + ".", allow_abbrev=False)
    export.add_argument("file", metavar="FILE", type=Path, help="file to write, such as models.tar")
    export.add_argument(
        "names", metavar="NAME", nargs="*", help=f"{NAME}; by default all that were downloaded"
    )
    export.set_defaults(run=run_export)

    text = "install the models of a file that `unbraid models export` wrote"
    imported = actions.add_parser(
        "import", help=text, description=text.capitalize() + ".", allow_abbrev=False
    )
    imported.add_argument("file", metavar="FILE", type=Path, help="file to read")
    imported.set_defaults(run=run_import)


def _show_questions(arguments: argparse.Namespace) -> int:
    from unbraid.cli.questions import show_questions

    return show_questions(arguments)


def list_models(_arguments: argparse.Namespace) -> int:
    """Print the catalogue as a table, then a description of each model."""
    from unbraid.models import catalog

    entries = list(catalog().values())
    rows = [("MODEL", "READY", "SIZE", "SDR", "STEMS"), *map(_row, entries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        name, installed, size, *others, stems = (
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        )
        write_result(
            "  ".join((name, installed, size.strip().rjust(len(size)), *others, stems)).rstrip() + "\n"
        )
    write_result("\n")
    for note in NOTES:
        write_wrapped(note, "")
    for entry in entries:
        paper = f" ({entry.paper})" if entry.paper else ""
        write_result("\n")
        write_wrapped(f"{entry.name.ljust(widths[0])}  {entry.summary}{paper}", " " * (widths[0] + 2))
        for line in _details(entry):
            write_wrapped(line, " " * (widths[0] + 2), first=False)
    list_own_models()
    return 0


def _details(entry: CatalogEntry) -> Iterator[str]:
    """Yield lines about a model that not every model has, and its licence."""
    if entry.sdr_db:
        scores = ", ".join(f"{name} {score:.1f}" for name, score in entry.sdr_db.items())
        yield f"SDR: {scores} dB ({entry.sdr_source})"
    if entry.members:
        yield f"Consists of {' and '.join(member.name for member in entry.members)}."
    if entry.aliases:
        yield f"Other names: {', '.join(entry.aliases)}"
    yield f"Licence: {entry.licence}"


def _row(entry: CatalogEntry) -> tuple[str, ...]:
    score = entry.sdr_db.get("mean")
    size = entry.size
    megabytes = (entry.download_size if size is None else size) / 1e6
    return (
        entry.name,
        "no" if size is None else "yes",
        f"{megabytes:.{1 if megabytes < 1000 else 0}f} MB",
        UNKNOWN if score is None else f"{score:.1f}",
        " ".join(entry.sources),
    )


def pull_models(arguments: argparse.Namespace) -> int:
    """Download models unless they are installed, and check every file of them. Go on after a failure."""
    from unbraid.models.unavailable import forget

    if arguments.all == bool(arguments.names):
        raise SettingError("Name one or more models, or use --all.")
    forget()
    failed: list[str] = []
    unverified = arguments.unverified
    names = list(_all(unverified) if arguments.all else dict.fromkeys(_full_names(arguments.names)))
    for name in names:
        try:
            folder = _pull(name, failed, unverified)
        except ModelError as error:
            say(message_of(error))
            failed.append(name)
        except KeyboardInterrupt:
            say("Stopped. The next pull continues from here.")
            return 128 + signal.SIGINT
        else:
            write_result(f"{name} is installed: {folder}\n")
    if failed and len(names) > 1:
        say(f"Not installed: {', '.join(failed)}")
    return 1 if failed else 0


def _all(unverified: bool) -> list[str]:
    """Return the models for `--all`. Without `unverified`, say which ones are left out."""
    from unbraid.models import catalog

    left_out = [name for name, entry in catalog().items() if not (unverified or entry.verified)]
    if left_out:
        say(f"Left out, because their files have no published checksum (--unverified): {', '.join(left_out)}")
    return [name for name in catalog() if name not in left_out]


def _full_names(names: Sequence[str]) -> Iterator[str]:
    """Yield the models of ensembles, the model for an alias, the first choice for `auto` or `karaoke`, other names."""
    from unbraid.models.auto import candidates, is_choice
    from unbraid.models.catalog import find_entry
    from unbraid.models.find import models_in

    for name in (one for listed in names for one in models_in(listed)):
        model = candidates("vocals", name)[0] if is_choice(name) else name
        entry = find_entry(model)
        yield model if entry is None else entry.name


def _pull(name: str, failed: Sequence[str], unverified: bool) -> Path:
    """Install a model and return its folder. `failed`: models that can't be downloaded. Raises ModelError."""
    from unbraid.cli.downloads import DownloadDisplay
    from unbraid.models import find_model
    from unbraid.models.catalog import find_entry

    entry = find_entry(name)
    missing = [member.name for member in (entry.members if entry else ()) if member.name in failed]
    if missing:
        raise ModelError(f"needs {' and '.join(missing)}, which can't be downloaded.", subject=name)
    display = DownloadDisplay(name)
    try:
        return find_model(name, unverified=unverified, progress=display.update, notice=display.notice).folder
    finally:
        display.clear()


def print_path(arguments: argparse.Namespace) -> int:
    """Print the folder of an installed model, or of each in an ensemble. Raises ModelError if one isn't installed."""
    from unbraid.models import find_installed
    from unbraid.models.find import models_in

    folders = [find_installed(name).folder for name in models_in(arguments.name)]
    write_result("".join(f"{folder}\n" for folder in folders))
    return 0


def run_export(arguments: argparse.Namespace) -> int:
    """Write installed models into a file. Raises ModelError."""
    from unbraid.cli.downloads import DownloadDisplay, can_draw
    from unbraid.models.archive_export import export_models
    from unbraid.models.auto import is_choice
    from unbraid.models.catalog import find_entry

    if is_choice(str(arguments.file)) or find_entry(str(arguments.file)) is not None:
        raise SettingError(f"Name the file first: unbraid models export models.tar {arguments.file}")
    display = DownloadDisplay(arguments.file.name)
    try:
        entries = export_models(arguments.file, arguments.names, display.update if can_draw() else None)
    finally:
        display.clear()
    write_result(f"{arguments.file} contains {', '.join(entry.name for entry in entries)}\n")
    return 0


def run_import(arguments: argparse.Namespace) -> int:
    """Install the models of an exported file, and print a line for each. Raises ModelError."""
    from unbraid.cli.downloads import DownloadDisplay, can_draw
    from unbraid.models.archive_import import import_models

    display, code = DownloadDisplay(arguments.file.name), 0
    try:
        progress = display.update if can_draw() else None
        for model in import_models(arguments.file, progress, display.notice):
            display.clear()
            if model.problem is None:
                write_result(f"{model.name} is installed: {model.place}\n")
            else:
                say(model.problem)
                code = 1
    finally:
        display.clear()
    return code
