"""A file that is written in several attempts, even by different processes, and appears when it is complete."""

from __future__ import annotations

from pathlib import Path
from typing import IO


class ResumableFile:
    """A partial file for `path`: NAME.part until `commit`. NAME.part.version holds the version of the whole file.

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
        """Version of the whole file; empty if unknown."""
        version = self._version.read_text("utf-8", "replace") if self._version.is_file() else ""
        return (
            version if version.isprintable() else ""
        )  # after a crash of the machine, it may contain anything

    def restart(self, version: str) -> None:
        """Remove the bytes so far, and set the version of the whole file."""
        self.discard()
        if version:
            self._version.write_text(version, "utf-8")

    def append(self) -> IO[bytes]:
        """Open the part for appending."""
        return self.part.open("ab")

    def commit(self) -> None:
        """Move the complete file to `path`, over an older one."""
        self.part.replace(self.path)
        self._version.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove the part."""
        self.part.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)
