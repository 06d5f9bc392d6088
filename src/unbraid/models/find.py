"""Find a model by its name: in a folder of published weights, in the catalogue, or as a model folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from unbraid.errors import ModelError
from unbraid.models.auto import (
    AUTO,
    FIRST_CHOICE,
    ORDERS,
    at_quality,
    installed_choice,
    is_choice,
    load_choice,
)
from unbraid.models.catalog import CatalogEntry, catalog, find_entry
from unbraid.models.download import PATIENT, DownloadProgress
from unbraid.models.ensemble import SEPARATOR, compose, split_name, unusable
from unbraid.models.folder import Model, load_model_folder
from unbraid.models.install import load_or_install
from unbraid.models.mdx_settings import ENDING
from unbraid.models.older_demucs import replacement_for
from unbraid.models.own import find_own
from unbraid.models.published import CHECKPOINTS
from unbraid.models.questions import BALANCED, words_of


def find_model(
    name: str | Path = AUTO,
    *,
    stems: str | None = None,
    repo: Path | None = None,
    unverified: bool = False,
    progress: DownloadProgress | None = None,
    notice: Callable[[str], object] | None = None,
) -> Model:
    """Load and verify the model `name`; download and convert it first if it isn't installed.

    With `repo`, `name` is a model in that folder of published weights. Otherwise it is a model of the catalogue, a
    choice such as `auto` or `karaoke` (see `unbraid.models.auto`), a model of the user's own (`unbraid.models.own`), or
    the path of a model folder, an MDX-Net (.onnx) or a checkpoint. A file that exists is preferred to a model of the
    catalogue with the same name. Only a choice may fall back to another model, which separates `stems` (None: all).
    `a+b` is an ensemble of such models; with `repo`, its models may also be outside of that folder.

    `unverified`: also download files of unknown SHA-256, if `name` is a model. It changes nothing for a choice.

    `progress` receives the bytes so far and the total. It may raise an exception to stop the download; the next call
    resumes it. `notice` receives lines for the user. Raises ModelError, and SettingError if `a+b` is no ensemble.
    """
    names = models_in(name, repo) if isinstance(name, str) else []
    if len(names) > 1:
        models = [
            find_model(
                one,
                stems=stems,
                repo=repo_of(one, repo),
                unverified=unverified,
                progress=progress,
                notice=notice,
            )
            for one in names
        ]
        try:
            return compose(models)
        except ValueError as error:
            raise unusable(str(name), error) from error
    if repo is not None:
        from unbraid.models.repo import find_in_repo

        return find_in_repo(FIRST_CHOICE if name == AUTO else str(name), repo)
    if isinstance(name, str) and is_choice(name):
        return load_choice(name, progress, notice, stems)

    def load(entry: CatalogEntry) -> Model:
        return load_or_install(entry, progress, notice, PATIENT, unverified)

    entry = entry_of(name)
    return _load_path(name, load) if entry is None else load(entry)


def models_in(name: str, repo: Path | None = None) -> list[str]:
    """Return the models that `name` lists: those of the ensemble `a+b`, or the only one. Raises SettingError."""
    return split_name(name, lambda one: _is_model(one, repo))


def at_quality_in(name: str, quality: str, repo: Path | None = None) -> tuple[str, str]:
    """Return the models that `name` lists, with the choices of a quality, and the quality that remains.

    See `at_quality`. Models in `repo` are no choices. With a choice in an ensemble, no quality remains for overlaps and
    shifts. Raises SettingError, and ModelError if `repo` is unreadable.
    """
    names = models_in(name, repo)
    if repo is not None and len(names) == 1:
        return name, quality
    found = [(one, quality) if repo_of(one, repo) is not None else at_quality(one, quality) for one in names]
    remaining = quality if all(rest == quality for _, rest in found) else BALANCED
    return SEPARATOR.join(one for one, _ in found), remaining


def _is_model(name: str, repo: Path | None) -> bool:
    """Whether `name` as a whole is the name or the path of one model that exists."""
    return (
        is_choice(name)
        or find_entry(name) is not None
        or _is(Path.exists, name)
        or repo_of(name, repo) is not None
        or find_own(name) is not None
    )


def repo_of(name: str, repo: Path | None) -> Path | None:
    """Return `repo` if it has a model called `name`."""
    if repo is None:
        return None
    from unbraid.models.repo import has_model

    return repo if has_model(name, repo) else None


def find_installed(name: str | Path) -> Model:
    """Load and verify the model `name` without downloading anything. Raises ModelError."""
    if isinstance(name, str) and is_choice(name):
        name = installed_choice(choice=name)
    entry = entry_of(name)
    return _load_path(name, _load_installed) if entry is None else _load_installed(entry)


def entry_of(name: str | Path) -> CatalogEntry | None:
    """Return the entry of the catalogue; None if there is none, or if `name` is a file that exists here."""
    return find_entry(name) if isinstance(name, str) and not _is_file_of(name, ENDING, *CHECKPOINTS) else None


def _is_file_of(path: str | Path, *endings: str) -> bool:
    return Path(path).suffix.lower() in endings and _is(Path.is_file, path)


def _is(kind: Callable[[Path], bool], path: str | Path) -> bool:
    """Whether `path` is of this kind. A name that is too long for a file is of none."""
    try:
        return kind(Path(path))
    except OSError:
        return False


def _load_installed(entry: CatalogEntry) -> Model:
    if not entry.installed:
        raise ModelError(f"{entry.name} is not installed. Get it with: unbraid models pull {entry.name}")
    return load_model_folder(entry.place, lambda member: _load_installed(catalog()[member]))


def _load_path(name: str | Path, load: Callable[[CatalogEntry], Model]) -> Model:
    """Load a model folder or a file of weights. `load` loads the networks of a bag that are in the catalogue."""

    def load_named(network: str) -> Model:
        if (entry := find_entry(network)) is None:
            raise ModelError(f"There is no model {network!r}, which {name} needs. Choose {known}.")
        return load(entry)

    known = ", ".join(catalog())
    # Before a folder of the same name, which may be that of the stems.
    if isinstance(name, str) and (own := find_own(name)) is not None:
        return load_model_folder(own, load_named)
    if _is(Path.is_dir, name):
        return load_model_folder(Path(name), load_named)
    if _is_file_of(name, ENDING):
        from unbraid.models.mdx import load_mdx_file

        return load_mdx_file(Path(name))
    if _is_file_of(name, *CHECKPOINTS):
        from unbraid.models.checkpoint_files import find_checkpoint

        return find_checkpoint(Path(name))
    if replacement := replacement_for(str(name)):
        raise ModelError(replacement)
    raise ModelError(
        f"There is no model {_shortened(str(name))!r}. Choose {', '.join((*ORDERS, *words_of(catalog().values())))}, a "
        "name of `unbraid models list`, or give the path of a model folder or of a file with the ending "
        f"{', '.join((ENDING, *CHECKPOINTS))}."
    )


def _shortened(name: str) -> str:
    return name if len(name) <= 200 else f"{name[:200]}…"
