"""Import the models of an exported file on a machine without a network.

An import trusts only the weights, of which the catalogue has no checksums, and how a bag weighs its networks: wrong
ones give wrong stems and nothing worse. Everything else must equal what Unbraid itself writes for that model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from unbraid.errors import ModelError, SettingError
from unbraid.files.oserrors import read_cause
from unbraid.models import mdx23c, roformer
from unbraid.models.archive_export import files_of
from unbraid.models.cache import locked, new_model_folder
from unbraid.models.catalog import CatalogEntry, catalog, networks
from unbraid.models.convert import SHARED
from unbraid.models.download import DownloadProgress
from unbraid.models.float32_graph import float32_name
from unbraid.models.folder import DESCRIPTION, GRAPH, NETWORKS, WEIGHTS, Model, load_model_folder
from unbraid.models.graphs import GraphTemplate, load_template
from unbraid.models.mdx import is_converted
from unbraid.models.mdx_settings import known_settings
from unbraid.models.own import check_name, own_folder
from unbraid.models.own_files import is_own
from unbraid.models.tar import TarError, TarMember, TarReader
from unbraid.models.templates import template_of

EXPORT = "unbraid models export"  # the command
UNKNOWN = "This version of Unbraid has no model {name}. Use the version that exported it."

# Largest size of each file in bytes. The largest published ones have 4 kB, 0.9 MB and 335 MB.
LIMITS = {DESCRIPTION: 1 << 18, GRAPH: 1 << 24, WEIGHTS: 1 << 30}
LARGEST_MODEL = 2 << 30  # bytes; mdx_extra_q has 1.34 GB
MOST_FILES = 64  # of a model; the largest bag has 13

# MODEL/FILE, or MODEL/NETWORK/FILE in a bag.
_PATH = re.compile(r"([\w-]{1,64})/((?:[\w-]{1,64}/)?(?:model\.json|graph\.onnx|weights\.bin))", re.ASCII)


@dataclass(frozen=True, slots=True)
class Imported:
    """A model of an exported file."""

    name: str
    problem: str | None = None
    """Why it isn't installed, as a line for the user; None if it is."""

    @property
    def place(self) -> Path:
        """Folder of the installed model."""
        entry = catalog().get(self.name) or networks().get(self.name)
        return own_folder() / self.name if entry is None else entry.place


def import_models(
    path: Path,
    progress: DownloadProgress | None = None,
    notice: Callable[[str], object] | None = None,
    own: Path | None = None,
) -> Iterator[Imported]:
    """Install the models of an exported file, and yield each. An intact installed model stays as it is.

    A model appears in the cache when it is complete and verified. `progress` receives the bytes so far and the total (0
    if unknown). If another process is installing the model, `notice` receives one line. `own`: folder for models of a
    user's own; None: the usual one. Raises ModelError if the file is damaged or the cache isn't writable; models that
    were yielded before stay installed.
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
                yield Imported(name, _import(name, members, report, notice, own or own_folder()))
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
    own: Path,
) -> str | None:
    """Install a model. Return why that is impossible, or None. Raises TarError, and ModelError for the cache."""
    entry = catalog().get(name) or networks().get(name)
    if entry is None:
        return _import_own(own / name, files, report)
    if entry.name != name:
        return UNKNOWN.format(name=name)
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


def _import_own(place: Path, files: Iterator[_File], report: Callable[[], None]) -> str | None:
    """Install a model of a user's own in `place`. Return why that is impossible, or None. See `_import`."""
    name = place.name
    try:
        check_name(name)
    except SettingError:
        return UNKNOWN.format(name=name)
    with locked(place):
        if place.exists():
            return f"You have a model {name} already. Rename or remove its folder first: {place}"
        try:
            with new_model_folder(place) as new:
                _unpack(files, new, report)
                if not is_own(new):
                    raise _Unusable(UNKNOWN.format(name=name))
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
            f"{entry.name} was exported by another version of Unbraid. Use the same version on both machines."
        )
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if found != set(files_of(model)):
        raise damaged
    if entry.mdx is not None:
        mdx = known_settings()[entry.mdx].renamed(entry.names)
        if not _is_described(folder, {**mdx.description, "licence": entry.licence}, "sha256"):
            raise damaged
        if not is_converted(folder, mdx):
            raise damaged
        return
    if entry.roformer or entry.mdx23c:
        if not _is_built(entry, model):
            raise damaged
        return
    assert entry.graph is not None
    templates = [load_template(name) for name in entry.graph.split("+")]
    settings = {**templates[0].description, "sources": list(entry.sources), "licence": entry.licence}
    networks = [member.model for member in model.members]
    shared = {key: settings[key] for key in (*SHARED, "segment", "licence")}
    if networks and not _is_described(folder, shared, NETWORKS):
        raise damaged
    for network in networks or [model]:
        # Published arguments choose the edges of the transform among those of Demucs.
        if network.edges != "centred" and settings["stft"]["edges"] != "centred":
            settings["stft"] = {**settings["stft"], "edges": network.edges}
        if not (_is_described(network.folder, settings, "sha256") and _fits(network, templates)):
            raise damaged


def _is_built(entry: CatalogEntry, model: Model) -> bool:
    """Whether the model has the stems of `entry`, and each network the graph that belongs to its sizes."""
    class_name = roformer.CLASS_NAME if entry.roformer else mdx23c.CLASS_NAME
    networks = [member.model for member in model.members] or [model]
    templates = [template_of(network) for network in networks]
    return (model.sources, model.licence) == (entry.sources, entry.licence) and all(
        template is not None
        and template.class_name == class_name
        and (network.folder / WEIGHTS).stat().st_size == _weights_size(template)
        for network, template in zip(networks, templates, strict=True)
    )


def _weights_size(template: GraphTemplate) -> int:
    return max(tensor.offset + tensor.length for tensor in template.tensors)


def _is_described(folder: Path, settings: Mapping[str, Any], other: str) -> bool:
    """Whether the description has these settings, a name, a version and the entry `other`, and nothing else."""
    described = json.loads((folder / DESCRIPTION).read_text("utf-8"))
    return bool(
        described.keys() == {*settings, "name", "version", other}
        and all(described[key] == value for key, value in settings.items())
    )


def _fits(network: Model, templates: Sequence[GraphTemplate]) -> bool:
    """Whether the graph is one of the shipped ones, also with float32 weights, and the weights have its size."""
    template = template_of(network)
    names = [name for shipped in templates for name in (shipped.name, float32_name(shipped.name))]
    return (
        template is not None
        and template.name in names
        and (network.folder / WEIGHTS).stat().st_size == _weights_size(template)
    )
