"""The object store of one machine: a folder, with signed links to the web app (see `links`).

A key is KIND/ID/NAME, made by `jobs`, and contains no text of a user. Files are written atomically.
"""

from __future__ import annotations

import contextlib
import errno
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from unbraid.errors import OutputError
from unbraid.files.atomic import PART, AtomicFile
from unbraid.files.oserrors import write_cause, write_problem
from unbraid.jobs import messages
from unbraid.jobs.sessions import FOLDER, KINDS
from unbraid.local.links import LinkedStore, Links, part_key

KEY = re.compile(FOLDER.pattern + r"[A-Za-z0-9_-][A-Za-z0-9._+-]{0,100}", re.ASCII)
ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_NO_HARD_LINKS = {errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}


class FolderStore(LinkedStore):
    """An ObjectStore in the folder `root`, which is created. Raises OutputError if that fails."""

    def __init__(self, root: Path, links: Links) -> None:
        self.root = root
        self.links = links
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _explain(error) from error

    def path(self, key: str) -> Path:
        """Return the path for `key`, whether or not the file exists. Raises ValueError for an invalid key."""
        if not KEY.fullmatch(key):
            raise ValueError("not a key")
        return self.root / key

    def size(self, key: str) -> int | None:
        """Return the size in bytes; None if there is no such file."""
        try:
            return self.path(key).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def head(self, key: str, count: int) -> bytes:
        """Read the first `count` bytes. Raises FileNotFoundError."""
        with self.path(key).open("rb") as file:
            return file.read(count)

    @contextlib.contextmanager
    def local_file(self, key: str) -> Iterator[Path]:
        """Yield the path of the file. Raises FileNotFoundError."""
        path = self.path(key)
        path.stat()
        yield path

    def put(self, file: Path, key: str, content_type: str) -> None:
        """Move `file` into the store, or copy it from another file system. Raises OutputError."""
        place = self.path(key)
        try:
            # The folder doesn't exist yet, or is being deleted.
            with contextlib.suppress(FileNotFoundError):
                file.replace(place)
                return
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.replace(place)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise _explain(error) from error
            with explained(), self.write(key) as part, file.open("rb") as source:
                while block := source.read(1 << 20):
                    part.write(block)
                part.commit()

    def copy(self, source: str, target: str) -> None:
        """Give the file a second name on disk, which takes no space. Raises FileNotFoundError, OutputError."""
        file, place = self.path(source), self.path(target)
        file.stat()
        with explained():
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            link = place.with_name(PART + secrets.token_hex(8))  # so that calls at the same time succeed
            try:
                link.hardlink_to(file)
                link.replace(place)
                return
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS:
                    raise
            finally:
                link.unlink(missing_ok=True)  # it stays if `place` was the same file already
            # The file system has no hard links.
            with self.write(target) as part, file.open("rb") as original:
                while block := original.read(1 << 20):
                    part.write(block)
                part.commit()

    def write(self, key: str) -> Part:
        """Start to write the file for `key`; it appears when it is committed. Raises OutputError."""
        return Part(self.path(key))

    def parts(self, key: str, upload_id: str) -> dict[int, int]:
        """Return the size of each part by number."""
        prefix, sizes = part_key(key, upload_id, "").rpartition("/")[2], dict[int, int]()
        with contextlib.suppress(FileNotFoundError):
            for path in self.path(key).parent.iterdir():
                number = path.name.removeprefix(prefix)
                if path.name != number:
                    with contextlib.suppress(FileNotFoundError):  # joined meanwhile
                        sizes[int(number)] = path.stat().st_size
        return sizes

    def join_parts(self, key: str, upload_id: str, count: int) -> None:
        """Copy the parts into one file. Raises OutputError, FileNotFoundError."""
        with self.write(key) as whole:
            for number in range(1, count + 1):
                with self._part(key, upload_id, number).open("rb") as part:
                    while block := part.read(1 << 20):
                        whole.write(block)
            whole.commit()
        self.abort_parts(key, upload_id)

    def abort_parts(self, key: str, upload_id: str) -> None:
        """Delete all parts."""
        for number in self.parts(key, upload_id):
            self._part(key, upload_id, number).unlink(missing_ok=True)

    def _part(self, key: str, upload_id: str, number: int) -> Path:
        return self.path(part_key(key, upload_id, number))

    def delete(self, prefix: str) -> int:
        """Delete a folder `KIND/ID/` and return its number of complete files."""
        if not FOLDER.fullmatch(prefix):
            raise ValueError("not a folder of keys")
        folder = self.root / prefix
        # Rename it first, so that its files are unavailable immediately and no concurrent call counts them.
        deleted = self.root / f"{PART}{secrets.token_hex(8)}"
        try:
            folder.replace(deleted)
        except FileNotFoundError:
            return 0
        count = 0
        with contextlib.suppress(FileNotFoundError):  # removed by `clear_parts` meanwhile
            count = sum(not path.name.startswith(PART) for path in deleted.iterdir())
        shutil.rmtree(deleted, ignore_errors=True)
        return count

    def discard(self, keys: Sequence[str]) -> None:
        """Delete these files; missing ones are no error."""
        for key in keys:
            self.path(key).unlink(missing_ok=True)

    def session_ids(self) -> Iterator[str]:
        """Return the ids of all sessions with files in the store."""
        seen: set[str] = set()
        for kind in KINDS:
            with contextlib.suppress(FileNotFoundError):
                seen.update(path.name for path in (self.root / kind).iterdir())
        return (name for name in seen if ID.fullmatch(name))  # ignore foreign files

    def free_bytes(self) -> int:
        """Return the free space of the file system."""
        return shutil.disk_usage(self.root).free

    def writable_bytes(self) -> int:
        """Return how many bytes of an upload fit on the disk."""
        return self.free_bytes()

    def clear_parts(self, older_than_s: float = 3600) -> int:
        """Remove unfinished files and folders of killed processes, and return their number."""
        before, count = time.time() - older_than_s, 0
        for part in [*self.root.glob(f"{PART}*"), *self.root.glob(f"*/*/{PART}*")]:
            with contextlib.suppress(OSError):
                if part.stat().st_mtime < before:
                    shutil.rmtree(part) if part.is_dir() else part.unlink()
                    count += 1
                    if part.parent != self.root:
                        _drop_empty(part.parent)
        return count

    def scratch(self) -> tempfile.TemporaryDirectory[str]:
        """Create a temporary folder on the same disk. `clear_parts` removes the folders of killed processes."""
        return tempfile.TemporaryDirectory(prefix=PART, dir=self.root)

    def keep_newest(self, prefix: str, count: int) -> None:
        """Delete all but the newest `count` files of a folder `KIND/ID/`."""
        if not FOLDER.fullmatch(prefix):
            raise ValueError("not a folder of keys")
        with contextlib.suppress(FileNotFoundError):
            files = sorted(
                (self.root / prefix).iterdir(), key=lambda path: path.stat().st_mtime, reverse=True
            )
            for path in files[count:]:
                path.unlink(missing_ok=True)


