"""`/events`: send pages the status of their sessions by WebSocket.

One task polls the store twice a second for all sockets of the process. A slow socket gets only the latest status of
each session.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Self

from anyio import to_thread
from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocketState

from unbraid.api.answers import status_answer
from unbraid.api.owners import BEARER, token_protocol
from unbraid.api.problems import NOT_SIGNED_IN
from unbraid.api.schemas.base import Id
from unbraid.api.schemas.status import UnknownStatus
from unbraid.jobs.session import State
from unbraid.jobs.status import Status
from unbraid.web.context import Context, Ctx
from unbraid.web.limits import client_of

POLL_INTERVAL_S = 0.5
TOKEN_TIMEOUT_S = 10.0  # for the first message, which is the token
MAX_SOCKETS = 2000
MAX_SOCKETS_PER_CLIENT = 200  # further pages poll `POST /status` instead
# Close codes: https://www.iana.org/assignments/websocket
UNAUTHORIZED, TRY_LATER, POLICY = 3000, 1013, 1008
# A song that waits is sent again if the expected end has moved by this much: seconds, and share of the time left.
MOVED_S, MOVED = 3.0, 0.15

log = logging.getLogger(__name__)
router = APIRouter()


@dataclass(frozen=True)
class _Sent:
    """The part of a status that is compared for changes. Links change with every poll."""

    state: tuple[int, int | None] | None
    """Version and place in the queue; None for an unknown session."""
    end: float | None
    """When a song that waits is expected to be done, in seconds of time.monotonic."""
    left_s: float | None

    @classmethod
    def of(cls, status: Status | None) -> Self:
        if status is None:
            return cls(None, None, None)
        left_s = status.wait.eta_s if status.session.state == State.PENDING else None
        end = None if left_s is None else time.monotonic() + left_s
        return cls((status.session.version, status.wait.position), end, left_s)

    def differs(self, earlier: Self) -> bool:
        """Whether a page that has `earlier` needs the status again."""
        if self.state != earlier.state or (self.end is None) != (earlier.end is None):
            return True
        if self.end is None or earlier.end is None or self.left_s is None:
            return False
        return abs(self.end - earlier.end) > max(MOVED_S, MOVED * self.left_s)


class _Subscriber:
    """One socket, and its queue of unsent statuses."""

    def __init__(self, base: str, client: str) -> None:
        self.base, self.client = base, client
        self.unsent: dict[str, str] = {}
        self.sent: dict[str, _Sent] = {}
        self.wake = asyncio.Event()

    def queue(self, session_id: str, sent: _Sent, text: str) -> None:
        """Queue a status, in place of an unsent older one."""
        self.sent[session_id] = sent
        self.unsent[session_id] = text
        self.wake.set()


class StatusWatcher:
    """Polls the store while there are subscribers."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._subscribers: dict[_Subscriber, frozenset[str]] = {}
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._subscribers)

    def is_full(self, client: str) -> bool:
        """Whether `client` or the server has reached its limit of open sockets."""
        own = sum(subscriber.client == client for subscriber in self._subscribers)
        return own >= MAX_SOCKETS_PER_CLIENT or len(self) >= MAX_SOCKETS

    def add(self, subscriber: _Subscriber, session_ids: Iterable[str]) -> None:
        """Send `subscriber` the changes of these sessions from now on."""
        self._subscribers[subscriber] = frozenset(session_ids)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    def remove(self, subscriber: _Subscriber) -> None:
        """Stop sending to `subscriber`."""
        self._subscribers.pop(subscriber, None)

    async def _run(self) -> None:
        while self._subscribers:
            await asyncio.sleep(POLL_INTERVAL_S)
            polled = list(frozenset().union(*self._subscribers.values()))
            try:
                statuses = await to_thread.run_sync(self._statuses, polled)
            except Exception:
                log.warning("the session store didn't answer", exc_info=True)
                continue
            for subscriber, session_ids in list(self._subscribers.items()):
                # Sessions of sockets that were added during this poll are in the next one.
                self.send_changes(subscriber, [one for one in session_ids if one in statuses], statuses)

    def send_changes(
        self, subscriber: _Subscriber, session_ids: Iterable[str], statuses: dict[str, Status | None]
    ) -> None:
        """Queue the statuses that have changed since `subscriber` last got them."""
        for session_id in session_ids:
            status = statuses.get(session_id)
            new, earlier = _Sent.of(status), subscriber.sent.get(session_id)
            if earlier is None or new.differs(earlier):
                subscriber.queue(session_id, new, self._text(session_id, status, subscriber.base))

    def _statuses(self, session_ids: list[str]) -> dict[str, Status | None]:
        service, size = self._context.service, self._context.service.limits.max_batch
        statuses: dict[str, Status] = {}
        for start in range(0, len(session_ids), size):
            statuses.update(service.status_many(session_ids[start : start + size]))
        return {session_id: statuses.get(session_id) for session_id in session_ids}

    def _text(self, session_id: str, status: Status | None, base: str) -> str:
        if status is None:
            return UnknownStatus(session_id=session_id).model_dump_json()
        return status_answer(status, base, self._context.zip_url(status, base)).model_dump_json()


