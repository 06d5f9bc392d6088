"""Pages that listen: which connection of the WebSocket API hears of which sessions, and sending to it.

The table has an item for each session of a connection, found by the session, and one under `connection:ID` with all of
them, found by the connection. API Gateway ends connections after two hours; then the items go by themselves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from unbraid.aws import clients
from unbraid.aws.handlers import count, logger
from unbraid.jobs.records import ID

LONGEST_S = 2 * 3600
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""
STANDS_AFTER_S = 30.0
"""A connection is known before it stands, and until then API Gateway answers 410 as for one that is gone. It waits 29 s
for the function that decides about it."""
_WHOLE = "connection:"  # no session's id has a colon


@dataclass(frozen=True)
class Listener:
    """A connection."""

    id: str
    owner: str | None
    """Who listens, where people sign in."""
    since: float
    session_ids: tuple[str, ...]
    """Of what it was found by: the one session, or all that it listens to."""


class Connections:
    """The table of that name."""

    def __init__(self, table: str, clock: Callable[[], float] = time.time) -> None:
        self._table, self._clock = table, clock

    @cached_property
    def _db(self) -> Any:
        return clients.client("dynamodb")

    def add(self, connection_id: str, session_ids: Sequence[str], owner: str | None) -> None:
        """From now on it hears of these."""

        def put(key: str, of: Sequence[str]) -> None:
            item: dict[str, Any] = {
                "session_id": {"S": key},
                "connection_id": {"S": connection_id},
                "sessions": {"L": [{"S": one} for one in of]},
                "since": {"N": str(now)},
                "ttl": {"N": str(int(now) + LONGEST_S)},
            }
            if owner is not None:
                item["owner"] = {"S": owner}
            self._db.put_item(TableName=self._table, Item=item)

        now = round(self._clock(), 3)
        # The whole first: what is left of a function that was stopped half-way is found by it.
        put(_WHOLE + connection_id, session_ids)
        # What can be no session's id never changes.
        _each(lambda one: put(one, [one]), filter(ID.fullmatch, session_ids))

    def of(self, connection_id: str) -> Listener | None:
        """The connection with all its sessions; None: unknown."""
        return next(iter(self._query(_WHOLE + connection_id)), None)

    def listening(self, session_id: str) -> list[Listener]:
        """Those that hear of it."""
        return self._query(session_id)

    def remove(self, connection_id: str) -> None:
        """Gone."""

        def delete(key: str) -> None:
            found = {"session_id": {"S": key}, "connection_id": {"S": connection_id}}
            self._db.delete_item(TableName=self._table, Key=found)

        listener = self.of(connection_id)
        if listener is not None:
            _each(delete, listener.session_ids)
            delete(_WHOLE + connection_id)

    def _query(self, key: str) -> list[Listener]:
        pages = self._db.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="session_id = :key",
            ExpressionAttributeValues={":key": {"S": key}},
            ConsistentRead=True,
        )
        return [
            Listener(
                item["connection_id"]["S"],
                item["owner"]["S"] if "owner" in item else None,
                float(item["since"]["N"]),
                tuple(one["S"] for one in item["sessions"]["L"]),
            )
            for page in pages
            for item in page["Items"]
        ]


class Sockets:
    """Sends to connections. `address`: https://… of the WebSocket API's stage."""

    def __init__(
        self, connections: Connections, address: str, clock: Callable[[], float] = time.time
    ) -> None:
        self.connections, self._address, self._clock = connections, address, clock

    @cached_property
    def _api(self) -> Any:
        return clients.client("apigatewaymanagementapi", self._address)

    def send(self, messages: Sequence[tuple[Listener, str]]) -> None:
        """Each its text, in any order. One that can't be told doesn't keep others from it; who is gone is forgotten."""
        told = _each(partial(self._sent, self._api), messages)  # made before threads would make it
        gone = {listener.id for (listener, _), there in zip(messages, told, strict=True) if not there}
        for connection_id in gone:
            self.connections.remove(connection_id)
        count("Told", len(messages))

    def _sent(self, api: Any, message: tuple[Listener, str]) -> bool:
        """False: it is gone."""
        listener, text = message
        try:
            api.post_to_connection(ConnectionId=listener.id, Data=text.encode())
        except ClientError as error:
            if clients.code_of(error) == "GoneException":
                return self._clock() - listener.since < STANDS_AFTER_S
            logger.warning("a page was not told", reason=clients.code_of(error))
        except BotoCoreError as error:
            logger.warning("a page was not told", reason=type(error).__name__)
        return True


def _each(do: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """The results of all, several at a time. Raises the first error, when all are through."""
    with ThreadPoolExecutor(clients.PAGES_AT_ONCE) as pool:
        return list(pool.map(do, items))
