"""A file that is written in several attempts, also by different processes, and appears when it is complete."""

from __future__ import annotations

from pathlib import Path
from typing import IO


class ResumableFile:
    """A file for `path`: NAME.part until `commit`. NAME.part.version says which version of the file it is a part of.

    Only one process may use it at a time. Raises OSError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(f"{path.name}.part")
        self._version = path.with_name(f"{path.name}.part.version")

    @property
    def size(self) -> int:
        """Number of bytes so far."""
        return self.part.stat().st_size if self.part.is_file() else 0

    @property
    def version(self) -> str:
        """Version of the file that the bytes are part of; empty if unknown."""
        version = self._version.read_text("utf-8", "replace") if self._version.is_file() else ""
        return version if version.isprintable() else ""  # a crash of the machine may leave any bytes

    def restart(self, version: str) -> None:
        """Remove the bytes so far, and set the version of the next ones."""
        self.discard()
        if version:
            self._version.write_text(version, "utf-8")

    def append(self) -> IO[bytes]:
        """Open the part for appending."""
        return self.part.open("ab")

    def commit(self) -> None:
        """Put the complete file at `path`, over an older one."""
        self.part.replace(self.path)
        self._version.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove the part."""
        self.part.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)
