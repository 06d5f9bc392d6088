"""Inject faults into calls of AWS APIs: errors in the service's format, and calls that arrive together."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from starlette.responses import Response
from tests.simulators.required_actions import RequiredAction

_DYNAMODB = "com.amazonaws.dynamodb.v20120810#"


@dataclass
class Fault:
    """An error for matching calls. `met` counts the calls that received it."""

    service: str
    matches: Callable[[RequiredAction], bool]
    status: int
    code: str
    met: int = 0


@dataclass
class Gate:
    """Holds matching calls back until `missing` of them have arrived, so that they race."""

    service: str
    matches: Callable[[RequiredAction], bool]
    missing: int
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    loop: asyncio.AbstractEventLoop | None = None
    """Where calls wait."""

    async def pass_through(self) -> None:
        """Wait until the gate opens."""
        self.loop = asyncio.get_running_loop()
        self.missing -= 1
        if self.missing <= 0:
            self.opened.set()
        await self.opened.wait()

    def open(self) -> None:
        """Let all calls through. Called from another thread than theirs."""
        self.missing = 0
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.opened.set)


class FaultInjector:
    """All faults and gates in force."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._gates: list[Gate] = []
        self._lock = threading.Lock()

    @contextmanager
    def refusing(
        self, service: str, status: int, code: str, matches: Callable[[RequiredAction], bool] = lambda _: True
    ) -> Iterator[Fault]:
        """Answer with this error, while the context lasts, every call of the service for which `matches` is true."""
        fault = Fault(service, matches, status, code)
        with self._lock:
            self._faults.append(fault)
        try:
            yield fault
        finally:
            with self._lock:
                self._faults.remove(fault)

    @contextmanager
    def hold_until(
        self, service: str, count: int, matches: Callable[[RequiredAction], bool]
    ) -> Iterator[None]:
        """Hold matching calls back until `count` of them have arrived, then let them through together.

        They go on at the end of the context at the latest.
        """
        gate = Gate(service, matches, count)
        self._gates.append(gate)
        try:
            yield
        finally:
            self._gates.remove(gate)
            gate.open()

    def holding(
        self, service: str, matches: Callable[[RequiredAction], bool]
    ) -> AbstractContextManager[None]:
        """Hold matching calls back while the context lasts. Our clients repeat a call of S3 after 20 s."""
        return self.hold_until(service, sys.maxsize, matches)

    async def wait_at_gates(self, service: str, actions: list[RequiredAction]) -> None:
        """Wait while a gate holds the call back."""
        for gate in list(self._gates):
            if gate.service == service and any(map(gate.matches, actions)):
                await gate.pass_through()

    def answer(self, service: str, actions: list[RequiredAction]) -> Response | None:
        """The error for the call, if a fault matches it."""
        with self._lock:
            for fault in self._faults:
                if fault.service == service and any(map(fault.matches, actions)):
                    fault.met += 1
                    return error_response(service, fault.status, fault.code)
        return None


def error_response(service: str, status: int, code: str, message: str = "not now") -> Response:
    """An error in the format of `service`."""
    headers = {"x-amzn-requestid": str(uuid4())}
    if service == "s3":
        body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return Response(body, status, headers, "application/xml")
    if service == "sns":
        body = (
            f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        )
        return Response(body, status, headers, "text/xml")
    kind = _DYNAMODB + code if service == "dynamodb" else code
    headers["x-amzn-errortype"] = code
    return Response(
        json.dumps({"__type": kind, "message": message}), status, headers, "application/x-amz-json-1.0"
    )
