"""Find a model by its name: in a folder of published weights, in the catalogue, or as a model folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from unbraid.errors import ModelError
from unbraid.models.auto import AUTO, FIRST_CHOICE, installed_choice, load_auto
from unbraid.models.catalog import catalog
from unbraid.models.download import PATIENT, DownloadProgress
from unbraid.models.folder import Model, load_model_folder
from unbraid.models.install import load_or_install


def find_model(
    name: str | Path = AUTO,
    *,
    stems: str | None = None,
    repo: Path | None = None,
    progress: DownloadProgress | None = None,
    notice: Callable[[str], object] | None = None,
) -> Model:
    """Load and verify the model `name`; download and convert it first if it isn't installed.

    With `repo`, `name` is a model in that folder of published weights. Otherwise it is a model of the catalogue,
    `auto` (see `unbraid.models.auto`), or the path of a model folder. Only `auto` may fall back to another model, which
    separates `stems` (None: all).

    `progress` receives the bytes so far and the total. It may raise an exception to stop the download; the next call
    resumes it. `notice` receives lines for the user. Raises ModelError.
    """
    if repo is not None:
        from unbraid.models.repo import find_in_repo

        return find_in_repo(FIRST_CHOICE if name == AUTO else str(name), repo)
    if name == AUTO:
        return load_auto(progress, notice, stems)
    entry = catalog().get(name) if isinstance(name, str) else None
    return _load_folder(name) if entry is None else load_or_install(entry, progress, notice, PATIENT)


def find_installed(name: str | Path) -> Model:
    """Load and verify the model `name` without downloading anything. Raises ModelError."""
    if name == AUTO:
        name = installed_choice()
    entry = catalog().get(name) if isinstance(name, str) else None
    if entry is None:
        return _load_folder(name)
    if not entry.installed:
        raise ModelError(f"{name} is not installed. Get it with: unbraid models pull {name}")
    return load_model_folder(entry.place)


def _load_folder(name: str | Path) -> Model:
    if Path(name).is_dir():
        return load_model_folder(Path(name))
    known = ", ".join((AUTO, *catalog()))
    raise ModelError(f"There is no model {str(name)!r}. Choose {known}, or give the path of a model folder.")
