"""What the web app needs of a store for files, beyond the rules of sessions."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, Self

from unbraid.jobs.ports import ObjectStore
from unbraid.local.links import Links


class NewFile(Protocol):
    """A file that is being received. It has its key after `commit`; leaving the `with` block before removes it."""

    def write(self, data: bytes) -> None:
        """Append. Raises OutputError."""
        ...

    def commit(self) -> None:
        """Publish the file. Raises OutputError; FileNotFoundError if the session was deleted meanwhile."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_exception: object) -> None: ...


class FileStore(ObjectStore, Protocol):
    """An ObjectStore whose links lead to the web app, which receives and sends the files."""

    links: Links

    def write(self, key: str) -> NewFile:
        """Start to write the file for `key`. Raises OutputError."""
        ...

    def writable_bytes(self) -> int:
        """Return how many bytes of an upload fit on the disk of the server."""
        ...

    def scratch(self) -> AbstractContextManager[str | Path]:
        """Create a temporary folder."""
        ...

    def keep_newest(self, prefix: str, count: int) -> None:
        """Delete all but the newest `count` files of a folder `KIND/ID/`."""
        ...

    def clear_parts(self, older_than_s: float = 3600) -> int:
        """Remove what killed processes have left, and return the number of unfinished files."""
        ...
