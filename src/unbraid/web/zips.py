"""Stream all files of a song as one zip archive. Audio is stored uncompressed, since it barely compresses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from fastapi import Response
from starlette.responses import StreamingResponse
from zipstream import ZIP_STORED, ZipStream  # type: ignore[import-untyped]

from unbraid.errors import SessionNotFound
from unbraid.jobs.status import title, with_parts
from unbraid.local.file_store import FileStore
from unbraid.local.files import FolderStore
from unbraid.local.links import Grant
from unbraid.web.context import Context

if TYPE_CHECKING:
    from unbraid.local.bucket import BucketStore


def zip_response(grant: Grant, context: Context) -> Response:
    """An archive with entries `SONG/STEM.wav`, the layout of the command line. Raises SessionNotFound."""
    session = context.service.get(
        PurePosixPath(grant.key).parts[1], shared=True
    )  # the link is the permission
    archive = ZipStream(compress_type=ZIP_STORED, sized=True)
    folder = title(session).replace("/", "_").strip(". ") or "song"
    for output in with_parts(session, context.service.splits(session)):
        try:
            _add(archive, context.store, output.key, f"{folder}/{output.filename}")
        except FileNotFoundError:
            raise SessionNotFound("The stems of this song were deleted. Upload it again.") from None
    headers = {
        "Content-Length": str(len(archive)),
        "Content-Disposition": f"attachment; filename*=utf-8''{quote(grant.filename or 'stems.zip')}",
    }
    return StreamingResponse(_blocks(archive), media_type="application/zip", headers=headers)


def _add(archive: ZipStream, store: FileStore, key: str, name: str) -> None:
    """Add a file of the store, which is read when its turn comes. Raises FileNotFoundError."""
    if isinstance(store, FolderStore):
        path = store.path(key)
        path.stat()
        archive.add_path(path, name)
        return
    from unbraid.local.bucket import BucketStore  # boto3 is an extra

    assert isinstance(store, BucketStore)
    archive.add(_content(store, key), name, size=store.describe(key).size)


def _content(store: BucketStore, key: str) -> Iterator[bytes]:
    yield from store.open(key).blocks()


def _blocks(archive: ZipStream) -> Iterator[bytes]:
    yield from archive
