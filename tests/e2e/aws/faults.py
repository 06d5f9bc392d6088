"""What AWS does to calls now and then: refusals for a while, in the service's own words, and calls that meet."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from starlette.responses import Response
from tests.e2e.aws.requested import Asked

_DYNAMODB = "com.amazonaws.dynamodb.v20120810#"


@dataclass
class Fault:
    """Refuses calls; `met` is how many."""

    service: str
    matches: Callable[[Asked], bool]
    status: int
    code: str
    met: int = 0


@dataclass
class Gate:
    """Holds calls back until so many have come, as may happen to those that come at the same moment."""

    service: str
    matches: Callable[[Asked], bool]
    missing: int
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def pass_through(self) -> None:
        """Wait for the others."""
        self.missing -= 1
        if self.missing <= 0:
            self.opened.set()
        await self.opened.wait()


class Faults:
    """Those that hold at the moment."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._gates: list[Gate] = []
        self._lock = threading.Lock()

    @contextmanager
    def refusing(
        self, service: str, status: int, code: str, matches: Callable[[Asked], bool] = lambda _: True
    ) -> Iterator[Fault]:
        """Refuse calls of a service while the context lasts: those for which `matches` is true."""
        fault = Fault(service, matches, status, code)
        with self._lock:
            self._faults.append(fault)
        try:
            yield fault
        finally:
            with self._lock:
                self._faults.remove(fault)

    @contextmanager
    def together(self, service: str, count: int, matches: Callable[[Asked], bool]) -> Iterator[None]:
        """Let the first `count` of these calls through at the same moment."""
        gate = Gate(service, matches, count)
        self._gates.append(gate)
        try:
            yield
        finally:
            self._gates.remove(gate)

    async def waited(self, service: str, wanted: list[Asked]) -> None:
        """Wait where the call is held back."""
        for gate in list(self._gates):
            if gate.service == service and any(map(gate.matches, wanted)):
                await gate.pass_through()

    def answer(self, service: str, wanted: list[Asked]) -> Response | None:
        """The refusal, where there is one."""
        with self._lock:
            for fault in self._faults:
                if fault.service == service and any(map(fault.matches, wanted)):
                    fault.met += 1
                    return refusal(service, fault.status, fault.code)
        return None


def refusal(service: str, status: int, code: str, message: str = "not now") -> Response:
    """An error as that service words it."""
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
