"""Download a file from one address: verified by checksum, and resumed after an interruption."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from unbraid.errors import ModelError
from unbraid.files.resumable import ResumableFile
from unbraid.models.cache import report_cache_errors
from unbraid.models.http import PermanentFailure, RangeUnavailable, TemporaryFailure, Timeouts, get
from unbraid.models.published import ModelFile

OFFLINE = "UNBRAID_OFFLINE"  # environment variable: 1 to never use the network

PROGRESS_BYTES = 1 << 20  # a failed try that received this much resets the number of tries
LARGEST = 1 << 31  # bytes; the largest published file has 1.7 GB
LONGEST_WAIT_S = 60.0  # between two tries, even if the server asks for more

# Callback with the bytes so far and the total (0 if unknown).
DownloadProgress = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to retry a download."""

    tries: int = 5
    """Number of tries in a row without progress before giving up an address."""
    pause_s: float = 1.0
    """Pause after the first failed try; it doubles with every further one."""
    connect_s: float = 5.0
    """Time limit for a connection."""
    read_s: float = 30.0
    """Time limit for the next bytes."""
    silence_s: float = float("inf")
    """Time limit for all addresses that send nothing, together."""
    slowest: float = 0.0
    """Bytes per second over `read_s` below which an address is given up."""


PATIENT = Patience()
ONE_QUICK_TRY = Patience(tries=1, connect_s=2.5, read_s=5.0, silence_s=4.0, slowest=20_000)
"""For `auto`, which has other models. Two models whose sources don't answer take 8 s."""


def download(
    file: ModelFile, address: str, target: Path, progress: DownloadProgress | None, patience: Patience
) -> None:
    """Download from one address. Raises TemporaryFailure, PermanentFailure, and ModelError for errors of the disk."""
    _Download(file, address, target, progress, patience).run()


def check_online() -> None:
    """Raise PermanentFailure if the user has forbidden downloads."""
    if offline():
        raise PermanentFailure(f"{OFFLINE} is set")


def offline() -> bool:
    """Whether the user has forbidden downloads."""
    return os.environ.get(OFFLINE, "0") not in ("", "0")


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Download:
    """A download in progress."""

    def __init__(
        self,
        file: ModelFile,
        address: str,
        target: Path,
        progress: DownloadProgress | None,
        patience: Patience,
    ) -> None:
        self._file = file
        self._address = address
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
                arrived = False
                if not self._complete():
                    arrived = self._transfer()
                # Of a file without a known checksum, only the server says that it is complete.
                if self._complete() or (arrived and not self._file.sha256):
                    with self._on_disk():
                        self._part.commit()
                    return
                digest = checksum(self._part.part)
                self._part.discard()
                wrong += 1
                if wrong == 2:
                    raise PermanentFailure(f"{self._address} is a different file (its SHA-256 is {digest})")
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

    def _transfer(self) -> bool:
        """Receive the rest of the file. Return whether the server said how long the file is."""
        start, version = self._part.size, self._part.version
        self._report(start, self._file.size)
        with get(self._address, start, version, self._timeouts) as answer:
            with self._on_disk():
                if answer.start == 0:
                    self._part.restart(answer.validator)
                part = self._part.append()
            done, total = answer.start, self._file.size or answer.total or 0
            pace = _Pace(self._patience, urlsplit(self._address).hostname or "", done)
            try:
                for chunk in answer.chunks:
                    with self._on_disk():
                        part.write(chunk)
                    done += len(chunk)
                    self._report(done, total)
                    pace.check(done)
                    if done > LARGEST:
                        self._part.discard()
                        raise PermanentFailure(f"{self._address} is larger than any model")
            finally:
                with self._on_disk():
                    part.close()
        # If the answer has no length, a cut connection looks like the end of the file.
        if done < (answer.total or self._file.size) and not self._complete():
            raise TemporaryFailure(f"the connection to {urlsplit(self._address).hostname} was interrupted")
        return bool(answer.total or self._file.size)

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


class _Pace:
    """Speed of a download from `host`, measured in windows of `patience.read_s`."""

    def __init__(self, patience: Patience, host: str, done: int) -> None:
        self._patience = patience
        self._host = host
        self._since, self._done = time.monotonic(), done

    def check(self, done: int) -> None:
        """Raise TemporaryFailure if too few bytes arrived in the last window. `done`: bytes so far."""
        elapsed = time.monotonic() - self._since
        if elapsed < self._patience.read_s:
            return
        speed = (done - self._done) / elapsed
        if speed < self._patience.slowest:
            raise TemporaryFailure(f"{self._host} sends only {speed / 1000:.0f} kB/s")
        self._since, self._done = time.monotonic(), done
