"""`/events`: tells pages of the changes of their sessions, by WebSocket.

The store is looked at twice a second for all sockets of the process together. A socket that takes its messages slowly
gets the last state alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocketState

from unbraid.api.answers import status_answer
from unbraid.api.owners import BEARER, token_protocol
from unbraid.api.problems import NOT_SIGNED_IN
from unbraid.api.schemas import Id, UnknownStatus
from unbraid.jobs.status import Status
from unbraid.web.context import Context, Ctx
from unbraid.web.limits import client_of

LOOK_S = 0.5
TOKEN_S = 10.0  # for the token to come as the first message
MOST_SOCKETS = 2000
MOST_OF_ONE = 200  # sockets of one client; pages that get none ask by and by
# https://www.iana.org/assignments/websocket
UNAUTHORIZED, TRY_LATER, POLICY = 3000, 1013, 1008

log = logging.getLogger(__name__)
router = APIRouter()


class _Listener:
    """One socket: what it has to be told still."""

    def __init__(self, base: str, client: str) -> None:
        self.base, self.client = base, client
        self.news: dict[str, str] = {}
        self.told: dict[str, object] = {}
        self.woken = asyncio.Event()

    def tell(self, session_id: str, state: object, text: str) -> None:
        """Unless it knows."""
        self.told[session_id] = state
        self.news[session_id] = text
        self.woken.set()


class StatusWatcher:
    """Looks at the store for as long as anybody listens."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._listeners: dict[_Listener, frozenset[str]] = {}
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._listeners)

    def is_full(self, client: str) -> bool:
        """Whether `client` has to wait until others, or its own, are gone."""
        own = sum(listener.client == client for listener in self._listeners)
        return own >= MOST_OF_ONE or len(self) >= MOST_SOCKETS

    def add(self, listener: _Listener, session_ids: Iterable[str]) -> None:
        """From now on `listener` is told of these."""
        self._listeners[listener] = frozenset(session_ids)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    def remove(self, listener: _Listener) -> None:
        """No more."""
        self._listeners.pop(listener, None)

    async def _run(self) -> None:
        while self._listeners:
            await asyncio.sleep(LOOK_S)
            wanted = list(frozenset().union(*self._listeners.values()))
            try:
                found = await to_thread.run_sync(self._look, wanted)
            except Exception:
                log.warning("the session store didn't answer", exc_info=True)
                continue
            for listener, session_ids in list(self._listeners.items()):
                # What was asked for after this look began is in the next.
                self.tell(listener, [one for one in session_ids if one in found], found)

    def tell(self, listener: _Listener, session_ids: Iterable[str], found: dict[str, Status | None]) -> None:
        """Tell what has changed of these."""
        for session_id in session_ids:
            status = found.get(session_id)
            state = _state(status)
            if session_id not in listener.told or listener.told[session_id] != state:
                listener.tell(session_id, state, self._text(session_id, status, listener.base))

    def _look(self, session_ids: list[str]) -> dict[str, Status | None]:
        service, most = self._context.service, self._context.service.limits.max_batch
        found: dict[str, Status] = {}
        for start in range(0, len(session_ids), most):
            found.update(service.status_many(session_ids[start : start + most]))
        return {session_id: found.get(session_id) for session_id in session_ids}

    def _text(self, session_id: str, status: Status | None, base: str) -> str:
        if status is None:
            return UnknownStatus(session_id=session_id).model_dump_json()
        return status_answer(status, base, self._context.zip_url(status, base)).model_dump_json()


def _state(status: Status | None) -> object:
    """What is worth telling when it changes; links and seconds change all the time."""
    return None if status is None else (status.session.version, status.queue_position)


@router.websocket("/events")
async def events(
    socket: WebSocket, context: Ctx, session_id: Annotated[list[Id], Query(min_length=1)]
) -> None:
    """Send the status of each session at once, and again whenever it changes."""
    watcher: StatusWatcher = socket.app.state.watcher
    if not _own_page(socket, context):
        raise HTTPException(403, "Pages of this origin may not listen here.")
    most = context.service.limits.max_batch
    if len(session_id) > most:
        raise HTTPException(422, f"A socket tells of at most {most} songs. Open another for the rest.")
    client = client_of(socket.scope)
    if watcher.is_full(client):
        raise HTTPException(429, "Too many pages listen. Ask for the status instead.", {"Retry-After": "60"})
    offered = token_protocol(socket.scope["subprotocols"])
    await socket.accept(subprotocol=offered)
    try:
        owner = await _owner(socket, context, offered)
    except HTTPException as error:
        code = UNAUTHORIZED if error.status_code == 401 else TRY_LATER
        await socket.close(code, error.detail)
        return
    except (TimeoutError, WebSocketDisconnect, KeyError):
        if socket.client_state == WebSocketState.CONNECTED:
            await socket.close(UNAUTHORIZED, NOT_SIGNED_IN)
        return
    listener = _Listener(context.base(socket), client)
    known = await to_thread.run_sync(context.service.status_many, session_id, owner)
    watcher.tell(listener, session_id, {one: known.get(one) for one in session_id})
    watcher.add(listener, known)
    sending = asyncio.create_task(_send(socket, listener))
    try:
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass
    finally:
        watcher.remove(listener)
        sending.cancel()


async def _send(socket: WebSocket, listener: _Listener) -> None:
    try:
        while True:
            await listener.woken.wait()
            listener.woken.clear()
            while listener.news:
                await socket.send_text(listener.news.pop(next(iter(listener.news))))
    except (WebSocketDisconnect, RuntimeError):  # it has gone
        return


async def _owner(socket: WebSocket, context: Context, offered: str | None) -> str | None:
    """Who listens. Raises HTTPException, TimeoutError, WebSocketDisconnect, KeyError."""
    if context.sign_in is None:
        return None
    if offered is not None:
        token = offered.removeprefix(BEARER)
    else:  # pages that can't, or don't want to, have it in a header
        async with asyncio.timeout(TOKEN_S):
            token = await socket.receive_text()
    return await to_thread.run_sync(context.owner, token, None)


def _own_page(socket: WebSocket, context: Context) -> bool:
    """Browsers let any page open a socket to anywhere, and say which page it is. Others don't say."""
    origin = socket.headers.get("origin")
    if origin is None or origin in context.settings.origins or origin == context.settings.public_url:
        return True
    _, _, host = origin.partition("://")  # scheme, host and port alone (RFC 6454, 7.1); others send anything
    return host == socket.headers.get("host")
