"""Connections of the WebSocket API: their subscriptions to sessions, and messages to them.

The table has one item per connection and session, with the session as key, and one item per connection with all its
sessions, with the key `connection:ID`. API Gateway closes connections after two hours; DynamoDB then removes the items
by their time to live.
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
from unbraid.jobs.sessions import ID
from unbraid.s3.errors import code_of

MAX_CONNECTION_S = 2 * 3600
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""
OPEN_AFTER_S = 30.0
"""The table has a connection before API Gateway has opened it. Until then API Gateway answers 410, as for a closed one.
It waits up to 29 s for the function `connect`."""
_CONNECTION_KEY = "connection:"  # session ids have no colon


@dataclass(frozen=True)
class Subscriber:
    """A connection that subscribes to sessions."""

    id: str
    owner: str | None
    """The signed-in user; None if the installation has no sign-in."""
    since: float
    """When it connected, in Unix time."""
    session_ids: tuple[str, ...]
    """All sessions of the connection; from a lookup by session, only that session."""


class Connections:
    """The DynamoDB table of connections."""

    def __init__(self, table: str, clock: Callable[[], float] = time.time) -> None:
        self._table, self._clock = table, clock

    @cached_property
    def _db(self) -> Any:
        return clients.client("dynamodb")

    def add(self, connection_id: str, session_ids: Sequence[str], owner: str | None) -> None:
        """Subscribe a connection to sessions."""

        def put(key: str, ids: Sequence[str]) -> None:
            item: dict[str, Any] = {
                "session_id": {"S": key},
                "connection_id": {"S": connection_id},
                "sessions": {"L": [{"S": one} for one in ids]},
                "since": {"N": str(now)},
                "ttl": {"N": str(int(now) + MAX_CONNECTION_S)},
            }
            if owner is not None:
                item["owner"] = {"S": owner}
            self._db.put_item(TableName=self._table, Item=item)

        now = round(self._clock(), 3)
        # First the item with all sessions: if the function is stopped half-way, `remove` finds the rest by it.
        put(_CONNECTION_KEY + connection_id, session_ids)
        # An id that no session can have never changes, so it needs no item.
        _map_in_threads(lambda one: put(one, [one]), filter(ID.fullmatch, session_ids))

    def get(self, connection_id: str) -> Subscriber | None:
        """The connection with all its sessions; None: not in the table."""
        return next(iter(self._query(_CONNECTION_KEY + connection_id)), None)

    def subscribers(self, session_id: str) -> list[Subscriber]:
        """The connections that subscribe to a session."""
        return self._query(session_id)

    def remove(self, connection_id: str) -> None:
        """Remove a connection."""

        def delete(key: str) -> None:
            item_key = {"session_id": {"S": key}, "connection_id": {"S": connection_id}}
            self._db.delete_item(TableName=self._table, Key=item_key)

        subscriber = self.get(connection_id)
        if subscriber is not None:
            _map_in_threads(delete, subscriber.session_ids)
            delete(_CONNECTION_KEY + connection_id)

    def _query(self, key: str) -> list[Subscriber]:
        pages = self._db.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="session_id = :key",
            ExpressionAttributeValues={":key": {"S": key}},
            ConsistentRead=True,
        )
        return [
            Subscriber(
                item["connection_id"]["S"],
                item["owner"]["S"] if "owner" in item else None,
                float(item["since"]["N"]),
                tuple(one["S"] for one in item["sessions"]["L"]),
            )
            for page in pages
            for item in page["Items"]
        ]


class Sockets:
    """Sends messages to connections. `url`: https://… of the WebSocket API's stage."""

    def __init__(self, connections: Connections, url: str, clock: Callable[[], float] = time.time) -> None:
        self.connections, self._url, self._clock = connections, url, clock

    @cached_property
    def _api(self) -> Any:
        return clients.client("apigatewaymanagementapi", self._url)

    def send(self, messages: Sequence[tuple[Subscriber, str]]) -> None:
        """Send each subscriber its text, in any order. Remove closed connections; log other failures and go on."""
        send = partial(self._send, self._api)  # creates the client before the threads use it
        is_open = _map_in_threads(send, messages)
        closed = {
            subscriber.id for (subscriber, _), open_ in zip(messages, is_open, strict=True) if not open_
        }
        for connection_id in closed:
            self.connections.remove(connection_id)
        count("Told", len(messages))

    def _send(self, api: Any, message: tuple[Subscriber, str]) -> bool:
        """Send one message; False if the connection is closed."""
        subscriber, text = message
        try:
            api.post_to_connection(ConnectionId=subscriber.id, Data=text.encode())
        except ClientError as error:
            if code_of(error) == "GoneException":
                return self._clock() - subscriber.since < OPEN_AFTER_S
            logger.warning("a message was not sent", reason=code_of(error))
        except BotoCoreError as error:
            logger.warning("a message was not sent", reason=type(error).__name__)
        return True


def _map_in_threads(do: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Call `do` for every item in threads and return the results. Raises the first error once all calls have ended."""
    with ThreadPoolExecutor(clients.PAGES_AT_ONCE) as pool:
        return list(pool.map(do, items))
