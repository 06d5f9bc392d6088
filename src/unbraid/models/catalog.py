"""The models Unbraid knows by name, read from `catalog.toml`, and the way from a name to a loaded folder."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from unbraid.errors import ModelError
from unbraid.models.cache import cache_folder, locked
from unbraid.models.download import (
    ONE_QUICK_TRY,
    PATIENT,
    DownloadError,
    DownloadProgress,
    ModelFile,
    Patience,
    bytes_here,
    fetch,
)
from unbraid.models.folder import DESCRIPTION, Model, load_model_folder
from unbraid.models.graphs import load_template

HERE = Path(__file__).parent

# What `auto` stands for, and what it takes where that can't be had.
AUTO = "auto"
AUTO_CHOICE = "htdemucs"
AUTO_INSTEAD = "lite"

# The graph of each model that is converted.
GRAPHS = {
    "htdemucs": "htdemucs",
    "htdemucs_ft": "htdemucs",
    "htdemucs_6s": "htdemucs_6s",
    "hdemucs_mmi": "hdemucs",
}

Notice = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """What is known of a model before it is there."""

    name: str
    summary: str
    sources: tuple[str, ...]
    licence: str
    paper: str | None = None
    sdr_db: Mapping[str, float] = field(default_factory=dict)
    sdr_source: str | None = None
    folder: Path | None = None
    """Where a bundled model lies; None for one that has to be downloaded."""
    files: tuple[ModelFile, ...] = ()

    @property
    def place(self) -> Path:
        """Where the model lies, or will."""
        return self.folder or cache_folder() / "models" / self.name

    @property
    def version(self) -> str:
        """What an installed model was made of, its downloads and its graph: `955717e8-8726e21a.9f86d081`; empty for a
        bundled one. What lies there of another version is got anew, so that a graph that was corrected arrives."""
        if not self.files:
            return ""
        return "+".join(Path(file.name).stem for file in self.files) + f".{_graph_of(self.name)}"

    @property
    def installed(self) -> bool:
        """Whether it is here; loading shows whether it is intact."""
        try:
            described = json.loads((self.place / DESCRIPTION).read_text(encoding="utf-8"))
            return self.folder is not None or described["version"] == self.version
        except (OSError, ValueError, KeyError, TypeError):
            return False

    @property
    def size(self) -> int | None:
        """Bytes on disk; None while it is not here."""
        if not self.installed:
            return None
        return sum(path.stat().st_size for path in self.place.rglob("*") if path.is_file())

    @property
    def download_size(self) -> int:
        """Bytes to download."""
        return sum(file.size for file in self.files)


@cache
def _graph_of(model: str) -> str:
    """The first digits of what identifies the graph that a model is converted into by this version."""
    return load_template(GRAPHS[model]).fingerprint[:8]


@cache
def catalog() -> Mapping[str, CatalogEntry]:
    """All known models by name, in the order of the catalogue."""
    return read_catalog((HERE / "catalog.toml").read_text(encoding="utf-8"))


def read_catalog(text: str) -> Mapping[str, CatalogEntry]:
    """The models that a catalogue in TOML describes."""
    known = {}
    for entry in tomllib.loads(text)["model"]:
        entry["sources"] = tuple(entry["sources"])
        entry["files"] = tuple(ModelFile(**file) for file in entry.get("files", ()))
        if "folder" in entry:
            entry["folder"] = HERE / entry["folder"]
        known[entry["name"]] = CatalogEntry(**entry)
    return known


def find_model(
    name: str | Path = AUTO,
    *,
    repo: Path | None = None,
    progress: DownloadProgress | None = None,
    notice: Notice | None = None,
) -> Model:
    """The model called `name`, verified: in `repo`, a folder of published weights, where one is given, or else in the
    catalogue, from where it is downloaded and converted the first time; or that in the model folder `name`.

    `auto` is htdemucs, if need be by one quick try to download it, and where that fails lite, the bundled one; `notice`
    is told so in one line. A model that was asked for by name and can't be had is an error, never another model.
    `progress` is told bytes done and bytes in all; what it raises stops a download, and the next call goes on. Raises
    ModelError.
    """
    if repo is not None:
        from unbraid.models.repo import find_in_repo

        return find_in_repo(AUTO_CHOICE if name == AUTO else str(name), repo)
    if name == AUTO:
        return _best(progress, notice)
    entry = catalog().get(name) if isinstance(name, str) else None
    return _load_folder(name) if entry is None else _get(entry, progress, notice, PATIENT)


def find_installed(name: str | Path) -> Model:
    """As `find_model`, from what is on this machine alone."""
    if name == AUTO:
        name = AUTO_CHOICE if catalog()[AUTO_CHOICE].installed else AUTO_INSTEAD
    entry = catalog().get(name) if isinstance(name, str) else None
    if entry is None:
        return _load_folder(name)
    if not entry.installed:
        raise ModelError(f"{name} is not here. Get it by: unbraid models pull {name}")
    return load_model_folder(entry.place)


def _load_folder(name: str | Path) -> Model:
    if Path(name).is_dir():
        return load_model_folder(Path(name))
    known = ", ".join((AUTO, *catalog()))
    raise ModelError(f"there is no model {str(name)!r}; there is {known}, or the path of a model folder")


def _best(progress: DownloadProgress | None, notice: Notice | None) -> Model:
    choice, instead = catalog()[AUTO_CHOICE], catalog()[AUTO_INSTEAD]
    try:
        return _get(choice, progress, notice, ONE_QUICK_TRY)
    except ModelError as error:
        model = load_model_folder(instead.place)
        if notice is not None:
            reason = error.cause if isinstance(error, DownloadError) else error.message
            notice(
                f"using {instead.name}, which is far weaker, as {choice.name} can't be had: {reason}. "
                f"To get it: unbraid models pull {choice.name}"
            )
        return model


def _get(
    entry: CatalogEntry, progress: DownloadProgress | None, notice: Notice | None, patience: Patience
) -> Model:
    """The model, from its folder or else from the network."""
    damaged = False
    if entry.installed or not entry.files:
        try:
            return load_model_folder(entry.place)
        except ModelError:
            if not entry.files:  # bundled: nothing to mend it with
                raise
            damaged = True
    downloads, told = cache_folder() / "downloads", False

    def waiting() -> None:
        nonlocal told
        if notice is not None and not told:
            told = True
            notice(f"another process is getting {entry.name}; waiting for it")
        if progress is not None:
            done = sum(bytes_here(file, downloads) for file in entry.files)
            progress(min(done, entry.download_size), entry.download_size)

    with locked(entry.place, waiting):
        if entry.installed and (told or not damaged):  # by another process meanwhile
            return load_model_folder(entry.place)
        try:
            return _download(entry, downloads, progress, patience)
        except DownloadError as error:
            what = f"{entry.name}, which is damaged in {entry.place}," if damaged else entry.name
            missing = [file for file in entry.files if not (downloads / file.name).is_file()]
            wanted = [file for file in entry.files if file in missing or file in error.files]
            raise DownloadError(wanted, downloads, what, error.cause) from error


def _download(
    entry: CatalogEntry, into: Path, progress: DownloadProgress | None, patience: Patience
) -> Model:
    """Fetch the files of a model, convert them, and remove them. Its place has to be locked."""
    before = 0

    def report(done: int, _total: int) -> None:
        if progress is not None:
            progress(before + done, entry.download_size)

    paths = []
    for file in entry.files:
        paths.append(fetch(file, into, report, patience=patience))
        before += file.size
    _convert(entry, paths)
    for path in paths:
        with suppress(OSError):
            path.unlink()
    return load_model_folder(entry.place)


def _convert(entry: CatalogEntry, paths: Sequence[Path]) -> None:
    """Make the model folder out of the published files."""
    from unbraid.models.convert import convert_bag
    from unbraid.models.packages import read_package

    convert_bag(
        [read_package(path) for path in paths],
        [[float(file.source in (None, source)) for source in entry.sources] for file in entry.files],
        entry.place,
        name=entry.name,
        version=entry.version,
        licence=entry.licence,
    )
