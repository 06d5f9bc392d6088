"""Answer with one file of the store, or a range of it."""

from __future__ import annotations

import re
from email.utils import format_datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from fastapi import Request, Response
from starlette.responses import FileResponse, StreamingResponse

from unbraid.api.attachment import attachment
from unbraid.jobs.media import MEDIA_TYPES, OTHER
from unbraid.local.file_store import FileStore
from unbraid.local.files import FolderStore
from unbraid.local.links import Grant

if TYPE_CHECKING:  # boto3 is an extra
    from unbraid.local.bucket import BucketStore

# One range, as players ask for. The whole file answers any other header (RFC 9110, 14.2).
ONE_RANGE = re.compile(r"bytes=(\d+-\d*|-\d+)", re.ASCII)


def file_response(store: FileStore, grant: Grant, request: Request) -> Response:
    """Return the answer with the file of a link. Raises FileNotFoundError, Unavailable."""
    media_type = MEDIA_TYPES.get(PurePosixPath(grant.key).suffix[1:], OTHER)
    if isinstance(store, FolderStore):
        path = store.path(grant.key)
        return FileResponse(path, media_type=media_type, filename=grant.filename, stat_result=path.stat())
    from unbraid.local.bucket import BucketStore

    assert isinstance(store, BucketStore)
    response = _streamed(store, grant, request)
    if "content-type" not in response.headers:
        response.headers["Content-Type"] = media_type
    return response


def _streamed(store: BucketStore, grant: Grant, request: Request) -> Response:
    byte_range = _range(store, grant.key, request)
    try:
        file = store.describe(grant.key) if request.method == "HEAD" else store.open(grant.key, byte_range)
    except ValueError:
        size = store.describe(grant.key).size
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(file.size),
        "ETag": file.etag,
        "Last-Modified": format_datetime(file.modified, usegmt=True),
    }
    if file.content_range is not None:
        headers["Content-Range"] = file.content_range
    if grant.filename is not None:
        headers["Content-Disposition"] = attachment(grant.filename)
    if request.method == "HEAD":
        return Response(headers=headers)
    status = 200 if file.content_range is None else 206
    return StreamingResponse(file.blocks(), status, headers)


def _range(store: BucketStore, key: str, request: Request) -> str | None:
    """The range that the client asks for, if the file is still the one that it has a part of."""
    header = request.headers.get("range", "")
    if not ONE_RANGE.fullmatch(header):
        return None
    if (known := request.headers.get("if-range")) is not None:
        file = store.describe(key)
        if known not in (file.etag, format_datetime(file.modified, usegmt=True)):
            return None
    return header
