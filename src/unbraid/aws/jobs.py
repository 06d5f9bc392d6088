"""The job store in a DynamoDB table.

A session is one item (see `items`). Every change is one conditional write, so it is atomic, and succeeds only if
the version hasn't changed. Single records are read strongly consistent. Indexes lag behind their table: before callers
act on a result, they read the record again, or they save only over the version in the result.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from unbraid.aws import clients
from unbraid.aws.items import (
    ALL,
    BY_EXPIRY,
    BY_OWNER,
    BY_STATE,
    WRITE,
    Item,
    item_of,
    number_of,
    session_of,
    value_of,
)
from unbraid.jobs.ports import Changed
from unbraid.jobs.session import Session, State
from unbraid.s3.errors import code_of

AT_ONCE = 100  # limit of keys of BatchGetItem
LONGEST_KEY = 2048  # bytes


class DynamoStore:
    """The JobStore (see `jobs.ports`) in the table `table`. Raises botocore's errors."""

    def __init__(self, table: str) -> None:
        self.table = table

    @cached_property
    def _db(self) -> Any:
        return clients.client("dynamodb")

    def add(self, session: Session) -> None:
        self._put(session, "attribute_not_exists(#id)", {"#id": "id"}, {})

    def save(self, session: Session) -> Session:
        saved = replace(session, version=session.version + 1)
        self._put(saved, "#version = :version", {"#version": "version"}, {":version": session.version})
        return saved

    def _put(
        self, session: Session, condition: str, names: Mapping[str, str], values: Mapping[str, Any]
    ) -> None:
        """Write the item if `condition` holds. Raises Changed."""
        write = secrets.token_hex(8)
        request: dict[str, Any] = {
            "TableName": self.table,
            "Item": item_of(session, write),
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if values:
            request["ExpressionAttributeValues"] = {name: value_of(value) for name, value in values.items()}
        try:
            self._db.put_item(**request)
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            # botocore may have retried after a lost answer, and the second attempt met the item of the first.
            there: Any = error.response.get("Item", {})
            if there.get(WRITE) != value_of(write):
                raise Changed from error

    def get(self, session_id: str) -> Session | None:
        if not _may_be_key(session_id):
            return None
        key = {"id": value_of(session_id)}
        item = self._db.get_item(TableName=self.table, Key=key, ConsistentRead=True).get("Item")
        return None if item is None else session_of(item)

    def get_many(self, session_ids: Sequence[str]) -> dict[str, Session]:
        found = map(session_of, self._items(session_ids))
        return {session.id: session for session in found}

    def delete(self, session_id: str) -> bool:
        if not _may_be_key(session_id):
            return False
        key = {"id": value_of(session_id)}
        return "Attributes" in self._db.delete_item(TableName=self.table, Key=key, ReturnValues="ALL_OLD")

    def history(self, owner: str, limit: int, before: float | None = None) -> list[Session]:
        if not owner:
            return []
        where, names = "#owner = :owner", {"#owner": "owner"}
        values: dict[str, Any] = {":owner": owner}
        if before is not None:
            where, names = f"{where} AND #created < :before", {**names, "#created": "created_at"}
            values |= {":before": before}
        keys = self._query(BY_OWNER, where, names, values, limit + 1, backwards=True)
        ids = [session_id for session_id, _ in _whole_ties(keys, "created_at", limit)]
        theirs = self.get_many(ids).values()
        return sorted(theirs, key=lambda session: (-session.created_at, session.id))[:limit]

    def pending(self, limit: int) -> list[Session]:
        items = _whole_ties(self._in_state(State.PENDING, limit + 1), "at", limit)
        waiting = [session_of(item) for _, item in items]
        return sorted(waiting, key=lambda session: (session.queued_at or 0.0, session.id))[:limit]

    def lapsed(self, now: float) -> list[Session]:
        return [session_of(item) for item in self._query(*_condition(State.IN_PROGRESS, "<= :at", now))]

    def in_progress(self) -> list[Session]:
        return [session_of(item) for item in self._in_state(State.IN_PROGRESS)]

    def completed(self, limit: int) -> list[Session]:
        return [
            session_of(item) for item in _first(self._in_state(State.COMPLETED, limit, backwards=True), limit)
        ]

    def expired(self, now: float, limit: int) -> list[Session]:
        # Read the records again, to leave out deleted sessions and sessions that now expire later.
        names: dict[str, str] = {"#all": "all", "#expires": "expires_at"}
        values: dict[str, Any] = {":all": ALL, ":now": now}
        found: dict[str, Session] = {}
        ids = []
        for key in self._query(BY_EXPIRY, "#all = :all AND #expires <= :now", names, values, AT_ONCE):
            ids.append(key["id"]["S"])
            if len(ids) == AT_ONCE:
                found |= self.get_many(ids)
                ids = []
            if len(found) >= limit:
                break
        found |= self.get_many(ids)
        return [session for session in found.values() if session.expires_at <= now][:limit]

    def counts(self) -> Mapping[State, int]:
        return {state: self._count(state) for state in State}

    def oldest_pending(self) -> float | None:
        for item in self._in_state(State.PENDING, 1):
            return session_of(item).queued_at
        return None

    def known(self, session_ids: Iterable[str]) -> set[str]:
        names = {"#id": "id"}
        keys = self._items(session_ids, ProjectionExpression="#id", ExpressionAttributeNames=names)
        return {key["id"]["S"] for key in keys}

    def _items(self, session_ids: Iterable[str], **projection: Any) -> Iterator[Item]:
        """Yield the items with these ids, in any order. Request keys again that a busy database left unprocessed."""
        ids = [session_id for session_id in dict.fromkeys(session_ids) if _may_be_key(session_id)]
        for first in range(0, len(ids), AT_ONCE):
            keys = [{"id": value_of(session_id)} for session_id in ids[first : first + AT_ONCE]]
            request: Any = {self.table: {"Keys": keys, "ConsistentRead": True, **projection}}
            pause_s = 0.05
            while request:
                answer = self._db.batch_get_item(RequestItems=request)
                yield from answer["Responses"].get(self.table, [])
                request = answer.get("UnprocessedKeys")
                if request:
                    time.sleep(random.uniform(0, pause_s))
                    pause_s = min(2 * pause_s, 2.0)

    def _in_state(self, state: State, page: int | None = None, backwards: bool = False) -> Iterator[Item]:
        """Yield the items in a state, ordered by time."""
        return self._query(*_condition(state), page, backwards)

    def _query(
        self,
        index: str,
        where: str,
        names: Mapping[str, str],
        values: Mapping[str, Any],
        page: int | None = None,
        backwards: bool = False,
    ) -> Iterator[Item]:
        """Yield the items of an index, read in pages of `page` items on demand."""
        for answer in self._pages(index, where, names, values, backwards, {"Limit": page} if page else {}):
            yield from answer.get("Items", [])

    def _count(self, state: State) -> int:
        songs = "attribute_not_exists(shared_from)"
        pages = self._pages(*_condition(state), False, {"Select": "COUNT", "FilterExpression": songs})
        return sum(int(answer["Count"]) for answer in pages)

    def _pages(
        self,
        index: str,
        where: str,
        names: Mapping[str, str],
        values: Mapping[str, Any],
        backwards: bool,
        options: Mapping[str, Any],
    ) -> Iterator[Any]:
        return iter(
            self._db.get_paginator("query").paginate(
                TableName=self.table,
                IndexName=index,
                KeyConditionExpression=where,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={name: value_of(value) for name, value in values.items()},
                ScanIndexForward=not backwards,
                **options,
            )
        )


def _condition(
    state: State, when: str = "", at: float = 0.0
) -> tuple[str, str, Mapping[str, str], Mapping[str, Any]]:
    """Return index, condition, names and values for sessions in `state`, optionally only `when` (`< :at`)."""
    if not when:
        return BY_STATE, "#state = :state", {"#state": "state"}, {":state": state.value}
    names, values = {"#state": "state", "#at": "at"}, {":state": state.value, ":at": at}
    return BY_STATE, f"#state = :state AND #at {when}", names, values


def _may_be_key(session_id: str) -> bool:
    return 0 < len(session_id.encode("utf-8", "replace")) <= LONGEST_KEY


def _first(items: Iterator[Item], count: int) -> Iterator[Item]:
    """Yield the first `count` items without reading one more."""
    for _, item in zip(range(count), items, strict=False):
        yield item


def _whole_ties(items: Iterator[Item], time_of: str, count: int) -> Iterator[tuple[str, Item]]:
    """Yield id and item of the first `count`, and of all ties with the last, which the index orders freely."""
    last = None
    for number, item in enumerate(items):
        at = number_of(item[time_of])
        if number >= count and at != last:
            return
        last = at
        yield item["id"]["S"], item
