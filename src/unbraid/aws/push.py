"""Status messages for open WebSockets, as the web app's `/events` sends them. `connect` and `push` use them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from itertools import islice

from unbraid.api.answers import status_answer
from unbraid.api.schemas.status import UnknownStatus
from unbraid.aws import handlers
from unbraid.aws.sockets import Connections, Sockets
from unbraid.environment import PREFIX
from unbraid.errors import SettingError


@cache
def connections() -> Connections:
    """The table of connections, opened once per process. Raises SettingError."""
    table = handlers.settings().connections
    if table is None:
        raise SettingError(f"WebSockets need the setting {PREFIX}CONNECTIONS.")
    return Connections(table)


@cache
def sockets() -> Sockets:
    """The sender to connections, opened once per process. Raises SettingError."""
    url = handlers.settings().socket_api
    if url is None:
        raise SettingError(f"WebSockets need the setting {PREFIX}SOCKET_API.")
    return Sockets(connections(), url)


def statuses(session_ids: Collection[str], owner: str | None) -> dict[str, str]:
    """The status as JSON of each existing session that the owner may see."""
    service = handlers.service()
    return {
        session_id: status_answer(status).model_dump_json()
        for batch in _batches(session_ids, service.limits.max_batch)
        for session_id, status in service.status_many(batch, owner).items()
    }


def unknown(session_id: str) -> str:
    """The JSON for a session that does not exist."""
    return UnknownStatus(session_id=session_id).model_dump_json()


def _batches(items: Collection[str], size: int) -> Iterator[list[str]]:
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
