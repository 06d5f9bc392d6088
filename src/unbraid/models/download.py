"""Downloads that can be trusted and go on after a cut: checksum, resumption, patience, one process at a time."""

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
from unbraid.models.cache import locked, writing
from unbraid.models.http import Lasting, NoSuchRange, Passing, Timeouts, get

MIRROR = "UNBRAID_MIRROR"  # environment: the base address that takes the place of the published one
OFFLINE = "UNBRAID_OFFLINE"  # environment: 1 for never touching the network

WORTH = 1 << 20  # bytes that have to come through for a failed try not to count
LARGEST = 1 << 30  # bytes: six times the largest published file
LONGEST_WAIT_S = 60.0  # between two tries, even if the server asks for more

# (bytes done, bytes in all; 0 where that isn't known)
DownloadProgress = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file to download."""

    url: str
    sha256: str
    """Of the whole file, in hexadecimal."""
    size: int = 0
    """Bytes; for what is shown alone, as the checksum decides. 0 where it isn't known."""
    source: str | None = None
    """The stem that it is for; None: all."""

    @property
    def name(self) -> str:
        """Name of the file on disk."""
        return urlsplit(self.url).path.rsplit("/", 1)[-1]

    @property
    def address(self) -> str:
        """Where it is downloaded from: `url`, or the same name on the mirror."""
        mirror = os.environ.get(MIRROR)
        return f"{mirror.rstrip('/')}/{self.name}" if mirror else self.url


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to hope: tries in a row without progress, the pause after the first (doubled for each of the others),
    seconds until a connection has to stand, and until the next bytes have to come."""

    tries: int = 5
    pause_s: float = 1.0
    connect_s: float = 5.0
    read_s: float = 30.0


PATIENT = Patience()
ONE_QUICK_TRY = Patience(tries=1, connect_s=3.0, read_s=10.0)


class DownloadError(ModelError):
    """A download failed.

    `subject` is the model or the file, `cause` the reason without advice ("no network"). `files` are missing in the
    folder `into`.
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
    """The file, whole and verified, in the folder `into`: found there, as somebody may have put it, or downloaded.

    Where a download stops, by whatever `progress` raises too, the next call goes on. Raises DownloadError, and
    ModelError when `into` can't be written to.
    """
    target = into / file.name

    def report() -> None:
        if progress is not None:
            progress(min(bytes_here(file, into), file.size or LARGEST), file.size)

    with locked(target, waiting=report):
        wrong = _what_is_wrong(target, file) if target.is_file() else ""
        if target.is_file() and not wrong:
            report()
            return target
        try:
            if os.environ.get(OFFLINE, "0") not in ("", "0"):
                raise Lasting(f"{OFFLINE} is set")
            _Download(file, target, progress, patience).run()
        except (Passing, Lasting) as problem:
            raise DownloadError(file.name, f"{wrong}{problem}", [file], into) from problem
    return target


def _what_is_wrong(target: Path, file: ModelFile) -> str:
    """Why what lies there can't be used; empty when it can."""
    try:
        found = checksum(target)
    except OSError as error:
        return f"{target} can't be read ({error.strerror}), and "
    return "" if found == file.sha256 else f"{target} is not that file (its SHA-256 is {found}), and "


def bytes_here(file: ModelFile, into: Path) -> int:
    """How much of the file is in the folder."""
    for path in (into / file.name, _part_of(into / file.name)):
        if path.is_file():
            return path.stat().st_size
    return 0


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _part_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


class _Download:
    """One file on its way: FILE.part holds what came so far, FILE.part.version which version of it that is."""

    def __init__(
        self, file: ModelFile, target: Path, progress: DownloadProgress | None, patience: Patience
    ) -> None:
        self._file = file
        self._target = target
        self._part = _part_of(target)
        self._version = target.with_name(f"{target.name}.part.version")
        self._progress = progress
        self._patience = patience
        self._timeouts = Timeouts(patience.connect_s, patience.read_s)

    def run(self) -> None:
        """Download until the checksum fits. Raises Passing and Lasting, and ModelError for the disk."""
        tries, farthest, wrong = 0, self._size(), 0
        while True:
            try:
                # A part may be complete: its process was killed just then, or the server cut after the last byte.
                if not self._complete():
                    self._transfer()
                if self._complete():
                    with self._on_disk():
                        self._part.replace(self._target)
                        self._version.unlink(missing_ok=True)
                    return
                found = checksum(self._part)
                self._discard()
                wrong += 1
                if wrong == 2:
                    raise Lasting(f"{self._file.address} is another file (its SHA-256 is {found})")
            except NoSuchRange:
                self._discard()  # the next try asks for all of it
            except Passing as problem:
                tries = 1 if self._size() >= farthest + WORTH else tries + 1
                farthest = max(farthest, self._size())
                if tries >= self._patience.tries:
                    raise
                self._pause(max(self._patience.pause_s * 2 ** (tries - 1), problem.wait_s))

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.is_file() else 0

    def _complete(self) -> bool:
        with self._on_disk():
            return self._size() > 0 and checksum(self._part) == self._file.sha256

    def _transfer(self) -> None:
        begun = self._size()
        version = self._version.read_text("utf-8", "replace") if self._version.is_file() else ""
        if not version.isprintable():  # a crash of the machine may leave anything
            version = ""
        self._tell(begun, self._file.size)
        with get(self._file.address, begun, version, self._timeouts) as answer:
            if answer.start == 0:
                self._discard()
            with self._on_disk():
                if answer.start == 0 and answer.validator:
                    self._version.write_text(answer.validator, "utf-8")
                part = self._part.open("ab")
            done, total = answer.start, self._file.size or answer.total or 0
            try:
                for chunk in answer.chunks:
                    with self._on_disk():
                        part.write(chunk)
                    done += len(chunk)
                    self._tell(done, total)
                    if done > LARGEST:
                        self._discard()
                        raise Lasting(f"{self._file.address} doesn't end")
            finally:
                with self._on_disk():
                    part.close()
        # Where an answer says no length, a cut looks like the end.
        if done < (answer.total or self._file.size) and not self._complete():
            raise Passing(f"the connection to {urlsplit(self._file.address).hostname} broke off")

    @contextmanager
    def _on_disk(self) -> Iterator[None]:
        """Inside, what the system refuses is a ModelError, and what came so far makes room."""
        try:
            with writing(self._target):
                yield
        except ModelError:
            with suppress(OSError):
                self._discard()
            raise

    def _tell(self, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(min(done, total) if total else done, total)

    def _pause(self, seconds: float) -> None:
        """Wait, and let the caller say stop meanwhile."""
        end = time.monotonic() + min(seconds, LONGEST_WAIT_S)
        while (left := end - time.monotonic()) > 0:
            self._tell(self._size(), self._file.size)
            time.sleep(min(left, 0.2))

    def _discard(self) -> None:
        self._part.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)
