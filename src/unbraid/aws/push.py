"""What pages are told, in the words of the web app's `/events`: what `connect` and `tell` have in common."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from itertools import islice

from unbraid.api.answers import status_answer
from unbraid.api.schemas import UnknownStatus
from unbraid.aws import handlers
from unbraid.aws.sockets import Connections, Sockets
from unbraid.environment import PREFIX
from unbraid.errors import SettingError


@cache
def connections() -> Connections:
    """The table of this process. Raises SettingError."""
    table = handlers.settings().connections
    if table is None:
        raise SettingError(f"Sockets need {PREFIX}CONNECTIONS.")
    return Connections(table)


@cache
def sockets() -> Sockets:
    """The connections of this process. Raises SettingError."""
    address = handlers.settings().socket_api
    if address is None:
        raise SettingError(f"Sockets need {PREFIX}SOCKET_API.")
    return Sockets(connections(), address)


def statuses(session_ids: Collection[str], owner: str | None) -> dict[str, str]:
    """The JSON of those that are there and that the owner may see."""
    service = handlers.service()
    return {
        session_id: status_answer(status).model_dump_json()
        for some in _batches(session_ids, service.limits.max_batch)
        for session_id, status in service.status_many(some, owner).items()
    }


def unknown(session_id: str) -> str:
    """The JSON in the place of one that isn't."""
    return UnknownStatus(session_id=session_id).model_dump_json()


def _batches(items: Collection[str], size: int) -> Iterator[list[str]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
