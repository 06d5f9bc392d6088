"""Refusals of the AWS APIs, for a while, each in the shape that the service gives them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


class Faults:
    """Those that hold at the moment."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
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