class Part(AtomicFile):
    """A file that gets its key at `commit`; leaving the `with` block before removes it. Raises OutputError."""

    def __init__(self, path: Path) -> None:
        folder = path.parent
        with explained():
            while True:
                try:
                    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                    super().__init__(path, buffering=0)
                    return
                except (FileNotFoundError, FileExistsError):
                    # Another upload has just removed the empty folder, unless `folder` is not a folder.
                    if folder.exists() and not folder.is_dir():
                        raise

    def write(self, data: bytes) -> None:
        """Append. Raises OutputError."""
        write_whole(self.file, data)

    def commit(self, *, replace: bool = True) -> None:
        """Publish the file. Raises OutputError; FileNotFoundError if the session was deleted meanwhile."""
        try:
            super().commit(replace=replace)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _explain(error) from error

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        _drop_empty(self.path.parent)


def _drop_empty(folder: Path) -> None:
    """Remove a session's folder if it is empty."""
    with contextlib.suppress(OSError):
        folder.rmdir()


def write_whole(file: IO[bytes], data: bytes) -> None:
    """Write all of `data` to an unbuffered file, which may take it in pieces. Raises OutputError."""
    view = memoryview(data)
    with explained():
        while view:
            view = view[file.write(view) :]


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Convert an OSError to the OutputError for a user of the app."""
    try:
        yield
    except OSError as error:
        raise _explain(error) from error


def _explain(error: OSError) -> OutputError:
    """Return the error for a user of the app: it doesn't name the server's folders."""
    full = write_problem(error).is_lack_of_space
    return OutputError(messages.DISK_FULL if full else messages.file_not_stored(write_cause(error)))
