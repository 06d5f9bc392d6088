"""Install a model of the catalogue: download its files, convert them, and load the result."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from unbraid.errors import ModelError
from unbraid.models.cache import cache_folder, locked, report_cache_errors
from unbraid.models.catalog import CatalogEntry, catalog
from unbraid.models.download import DownloadProgress, Patience, offline
from unbraid.models.folder import Model, load_model_folder
from unbraid.models.sources import DownloadError, bytes_here, fetch
from unbraid.models.unavailable import remember
from unbraid.models.unverified import check_allowed, keep, with_kept


def load_or_install(
    entry: CatalogEntry,
    progress: DownloadProgress | None,
    notice: Callable[[str], object] | None,
    patience: Patience,
    unverified: bool = False,
) -> Model:
    """Load a model from its folder. Install it first if it is missing, damaged or of another version.

    The models of a bag are installed too. If another process is installing the model, wait and send `notice` one line.
    A failed download is remembered for `auto`. `unverified`: also download files of unknown SHA-256. Raises ModelError.
    """

    def load_member(name: str) -> Model:
        return load_or_install(catalog()[name], progress, notice, patience, unverified)

    damaged = False
    if entry.installed or not entry.files:
        try:
            return load_model_folder(entry.place, load_member)
        except ModelError:
            if not entry.files:  # bundled, so a download can't repair it
                raise
            damaged = True
    check_allowed(entry, unverified)
    entry = with_kept(entry)
    downloads, waited = cache_folder() / "downloads", False

    def waiting() -> None:
        nonlocal waited
        if notice is not None and not waited:
            notice(f"Waiting for another process that is downloading {entry.name}.")
        waited = True
        if progress is not None:
            done = sum(bytes_here(file, downloads) for file in entry.files)
            progress(min(done, entry.download_size), entry.download_size)

    with locked(entry.place, waiting):
        if entry.installed and (waited or not damaged):  # the other process has installed it
            return load_model_folder(entry.place)
        try:
            return _install(entry, downloads, progress, patience)
        except DownloadError as error:
            name = f"{entry.name} (damaged in {entry.place})" if damaged else entry.name
            missing = [
                file
                for file in entry.files
                if file in error.files or not any((downloads / one.name).is_file() for one in file.all)
            ]
            if not offline():
                remember(entry.name, error.cause)
            raise DownloadError(name, error.cause, missing, downloads) from error


def _install(
    entry: CatalogEntry, downloads: Path, progress: DownloadProgress | None, patience: Patience
) -> Model:
    """Fetch the files of a model, convert them, and remove them. The caller holds the lock of its folder."""
    before = 0

    def report(done: int, _total: int) -> None:
        if progress is not None:
            progress(before + done, entry.download_size)

    _check_space(entry, downloads)
    paths = []
    for file in entry.files:
        paths.append(fetch(file, downloads, report, patience=patience))
        before += file.size
    _convert(entry, paths)
    keep(entry, paths)
    for path in paths:
        with suppress(OSError):
            path.unlink()
    return load_model_folder(entry.place)


def _check_space(entry: CatalogEntry, downloads: Path) -> None:
    """Raise ModelError if the disk can't hold the files and the converted model, before anything is downloaded."""
    with report_cache_errors(downloads):
        downloads.mkdir(parents=True, exist_ok=True)
        needed = 2 * entry.download_size - sum(bytes_here(file, downloads) for file in entry.files)
        if shutil.disk_usage(downloads).free < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _convert(entry: CatalogEntry, paths: Sequence[Path]) -> None:
    """Write the model folder from the published files."""
    if entry.mdx:
        from unbraid.models.mdx import convert_published

        labels = {"name": entry.name, "version": entry.version, "licence": entry.licence}
        convert_published(paths[0], entry.place, entry.mdx, entry.names, **labels)
        return
    if entry.roformer or entry.mdx23c:
        from unbraid.models.checkpoint_convert import convert_checkpoint

        checkpoint, config = paths
        labels = {"name": entry.name, "version": entry.version, "licence": entry.licence}
        convert_checkpoint(
            checkpoint,
            config,
            entry.place,
            **labels,
            sources=entry.sources,
            names=entry.names,
            overlap=entry.overlap,
        )
        return
    from unbraid.models.checkpoints import unpacked
    from unbraid.models.convert import convert_bag
    from unbraid.models.readers.packages import read_package
    from unbraid.models.readers.tensorflow import read_checkpoint

    with ExitStack() as stack:
        if entry.checkpoint:
            folders = [stack.enter_context(unpacked(path, entry.checkpoint)) for path in paths]
            packages = [read_checkpoint(folder, entry.sources) for folder in folders]
        else:
            packages = [read_package(path) for path in paths]
        convert_bag(
            packages,
            [[float(file.source in (None, source)) for source in entry.sources] for file in entry.files],
            entry.place,
            name=entry.name,
            version=entry.version,
            licence=entry.licence,
            segment_s=entry.segment_s,
        )
