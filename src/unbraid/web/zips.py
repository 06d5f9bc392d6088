"""All files of a song in one archive, made while it is sent. Sound doesn't get smaller: it is stored as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import quote

from fastapi import Response
from starlette.responses import StreamingResponse
from zipstream import ZIP_STORED, ZipStream  # type: ignore[import-untyped]

from unbraid.errors import SessionNotFound
from unbraid.jobs.status import title
from unbraid.local.links import Grant
from unbraid.web.context import Context


def zip_response(grant: Grant, context: Context) -> Response:
    """The archive `SONG/STEM.wav`, as the command line lays files out. Raises SessionNotFound."""
    session = context.service.get(PurePosixPath(grant.key).parts[1])
    archive = ZipStream(compress_type=ZIP_STORED, sized=True)
    folder = title(session).replace("/", "_").strip(". ") or "song"
    for output in session.outputs:
        path = context.store.path(output.key)
        if not path.is_file():
            raise SessionNotFound("The stems of this song are not here any more.")
        archive.add_path(path, f"{folder}/{output.filename}")
    headers = {
        "Content-Length": str(len(archive)),
        "Content-Disposition": f"attachment; filename*=utf-8''{quote(grant.filename or 'stems.zip')}",
    }
    return StreamingResponse(_blocks(archive), media_type="application/zip", headers=headers)


def _blocks(archive: ZipStream) -> Iterator[bytes]:
    yield from archive
