"""Functions over a service in memory: the seam is what `unbraid.aws.handlers` opens once for each process."""

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

Set = Callable[..., None]


@pytest.fixture
def workspace() -> Workspace:
    return Workspace()


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Sets what the functions' environment says."""

    def configure(**settings: Any) -> None:
        found = Settings(**{**SETTINGS, **settings})
        monkeypatch.setattr(handlers, "settings", lambda: found)

    return configure


@pytest.fixture(autouse=True)
def opened(workspace: Workspace, configure: Set, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "sessions", lambda: workspace.sessions)
    configure()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the functions' logger writes."""
    handler = handlers.logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    written = io.StringIO()
    before = handler.setStream(written)
    yield written
    handler.setStream(before)


def run(name: str, event: Any) -> Any:
    """What the function of that name answers."""
    return import_module(f"unbraid.aws.functions.{name}").handler(event, events.Context())


def ask(name: str, route: str, body: Any = None, **more: Any) -> tuple[int, Any]:
    """Status and JSON of the answer."""
    answer = run(name, events.http(route, body, **more))
    kind = "application/json" if answer["statusCode"] < 400 else "application/problem+json"
    assert answer["headers"]["content-type"] == kind
    return answer["statusCode"], json.loads(answer["body"])


def pytest_itemcollected(item: pytest.Item) -> None:
    """Of most calls there is nothing to count."""
    item.add_marker(pytest.mark.filterwarnings("ignore:No application metrics"))
