"""A session as an item of DynamoDB: its record by `jobs.codec`, and besides what it is found by.

Attributes that are None are left out. Numbers are exact: DynamoDB keeps 38 digits, and the shortest decimal that stands
for a float (17 at most) becomes that float again. Besides: `ttl`, when DynamoDB may delete the item, in whole seconds;
`at`, the time that counts in its state, for the index `by-state`; `all`, the same in every item, for `by-expiry`, which
finds what has expired wherever it stands; `write`, drawn anew for each write.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from enum import StrEnum
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from unbraid.jobs.codec import from_dict, to_dict
from unbraid.jobs.session import Output, Session, State

BY_OWNER = "by-owner"
"""owner, created_at; keys alone."""
BY_STATE = "by-state"
"""state, at; the whole record."""
BY_EXPIRY = "by-expiry"
"""all, expires_at; keys alone."""

ALL = "all"
WRITE = "write"

Item = Mapping[str, Any]
"""Attributes as the API and streams have them: `{"id": {"S": "…"}, …}`."""

_to_item, _of_item = TypeSerializer(), TypeDeserializer()
_RECORD = {field.name for field in fields(Session)}
# Whose numbers are floats, whole ones too. No name stands for both in session and output.
_FLOATS = {field.name for kind in (Session, Output) for field in fields(kind) if "float" in str(field.type)}


def item_of(session: Session, write: str) -> dict[str, Any]:
    """The item of a session. `write`: a name for this write alone."""
    own = {
        "ttl": math.ceil(session.expires_at),
        "at": _time_of(session),
        "all": ALL,
        WRITE: write,
    }
    return {name: value_of(value) for name, value in (to_dict(session) | own).items() if value is not None}


def session_of(item: Item) -> Session:
    """The session of an item, also of one that a stream tells."""
    plain = {
        name: _restored(name, _of_item.deserialize(value)) for name, value in item.items() if name in _RECORD
    }
    return from_dict(plain)


def value_of(value: Any) -> Any:
    """A plain value as DynamoDB's API has it."""
    return _to_item.serialize(_exact(value))


def number_of(value: Any) -> Decimal:
    """The number of an attribute."""
    number: Decimal = _of_item.deserialize(value)
    return number


def _time_of(session: Session) -> float:
    if session.state == State.PENDING:
        at = session.queued_at
    elif session.state == State.IN_PROGRESS:
        at = session.lease_until
    else:
        at = session.finished_at
    return session.created_at if at is None else at


def _exact(value: Any) -> Any:
    """With decimals for floats, and without what is None in dictionaries."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {name: _exact(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_exact(inner) for inner in value]
    return str(value) if isinstance(value, StrEnum) else value


def _restored(name: str, value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value) if name in _FLOATS else int(value)
    if isinstance(value, dict):
        return {inner: _restored(inner, of_it) for inner, of_it in value.items()}
    if isinstance(value, list):
        return [_restored(name, of_it) for of_it in value]
    return value
