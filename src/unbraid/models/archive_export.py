"""Export installed models into one file, for a machine without a network.

The file is a plain tar file with the folders of `models` in the cache: `htdemucs/model.json`, `htdemucs/graph.onnx`,
`htdemucs/weights.bin`. docs/models.md describes it. Nothing in it depends on the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from unbraid.errors import ModelError
from unbraid.files.atomic import atomic_write
from unbraid.files.oserrors import read_cause, write_cause
from unbraid.models.auto import installed_choice, is_choice
from unbraid.models.cache import locked
from unbraid.models.catalog import CatalogEntry, catalog, find_entry, networks
from unbraid.models.download import DownloadProgress
from unbraid.models.find import find_installed, models_in
from unbraid.models.folder import DESCRIPTION, GRAPH, WEIGHTS, Model
from unbraid.models.own import own_entry
from unbraid.models.tar import CHUNK, END, header, padding

FILES = (DESCRIPTION, GRAPH, WEIGHTS)  # of a downloaded network


def export_models(
    path: Path, names: Sequence[str] = (), progress: DownloadProgress | None = None
) -> Sequence[CatalogEntry]:
    """Write installed models into the file `path`, atomically, and return them. No names: all that were downloaded.

    A bundled bag stands for the models that it consists of. The models are verified. `progress` receives the bytes so
    far and the total. Raises ModelError.
    """
    entries = _entries(names)
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ModelError("is not a regular file. Choose another name.", subject=str(path))
    done, total = 0, sum(entry.size or 0 for entry in entries)

    def report(size: int) -> None:
        nonlocal done
        done += size
        if progress is not None:
            progress(min(done, total), total)

    try:
        with atomic_write(path) as file:
            for entry in entries:
                _pack(entry, file, report)
            file.write(END)
    except OSError as error:
        raise ModelError(
            f"can't be written: {write_cause(error)}. Choose another place for it.", subject=str(path)
        ) from error
    return entries


def _entries(names: Sequence[str]) -> Sequence[CatalogEntry]:
    """Return the downloaded or own models with these names, also in ensembles and for words such as `karaoke`.

    Raises ModelError if one is unknown or bundled.
    """
    if not names:
        known = {entry.name: entry for entry in (*catalog().values(), *networks().values())}
        entries = [entry for entry in known.values() if entry.files and entry.installed]
        if not entries:
            raise ModelError("No downloaded model is installed. Get one with: unbraid models pull NAME")
        return entries
    chosen: dict[str, CatalogEntry] = {}
    for name in (one for listed in names for one in models_in(listed)):
        if (own := own_entry(name)) is not None:
            chosen[name] = own
            continue
        entry = find_entry(installed_choice(choice=name) if is_choice(name) else name)
        if entry is None:
            raise ModelError(f"There is no model {name!r}. Choose {', '.join(catalog())}.")
        downloaded = [one for one in (entry, *entry.members) if one.files]
        if not downloaded:
            raise ModelError(f"{entry.name} comes with Unbraid. It needs no export.")
        chosen.update((one.name, one) for one in downloaded)
    return list(chosen.values())


def _pack(entry: CatalogEntry, target: IO[bytes], report: Callable[[int], None]) -> None:
    """Verify a model and write its part of the tar file. Raises ModelError, and OSError for the tar file."""
    with ExitStack() as stack:
        with suppress(ModelError):  # a read-only cache needs no lock
            stack.enter_context(locked(entry.place))
        model = find_installed(entry.name)
        for name in files_of(model):
            path = model.folder / name
            size = path.stat().st_size
            target.write(header(f"{entry.name}/{name}", size))
            for chunk in _read(path):
                target.write(chunk)
                report(len(chunk))
            target.write(padding(size))


def _read(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise ModelError(f"can't be read: {read_cause(error)}.", subject=str(path)) from error


def files_of(model: Model) -> Sequence[str]:
    """Return the files of a downloaded model, relative to its folder."""
    networks = [member.model.folder.name for member in model.members]
    inside = [f"{network}/{file}" for network in networks for file in FILES]
    return (DESCRIPTION, *inside) if networks else FILES
