"""Songs come in and stems go out here, by signed links alone: in a stream, never whole in memory, never parsed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse

from unbraid.errors import (
    Busy,
    Forbidden,
    SessionNotFound,
    StorageFull,
    TooLarge,
    UnbraidError,
    UnsupportedMedia,
    http_status,
)
from unbraid.jobs.media import MEDIA_TYPES, OTHER
from unbraid.jobs.session import State
from unbraid.local.files import KEY
from unbraid.local.links import Grant, LinkAltered, LinkExpired
from unbraid.web.context import ZIPS, Context, Ctx
from unbraid.web.description import DOWNLOAD, UPLOAD
from unbraid.web.problems import problem
from unbraid.web.zips import zip_response

BLOCK = 1 << 20  # bytes that are written at once
IDLE_S = 60.0  # in which an upload has to send LEAST bytes, or all that is left of it, not to be given up
LEAST = 60 << 10  # 1 KB/s, slower than any telephone
SMALL = 8 << 20  # bytes of a refused upload that are still read, so that its sender hears why

NO_ROOM = "There is no room for this song. Delete songs that you no longer need, or try again later."
GONE = "This file is not here any more: it has expired, or was deleted."

router = APIRouter(prefix="/files", tags=["files"])


@router.put("/{key:path}", response_class=Response, openapi_extra=UPLOAD)
async def upload(key: str, request: Request, context: Ctx) -> Response:
    """Take a song, at a link that `POST /upload` gave."""
    try:
        await _receive(_granted(key, request, context), request, context)
    except ClientDisconnect:
        return problem(400, "The upload broke off. Send it again.")
    except TimeoutError:
        return problem(
            408, "The upload stood still for too long. Send it again.", headers={"Connection": "close"}
        )
    except UnbraidError as error:
        await _read_a_little_more(request)
        return problem(http_status(error), error.message, headers={"Connection": "close"})
    return Response()


@router.get("/{key:path}", response_class=FileResponse, openapi_extra=DOWNLOAD)
@router.head("/{key:path}", response_class=FileResponse, openapi_extra=DOWNLOAD, operation_id="files_head")
async def download(key: str, request: Request, context: Ctx) -> Response:
    """Give a file, at a link that a status has. `Range` is heeded."""
    grant = _granted(key, request, context)
    answer = zip_response if key.startswith(f"{ZIPS}/") else _file
    response = await to_thread.run_sync(answer, grant, context)
    # The link is the permission: whatever page has it may also play from it.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _granted(key: str, request: Request, context: Context) -> Grant:
    try:
        return context.store.links.check(request.method, key, request.query_params)
    except LinkAltered:
        raise Forbidden("This link is incomplete, or was changed. Ask for another.") from None
    except LinkExpired:
        raise SessionNotFound("This link has expired. Ask for another.") from None


def _file(grant: Grant, context: Context) -> Response:
    if not KEY.fullmatch(grant.key):
        raise SessionNotFound(GONE)
    path = context.store.path(grant.key)
    try:
        found = path.stat()
    except FileNotFoundError:
        raise SessionNotFound(GONE) from None
    media_type = MEDIA_TYPES.get(path.suffix[1:], OTHER)
    return FileResponse(path, media_type=media_type, filename=grant.filename, stat_result=found)


async def _receive(grant: Grant, request: Request, context: Context) -> None:
    """Write the body to its place. Whatever goes wrong, nothing of it is left."""
    await to_thread.run_sync(_check_awaited, grant, context)
    if grant.content_type not in ("", request.headers.get("content-type", "")):
        raise UnsupportedMedia(
            f"This link takes {grant.content_type}, as announced. Send that as Content-Type."
        )
    declared = int(request.headers.get("content-length", 0))
    _check_size(declared, grant, context)
    _check_room(declared, context)
    with await to_thread.run_sync(context.store.write, grant.key) as part:
        size, block = 0, bytearray()
        async for chunk in _patiently(request):
            size += len(chunk)
            _check_size(size, grant, context)
            block += chunk
            if len(block) >= BLOCK:
                _check_room(len(block), context)  # others upload too
                await to_thread.run_sync(part.write, bytes(block))
                block.clear()
        await to_thread.run_sync(part.write, bytes(block))
        # Meanwhile the session may have been deleted, or begun with another copy of the song.
        await to_thread.run_sync(_check_awaited, grant, context)
        try:
            await to_thread.run_sync(part.commit)
        except FileNotFoundError:
            raise SessionNotFound(GONE) from None


async def _patiently(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes. Raises TimeoutError where it stands still, or as good as that; ClientDisconnect."""
    stream = aiter(request.stream())
    clock = asyncio.get_running_loop().time
    until, came = clock() + IDLE_S, 0
    while True:
        async with asyncio.timeout_at(until):
            chunk = await anext(stream, None)
        if chunk is None:
            return
        came += len(chunk)
        if came >= LEAST:
            until, came = clock() + IDLE_S, 0
        yield chunk


async def _read_a_little_more(request: Request) -> None:
    """A connection that is closed while its other end is still sending loses the answer."""
    if request.headers.get("expect", "").lower() == "100-continue":  # asks before it sends
        return
    left = SMALL
    try:
        async for chunk in _patiently(request):
            left -= len(chunk)
            if left <= 0:
                return
    except (ClientDisconnect, TimeoutError, RuntimeError):  # RuntimeError: all of it is read
        return


def _check_size(size: int, grant: Grant, context: Context) -> None:
    most = context.service.limits.max_bytes
    if size > most:
        raise TooLarge(f"This file is too large: at most {_shown(most)} are taken.")
    if size > grant.max_bytes:  # which is less where the disk had no more room
        raise StorageFull(NO_ROOM)


def _check_room(more: int, context: Context) -> None:
    """Whether the disk has room for so many bytes more, and for the stems of others."""
    if more > context.store.free_bytes() - context.service.limits.keep_free_bytes:
        raise StorageFull(NO_ROOM)


def _shown(count: int) -> str:
    return f"{count >> 20} MB" if count >> 20 else f"{count} bytes"


def _check_awaited(grant: Grant, context: Context) -> None:
    """Whether a song is waited for at that key."""
    session = context.service.get(grant.key.split("/")[1])
    if session.state != State.AWAITING_UPLOAD:
        told = (
            "This upload was cancelled" if session.state == State.CANCELLED else "This song is here already"
        )
        raise Busy(f"{told}. Begin another upload.")
