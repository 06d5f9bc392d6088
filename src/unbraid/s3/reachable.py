"""A client whose calls tell a store that doesn't answer from one that refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from unbraid.errors import Unavailable
from unbraid.s3.errors import is_away

AWAY = "The store for songs and stems doesn't answer. Try again in a moment."


class ReachableClient:
    """A client of boto3. Calls raise Unavailable if the store doesn't answer, and boto3's errors otherwise."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def get_paginator(self, operation: str) -> _Paginator:
        """A paginator whose pages raise the same errors."""
        return _Paginator(self._client.get_paginator(operation))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*arguments: Any, **parameters: Any) -> Any:
            with _answered():
                return method(*arguments, **parameters)

        return call


class _Paginator:
    def __init__(self, paginator: Any) -> None:
        self._paginator = paginator

    def paginate(self, **parameters: Any) -> Iterator[Any]:
        with _answered():
            yield from self._paginator.paginate(**parameters)


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except (Boto3Error, BotoCoreError, ClientError) as error:
        if is_away(error):
            raise Unavailable(AWAY) from error
        raise
