"""Uploads and downloads by signed link. Files are streamed, never held in memory as a whole and never parsed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse

from unbraid.errors import (
    Busy,
    Forbidden,
    InputError,
    SessionNotFound,
    StorageFull,
    TooLarge,
    UnbraidError,
    UnsupportedMedia,
    http_status,
)
from unbraid.jobs.session import State
from unbraid.local.file_store import NewFile
from unbraid.local.files import KEY
from unbraid.local.links import Grant, LinkAltered, LinkExpired
from unbraid.web.context import ZIPS, Context, Ctx
from unbraid.web.description import DOWNLOAD, UPLOAD
from unbraid.web.downloads import file_response
from unbraid.web.problems import problem
from unbraid.web.zips import zip_response

BLOCK = 1 << 20  # bytes per write
# An upload that sends fewer than MIN_BYTES within IDLE_S is aborted: 1 KB/s, slower than any mobile network.
IDLE_S = 60.0
MIN_BYTES = 60 << 10
MAX_DRAIN_BYTES = 8 << 20  # of a refused upload are still read, so that the client receives the answer

DISK_FULL = "The disk of this server is full. Delete songs that you no longer need, or try again later."
INTERRUPTED = "The upload was interrupted. Send the file again."
STALLED = "The upload stalled. Send the file again."
GONE = "This file has expired or was deleted. Upload the song again."

router = APIRouter(prefix="/files", tags=["files"])


@router.put("/{key:path}", response_class=Response, openapi_extra=UPLOAD)
async def upload(key: str, request: Request, context: Ctx) -> Response:
    """Upload a song to the link that `POST /upload` returned."""
    try:
        await _receive(_check_link(key, request, context), request, context)
    except ClientDisconnect:
        return problem(400, INTERRUPTED)
    except TimeoutError:
        return problem(408, STALLED, headers={"Connection": "close"})
    except UnbraidError as error:
        await _drain(request)
        return problem(http_status(error), error.message, headers={"Connection": "close"})
    return Response()


@router.get("/{key:path}", response_class=FileResponse, openapi_extra=DOWNLOAD)
@router.head("/{key:path}", response_class=FileResponse, openapi_extra=DOWNLOAD, operation_id="files_head")
async def download(key: str, request: Request, context: Ctx) -> Response:
    """Download a file from the link in a status. `Range` is supported."""
    grant = _check_link(key, request, context)
    if key.startswith(f"{ZIPS}/"):
        response = await to_thread.run_sync(zip_response, grant, context)
    else:
        response = await to_thread.run_sync(_file, grant, context, request)
    # The link is the permission: a page of any origin that has it may also play the file.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _check_link(key: str, request: Request, context: Context) -> Grant:
    try:
        return context.store.links.check(request.method, key, request.query_params)
    except LinkAltered:
        raise Forbidden("This link is incomplete or was changed. Reload the song to get a new one.") from None
    except LinkExpired:
        raise SessionNotFound("This link has expired. Reload the song to get a new one.") from None


def _file(grant: Grant, context: Context, request: Request) -> Response:
    if not KEY.fullmatch(grant.key):
        raise SessionNotFound(GONE)
    try:
        return file_response(context.store, grant, request)
    except FileNotFoundError:
        raise SessionNotFound(GONE) from None


async def _receive(grant: Grant, request: Request, context: Context) -> None:
    """Store the body atomically; after an error no part of it remains."""
    await to_thread.run_sync(_check_awaiting, grant, context)
    if grant.content_type not in ("", request.headers.get("content-type", "")):
        raise UnsupportedMedia(
            f"This link accepts only {grant.content_type}, the fileType of the upload. Send it as Content-Type."
        )
    length = request.headers.get("content-length")
    declared = int(length or 0)
    _check_size(declared, grant, context)
    if length is not None:
        _check_exact(declared, grant)
    check_free_space(declared, context)
    with await to_thread.run_sync(context.store.write, grant.key) as part:
        size = await write_body(request, context, part, lambda size: _check_size(size, grant, context))
        _check_exact(size, grant)
        # During the upload the session may have been deleted, or started with another copy of the song.
        await to_thread.run_sync(_check_awaiting, grant, context)
        try:
            await to_thread.run_sync(part.commit)
        except FileNotFoundError:
            raise SessionNotFound(GONE) from None


async def write_body(
    request: Request, context: Context, file: NewFile, check_size: Callable[[int], None]
) -> int:
    """Write the body into `file`, and return its bytes. `check_size` is called with the bytes so far.

    Raises StorageFull, OutputError, what `check_size` raises, TimeoutError if the body stalls, ClientDisconnect.
    """
    size, block = 0, bytearray()
    async for chunk in _chunks(request):
        size += len(chunk)
        check_size(size)
        block += chunk
        if len(block) >= BLOCK:
            check_free_space(len(block), context)  # other uploads use the disk too
            await to_thread.run_sync(file.write, bytes(block))
            block.clear()
    await to_thread.run_sync(file.write, bytes(block))
    return size


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    """The body in chunks. Raises TimeoutError if it stalls (see MIN_BYTES), ClientDisconnect."""
    stream = aiter(request.stream())
    clock = asyncio.get_running_loop().time
    deadline, received = clock() + IDLE_S, 0
    while True:
        async with asyncio.timeout_at(deadline):
            chunk = await anext(stream, None)
        if chunk is None:
            return
        received += len(chunk)
        if received >= MIN_BYTES:
            deadline, received = clock() + IDLE_S, 0
        yield chunk


async def _drain(request: Request) -> None:
    """Read the rest of a refused upload: closing while the client still sends would lose the answer."""
    if request.headers.get("expect", "").lower() == "100-continue":
        return  # the client waits for the answer before it sends
    left = MAX_DRAIN_BYTES
    try:
        async for chunk in _chunks(request):
            left -= len(chunk)
            if left <= 0:
                return
    except (ClientDisconnect, TimeoutError, RuntimeError):  # RuntimeError: the body has been read
        return


def _check_size(size: int, grant: Grant, context: Context) -> None:
    max_bytes = context.service.limits.max_bytes
    if size > max_bytes:
        raise TooLarge(f"This file is too large. The limit is {_size(max_bytes)}.")
    if grant.size is not None and size > grant.size:
        raise TooLarge(f"This link accepts {grant.size} bytes, as announced. Start a new upload.")
    if size > grant.max_bytes:  # smaller than the limit if the disk had less space
        raise StorageFull(DISK_FULL)


def _check_exact(size: int, grant: Grant) -> None:
    """Check that the upload has the size that its link is signed for. Raises InputError."""
    if grant.size is not None and size != grant.size:
        raise InputError(f"The upload has {size} bytes instead of {grant.size}. Send it again.")


def check_free_space(more: int, context: Context) -> None:
    """Check that the disk has space for `more` bytes, and for the stems of other songs. Raises StorageFull."""
    if more > context.store.writable_bytes() - context.service.limits.keep_free_bytes:
        raise StorageFull(DISK_FULL)


def _size(count: int) -> str:
    return f"{count >> 20} MB" if count >> 20 else f"{count} bytes"


def _check_awaiting(grant: Grant, context: Context) -> None:
    """Check that the session still waits for its upload. Raises Busy, SessionNotFound."""
    session = context.service.get(grant.key.split("/")[1])
    joined = session.uploaded and grant.key != session.input_key
    if session.state != State.AWAITING_UPLOAD or joined:
        cancelled = session.state == State.CANCELLED
        reason = "This upload was cancelled" if cancelled else "This song has been uploaded already"
        raise Busy(f"{reason}. Start a new upload.")
