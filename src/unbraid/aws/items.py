"""A session as a DynamoDB item: its record by `jobs.codec`, and attributes for the indexes.

Attributes of None are left out. Numbers are exact: DynamoDB stores 38 digits, and the shortest decimal of a float
(17 digits at most) converts back to the same float. Additional attributes:

- `ttl`: when DynamoDB may delete the item, in whole seconds.
- `at`: the time that orders sessions of one state, for the index `by-state`.
- `all`: the same value in every item, so that the index `by-expiry` covers all states.
- `write`: a random id of each write.
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
from unbraid.jobs.session import Choices, Output, Session, State

BY_OWNER = "by-owner"
"""Keys owner and created_at; projects keys only."""
BY_STATE = "by-state"
"""Keys state and at; projects the whole record."""
BY_EXPIRY = "by-expiry"
"""Keys all and expires_at; projects keys only."""

ALL = "all"
WRITE = "write"

Item = Mapping[str, Any]
"""Attributes in the form of the API and of streams: `{"id": {"S": "…"}, …}`."""

_to_item, _of_item = TypeSerializer(), TypeDeserializer()
_RECORD = {field.name for field in fields(Session)}
# Names of float fields, whose whole numbers are floats too. No name is a float in one of them and an int in another.
_FLOATS = {
    field.name for kind in (Session, Output, Choices) for field in fields(kind) if "float" in str(field.type)
}


def item_of(session: Session, write: str) -> dict[str, Any]:
    """Return the item of a session. `write` is a random id of this write."""
    own = {
        "ttl": math.ceil(session.expires_at),
        "at": _time_of(session),
        "all": ALL,
        WRITE: write,
    }
    return {name: value_of(value) for name, value in (to_dict(session) | own).items() if value is not None}


def session_of(item: Item) -> Session:
    """Return the session of an item, read from the table or from a stream."""
    plain = {
        name: _restored(name, _of_item.deserialize(value)) for name, value in item.items() if name in _RECORD
    }
    return from_dict(plain)


def value_of(value: Any) -> Any:
    """Convert a plain value to the form of DynamoDB's API."""
    return _to_item.serialize(_exact(value))


def number_of(value: Any) -> Decimal:
    """Return the number of an attribute."""
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
    """Replace floats by decimals, and drop None from dictionaries."""
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
        return {inner: _restored(inner, item) for inner, item in value.items()}
    if isinstance(value, list):
        return [_restored(name, item) for item in value]
    return value
