"""Hidden folders for unfinished work. Each is locked by its process; folders of killed processes are removed.

The lock is the kernel's (flock on the folder itself), which releases it when the process ends, even if it is killed.
Some network file systems don't share such locks between machines, so a folder from another machine is removed only
after a day without changes.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import tempfile
import time
import zlib
from contextlib import suppress
from pathlib import Path

PREFIX = f".unbraid-{zlib.crc32(platform.node().encode()):08x}-"
_NAME = re.compile(r"\.unbraid-[0-9a-f]{8}-[a-z0-9_]{8}")  # with the suffix of tempfile.mkdtemp
ABANDONED_AFTER_S = 24 * 3600


class WorkFolder:
    """A new hidden folder in `parent`. `remove`, or leaving the `with` block, removes it. Raises OSError."""

    def __init__(self, parent: Path) -> None:
        clear_abandoned(parent)
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
            # Before it is locked, another process may consider it abandoned and remove it. Then try again.
            with suppress(FileNotFoundError):
                self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
                with suppress(OSError):  # a file system without locks
                    fcntl.flock(self._lock, fcntl.LOCK_EX)
                if self.path.exists():
                    return
                os.close(self._lock)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove the folder, then release its lock."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def clear_abandoned(parent: Path) -> None:
    """Remove the work folders in `parent` that belong to ended processes."""
    with suppress(OSError):
        # Names instead of paths: beside 5000 song folders, 2 instead of 4 ms for every song.
        names = [name for name in os.listdir(parent) if _NAME.fullmatch(name)]  # noqa: PTH208
        for path in map(parent.joinpath, names):
            if path.name.startswith(PREFIX) or _is_unchanged(path):
                with suppress(OSError):  # locked, or removed by another process meanwhile
                    _remove_unlocked(path)


def _remove_unlocked(path: Path) -> None:
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)


def _is_unchanged(path: Path) -> bool:
    """Whether nothing in the folder has changed for ABANDONED_AFTER_S."""
    with suppress(OSError):
        newest = max(inside.lstat().st_mtime for inside in (path, *path.rglob("*")))
        return time.time() - newest > ABANDONED_AFTER_S
    return False
