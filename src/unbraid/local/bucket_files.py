"""Files on their way between the web app and a bucket."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from unbraid.files.workfolder import WorkFolder
from unbraid.jobs.media import MEDIA_TYPES, OTHER
from unbraid.local.files import KEY, explained, write_whole
from unbraid.s3.files import S3Files

BLOCK = 1 << 18


@dataclass(frozen=True)
class StoredFile:
    """A file in the bucket, or a range of it."""

    size: int
    """Bytes of the content: those of the range, if one was asked for."""
    etag: str
    modified: datetime
    content_range: str | None
    """The header Content-Range; None: the whole file."""
    body: Any

    @classmethod
    def of(cls, answer: Any) -> StoredFile:
        return cls(
            int(answer["ContentLength"]),
            answer["ETag"],
            answer["LastModified"].astimezone(UTC),
            answer.get("ContentRange"),
            answer.get("Body"),
        )

    def blocks(self) -> Iterator[bytes]:
        """Yield the content."""
        with contextlib.closing(self.body) as body:
            yield from iter(partial(body.read, BLOCK), b"")


class SpooledFile:
    """A file on the local disk that is stored at `commit`; leaving the `with` block before removes it."""

    def __init__(self, store: S3Files, key: str, folder: Path) -> None:
        if not KEY.fullmatch(key):
            raise ValueError("not a key")
        self._store, self._key = store, key
        with explained():
            self._folder = WorkFolder(folder)  # removed with the next one if this process is killed
            self._path = self._folder.path / "song"
            self._file = self._path.open("wb", buffering=0)

    def write(self, data: bytes) -> None:
        """Append. Raises OutputError."""
        write_whole(self._file, data)

    def commit(self) -> None:
        """Store the file. Raises OutputError, Unavailable."""
        kind = MEDIA_TYPES.get(Path(self._key).suffix[1:], OTHER)
        self._store.put(self._path, self._key, kind)

    def __enter__(self) -> SpooledFile:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._file.close()
        self._folder.remove()
