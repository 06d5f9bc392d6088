"""Export installed models into one file, and import them from it on a machine without a network.

The file is a plain tar file with the folders of `models` in the cache: `htdemucs/model.json`, `htdemucs/graph.onnx`,
`htdemucs/weights.bin`. docs/models.md describes it. It has nothing that depends on the machine.

An import trusts only the weights, of which the catalogue has no checksums: wrong ones give wrong stems and nothing
worse. Everything else must equal what Unbraid itself writes for that model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import IO

from unbraid.errors import ModelError
from unbraid.files.atomic import atomic_write
from unbraid.files.oserrors import read_cause, write_cause
from unbraid.models.cache import locked, new_model_folder
from unbraid.models.catalog import CatalogEntry, catalog, find_entry
from unbraid.models.convert import SHARED
from unbraid.models.download import DownloadProgress
from unbraid.models.find import find_installed
from unbraid.models.folder import DESCRIPTION, GRAPH, WEIGHTS, Model, load_model_folder
from unbraid.models.graphs import load_template
from unbraid.models.tar import CHUNK, END, TarError, TarMember, TarReader, header, padding

EXPORT = "unbraid models export"  # the command

# Largest size of each file in bytes. The largest published ones have 4 kB, 0.9 MB and 196 MB.
LIMITS = {DESCRIPTION: 1 << 18, GRAPH: 1 << 24, WEIGHTS: 1 << 30}
LARGEST_MODEL = 1 << 30  # bytes; three times the largest published model
MOST_FILES = 64  # of a model; the largest bag has 13

# MODEL/FILE, or MODEL/NETWORK/FILE in a bag.
_PATH = re.compile(r"(\w{1,64})/((?:[\w-]{1,64}/)?(?:model\.json|graph\.onnx|weights\.bin))", re.ASCII)


@dataclass(frozen=True, slots=True)
class Imported:
    """A model of an exported file."""

    name: str
    problem: str | None = None
    """Why it isn't installed, as a line for the user; None if it is."""


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
    """Return the downloaded models with these names. Raises ModelError if one is unknown or bundled."""
    if not names:
        entries = [entry for entry in catalog().values() if entry.files and entry.installed]
        if not entries:
            raise ModelError("No downloaded model is installed. Get one with: unbraid models pull NAME")
        return entries
    chosen: dict[str, CatalogEntry] = {}
    for name in names:
        entry = find_entry(name)
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
        for name in _files(model):
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


def _files(model: Model) -> Sequence[str]:
    """Return the files of a downloaded model, relative to its folder."""
    networks = [member.model.folder.name for member in model.members]
    inside = [f"{network}/{file}" for network in networks for file in LIMITS]
    return (DESCRIPTION, *inside) if networks else tuple(LIMITS)


def import_models(
    path: Path,
    progress: DownloadProgress | None = None,
    notice: Callable[[str], object] | None = None,
) -> Iterator[Imported]:
    """Install the models of an exported file, and yield each. An intact installed model stays as it is.

    A model appears in the cache when it is complete and verified. `progress` receives the bytes so far and the total (0
    if unknown). If another process is installing the model, `notice` receives one line. Raises ModelError if the file
    is damaged or the cache isn't writable; models that were yielded before stay installed.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise ModelError(f"can't be read: {read_cause(error)}.", subject=str(path)) from error
    with file:
        total = path.stat().st_size if path.is_file() else 0
        reader = TarReader(file)

        def report() -> None:
            if progress is not None:
                progress(reader.position, total)

        seen: set[str] = set()
        try:
            for name, members in groupby(map(_parse, reader), lambda member: member.model):
                if name in seen:
                    raise TarError(f"contains {name} twice")
                seen.add(name)
                yield Imported(name, _import(name, members, report, notice))
            if not seen:
                raise TarError("contains no models")
        except TarError as error:
            raise ModelError(
                f"{error}. Copy it again, or create it again with: {EXPORT}", subject=str(path)
            ) from error


@dataclass(frozen=True, slots=True)
class _File:
    """A file of a model in a tar file. `name`: relative to the model's folder."""

    model: str
    name: str
    content: Iterator[bytes]
    size: int


def _parse(member: TarMember) -> _File:
    """Raises TarError if an export doesn't contain such a file."""
    match = _PATH.fullmatch(member.name)
    if match is None:
        raise TarError(f"contains {member.name!r}, which is not a file of a model")
    if member.size > LIMITS[member.name.rpartition("/")[2]]:
        raise TarError(f"contains {member.name}, which is larger than in any model")
    return _File(match[1], match[2], member.content, member.size)


def _import(
    name: str,
    files: Iterator[_File],
    report: Callable[[], None],
    notice: Callable[[str], object] | None,
) -> str | None:
    """Install a model. Return why that is impossible, or None. Raises TarError, and ModelError for the cache."""
    entry = catalog().get(name)
    if entry is None:
        return f"This version of Unbraid has no model {name}. Use the version that exported it."
    if not entry.files:
        return f"{name} comes with Unbraid. It needs no import."
    if _intact(entry):
        return None
    waited = False

    def waiting() -> None:
        nonlocal waited
        if notice is not None and not waited:
            notice(f"Waiting for another process that is installing {name}.")
        waited = True

    with locked(entry.place, waiting):
        if waited and _intact(entry):
            return None
        try:
            with new_model_folder(entry.place) as new:
                _unpack(files, new, report)
                _check(entry, new)
        except _Unusable as error:
            return str(error)
    return None


def _intact(entry: CatalogEntry) -> bool:
    if not entry.installed:
        return False
    try:
        load_model_folder(entry.place)
    except ModelError:
        return False
    return True


def _unpack(files: Iterator[_File], folder: Path, report: Callable[[], None]) -> None:
    """Write the files of a model. Raises TarError and OSError."""
    size = 0
    for number, file in enumerate(files):
        size += file.size
        if number == MOST_FILES or size > LARGEST_MODEL:
            raise TarError(f"contains {file.model}, which is larger than any model")
        path = folder / file.name
        path.parent.mkdir(exist_ok=True)
        try:
            target = path.open("xb")
        except FileExistsError as error:
            raise TarError(f"contains {file.model}/{file.name} twice") from error
        with target:
            for chunk in file.content:
                target.write(chunk)
                report()


class _Unusable(Exception):  # noqa: N818 - a model that isn't installed, while others are
    """The model can't be installed, for the reason in the message."""


def _check(entry: CatalogEntry, folder: Path) -> None:
    """Raise _Unusable unless the folder is that model in this version. Only its weights may be unknown."""
    damaged = _Unusable(f"{entry.name} is damaged in this file. Copy or export it again.")
    try:
        model = load_model_folder(folder)
    except ModelError as error:
        raise damaged from error
    if (model.name, model.version) != (entry.name, entry.version):
        raise _Unusable(
            f"{entry.name} was exported by another version of Unbraid ({model.version} instead of {entry.version}). "
            "Use the same version on both machines."
        )
    if {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} != set(
        _files(model)
    ):
        raise damaged
    assert entry.graph is not None
    template = load_template(entry.graph)
    own = {**template.description, "sources": list(entry.sources), "licence": entry.licence}
    networks = [member.model.folder for member in model.members]
    for place in {folder, *networks}:
        is_bag = bool(networks) and place == folder
        described = json.loads((place / DESCRIPTION).read_text("utf-8"))
        if any(
            described.get(key) != own[key] for key in ((*SHARED, "segment", "licence") if is_bag else own)
        ):
            raise damaged
        if not is_bag and (place / GRAPH).read_bytes() != template.graph.read_bytes():
            raise damaged
