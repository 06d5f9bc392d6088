"""Lambda functions over stores in memory, which replace the stores that `unbraid.aws.handlers` opens."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from tests.aws.functions import events
from tests.jobs.memory import Workspace

from unbraid.aws import handlers
from unbraid.aws.settings import Settings

SETTINGS = {
    "bucket": "b",
    "table": "t",
    "endpoint": "unbraid",
    "socket_url": "wss://events.example.org/events",
}

Configure = Callable[..., None]


@pytest.fixture
def workspace() -> Workspace:
    return Workspace()


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Set the settings of the functions."""

    def configure(**settings: Any) -> None:
        loaded = Settings(**{**SETTINGS, **settings})
        monkeypatch.setattr(handlers, "settings", lambda: loaded)
        handlers.use_limits.cache_clear()

    return configure


@pytest.fixture(autouse=True)
def memory_stores(workspace: Workspace, configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "sessions", lambda: workspace.sessions)
    configure()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The output of the functions' logger."""
    handler = handlers.logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    output = io.StringIO()
    before = handler.setStream(output)
    yield output
    handler.setStream(before)


def invoke(name: str, event: Any) -> Any:
    """Call the handler of a function and return its answer."""
    return import_module(f"unbraid.aws.functions.{name}").handler(event, events.Context())


def call(name: str, route: str, body: Any = None, **more: Any) -> tuple[int, Any]:
    """Call a function with an HTTP event; return status and JSON of the answer."""
    answer = invoke(name, events.http(route, body, **more))
    kind = "application/json" if answer["statusCode"] < 400 else "application/problem+json"
    assert answer["headers"]["content-type"] == kind
    return answer["statusCode"], json.loads(answer["body"])


def pytest_itemcollected(item: pytest.Item) -> None:
    """Ignore the warning of Powertools about calls without a metric."""
    item.add_marker(pytest.mark.filterwarnings("ignore:No application metrics"))
