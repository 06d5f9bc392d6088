"""Download a file: verify its checksum, resume after an interruption, and let one process at a time download it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from unbraid.errors import ModelError
from unbraid.files.oserrors import read_cause
from unbraid.files.resumable import ResumableFile
from unbraid.models.cache import locked, report_cache_errors
from unbraid.models.http import PermanentFailure, RangeUnavailable, TemporaryFailure, Timeouts, get

MIRROR = "UNBRAID_MIRROR"  # environment variable: a base address that replaces the published one
OFFLINE = "UNBRAID_OFFLINE"  # environment variable: 1 to never use the network

PROGRESS_BYTES = 1 << 20  # a failed try that received this much resets the number of tries
LARGEST = 1 << 30  # bytes; six times the largest published file
LONGEST_WAIT_S = 60.0  # between two tries, even if the server asks for more

# Callback with the bytes so far and the total (0 if unknown).
DownloadProgress = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file to download."""

    url: str
    sha256: str
    """SHA-256 of the whole file, in hexadecimal."""
    size: int = 0
    """Bytes, for progress reports only; 0 if unknown."""
    source: str | None = None
    """The stem for which a bag uses this network; None: all stems."""

    @property
    def name(self) -> str:
        """Name of the file on disk."""
        return urlsplit(self.url).path.rsplit("/", 1)[-1]

    @property
    def address(self) -> str:
        """Address to download from: `url`, or the same file name on the mirror."""
        mirror = os.environ.get(MIRROR)
        return f"{mirror.rstrip('/')}/{self.name}" if mirror else self.url


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to retry a download."""

    tries: int = 5
    """Number of tries in a row without progress before giving up."""
    pause_s: float = 1.0
    """Pause after the first failed try; it doubles with every further one."""
    connect_s: float = 5.0
    """Time limit for a connection."""
    read_s: float = 30.0
    """Time limit for the next bytes."""


PATIENT = Patience()
ONE_QUICK_TRY = Patience(tries=1, connect_s=3.0, read_s=10.0)


class DownloadError(ModelError):
    """A download failed.

    `subject` is the model or the file, `cause` the reason without advice ("no network"). `files` are the missing files
    of the folder `into`.
    """

    def __init__(self, subject: str, cause: str, files: Sequence[ModelFile], into: Path) -> None:
        missing = ", ".join(f"{file.url} (SHA-256 {file.sha256})" for file in files)
        super().__init__(
            f"can't be downloaded: {cause}. Try again later, or put these files into {into} by hand: {missing}",
            subject=subject,
        )
        self.cause = cause
        self.files = files

    @property
    def summary(self) -> str:
        """The message without advice."""
        return f"{self.subject} can't be downloaded: {self.cause}"


def fetch(
    file: ModelFile,
    into: Path,
    progress: DownloadProgress | None = None,
    *,
    patience: Patience = PATIENT,
) -> Path:
    """Return the verified file in the folder `into`. Download it if it isn't there.

    `progress` may raise an exception to stop the download. The next call resumes an interrupted download.
    Raises DownloadError, and ModelError if `into` isn't writable.
    """
    target = into / file.name

    def report() -> None:
        if progress is not None:
            progress(min(bytes_here(file, into), file.size or LARGEST), file.size)

    with locked(target, waiting=report):
        problem = _problem_of(target, file) if target.is_file() else ""
        if target.is_file() and not problem:
            report()
            return target
        try:
            check_online()
            _Download(file, target, progress, patience).run()
        except (TemporaryFailure, PermanentFailure) as failure:
            raise DownloadError(file.name, f"{problem}{failure}", [file], into) from failure
    return target


def check_online() -> None:
    """Raise PermanentFailure if the user has forbidden downloads."""
    if os.environ.get(OFFLINE, "0") not in ("", "0"):
        raise PermanentFailure(f"{OFFLINE} is set")


def _problem_of(target: Path, file: ModelFile) -> str:
    """Return why the existing file is unusable, as the beginning of a sentence; empty if it is usable."""
    try:
        digest = checksum(target)
    except OSError as error:
        return f"{target} can't be read ({read_cause(error)}), and "
    return "" if digest == file.sha256 else f"{target} is a different file (its SHA-256 is {digest}), and "


def bytes_here(file: ModelFile, into: Path) -> int:
    """Return the number of bytes of the file that are in the folder."""
    path = into / file.name
    return path.stat().st_size if path.is_file() else ResumableFile(path).size


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Download:
    """A download in progress."""

    def __init__(
        self, file: ModelFile, target: Path, progress: DownloadProgress | None, patience: Patience
    ) -> None:
        self._file = file
        self._target = target
        self._part = ResumableFile(target)
        self._progress = progress
        self._patience = patience
        self._timeouts = Timeouts(patience.connect_s, patience.read_s)

    def run(self) -> None:
        """Download until the checksum is correct.

        Raises TemporaryFailure and PermanentFailure, and ModelError for errors of the disk.
        """
        tries, farthest, wrong = 0, self._part.size, 0
        while True:
            try:
                # The part may be complete: its process was killed before the commit, or the connection was cut after
                # the last byte.
                if not self._complete():
                    self._transfer()
                if self._complete():
                    with self._on_disk():
                        self._part.commit()
                    return
                digest = checksum(self._part.part)
                self._part.discard()
                wrong += 1
                if wrong == 2:
                    raise PermanentFailure(
                        f"{self._file.address} is a different file (its SHA-256 is {digest})"
                    )
            except RangeUnavailable:
                self._part.discard()  # the next try requests the whole file
            except TemporaryFailure as failure:
                tries = 1 if self._part.size >= farthest + PROGRESS_BYTES else tries + 1
                farthest = max(farthest, self._part.size)
                if tries >= self._patience.tries:
                    raise
                self._pause(max(self._patience.pause_s * 2 ** (tries - 1), failure.retry_after_s))

    def _complete(self) -> bool:
        with self._on_disk():
            return self._part.size > 0 and checksum(self._part.part) == self._file.sha256

    def _transfer(self) -> None:
        start, version = self._part.size, self._part.version
        self._report(start, self._file.size)
        with get(self._file.address, start, version, self._timeouts) as answer:
            with self._on_disk():
                if answer.start == 0:
                    self._part.restart(answer.validator)
                part = self._part.append()
            done, total = answer.start, self._file.size or answer.total or 0
            try:
                for chunk in answer.chunks:
                    with self._on_disk():
                        part.write(chunk)
                    done += len(chunk)
                    self._report(done, total)
                    if done > LARGEST:
                        self._part.discard()
                        raise PermanentFailure(f"{self._file.address} is larger than any model")
            finally:
                with self._on_disk():
                    part.close()
        # If the answer has no length, a cut connection looks like the end of the file.
        if done < (answer.total or self._file.size) and not self._complete():
            raise TemporaryFailure(
                f"the connection to {urlsplit(self._file.address).hostname} was interrupted"
            )

    @contextmanager
    def _on_disk(self) -> Iterator[None]:
        """Turn an OSError raised inside into a ModelError, and remove the partial file to free its space."""
        try:
            with report_cache_errors(self._target):
                yield
        except ModelError:
            with suppress(OSError):
                self._part.discard()
            raise

    def _report(self, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(min(done, total) if total else done, total)

    def _pause(self, seconds: float) -> None:
        """Wait, and report progress so that the caller can stop the download."""
        end = time.monotonic() + min(seconds, LONGEST_WAIT_S)
        while (left := end - time.monotonic()) > 0:
            self._report(self._part.size, self._file.size)
            time.sleep(min(left, 0.2))