@router.websocket("/events")
async def events(
    socket: WebSocket, context: Ctx, session_id: Annotated[list[Id], Query(min_length=1)]
) -> None:
    """Send the status of each session immediately and after every change."""
    watcher: StatusWatcher = socket.app.state.watcher
    if not _is_allowed_origin(socket, context):
        raise HTTPException(
            403, "This origin may not open a WebSocket here. Add it to the origins of the server."
        )
    max_batch = context.service.limits.max_batch
    if len(session_id) > max_batch:
        raise HTTPException(422, f"A WebSocket takes at most {max_batch} songs. Open another for the rest.")
    client = client_of(socket.scope)
    if watcher.is_full(client):
        raise HTTPException(
            429, "Too many open WebSockets. Poll POST /status instead.", {"Retry-After": "60"}
        )
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
    subscriber = _Subscriber(context.base(socket), client)
    statuses = await to_thread.run_sync(context.service.status_many, session_id, owner)
    watcher.send_changes(subscriber, session_id, {one: statuses.get(one) for one in session_id})
    watcher.add(subscriber, statuses)
    sending = asyncio.create_task(_send(socket, subscriber))
    try:
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass
    finally:
        watcher.remove(subscriber)
        sending.cancel()


async def _send(socket: WebSocket, subscriber: _Subscriber) -> None:
    try:
        while True:
            await subscriber.wake.wait()
            subscriber.wake.clear()
            while subscriber.unsent:
                await socket.send_text(subscriber.unsent.pop(next(iter(subscriber.unsent))))
    except (WebSocketDisconnect, RuntimeError):  # the client has disconnected
        return


async def _owner(socket: WebSocket, context: Context, offered: str | None) -> str | None:
    """The owner that the page acts for. Raises HTTPException, TimeoutError, WebSocketDisconnect, KeyError."""
    if context.sign_in is None:
        return None
    if offered is not None:
        token = offered.removeprefix(BEARER)
    else:  # the page sends the token as its first message instead of a subprotocol
        async with asyncio.timeout(TOKEN_TIMEOUT_S):
            token = await socket.receive_text()
    return await to_thread.run_sync(context.owner, token, None)


def _is_allowed_origin(socket: WebSocket, context: Context) -> bool:
    """Check the Origin header. Browsers let any page open a WebSocket, and send its origin; other clients send none."""
    origin = socket.headers.get("origin")
    if origin is None or origin in context.settings.origins or origin == context.settings.public_url:
        return True
    _, _, host = origin.partition("://")  # scheme, host and port (RFC 6454, 7.1)
    return host == socket.headers.get("host")
