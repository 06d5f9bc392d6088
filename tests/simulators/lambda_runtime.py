"""The process that runs a Lambda function, as Lambda's Python runtime does: one event at a time, JSON in and out."""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass
class Context:
    """Context object of a handler (https://docs.aws.amazon.com/lambda/latest/dg/python-context.html)."""

    aws_request_id: str
    invoked_function_arn: str
    deadline: float
    """Seconds since 1970."""
    identity: None = None
    client_context: None = None

    @property
    def function_name(self) -> str:
        return os.environ["AWS_LAMBDA_FUNCTION_NAME"]

    @property
    def function_version(self) -> str:
        return os.environ["AWS_LAMBDA_FUNCTION_VERSION"]

    @property
    def memory_limit_in_mb(self) -> str:
        return os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]

    @property
    def log_group_name(self) -> str:
        return os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]

    @property
    def log_stream_name(self) -> str:
        return os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - time.time()) * 1000))


def run(pipe: Connection, environment: Mapping[str, str], log: str) -> None:
    """Answer events from `pipe` until it is closed. Output of the handler goes to the file `log`."""
    os.environ.clear()
    os.environ.update(environment)
    os.setsid()  # Ctrl-C stops the tests, not this process
    if sys.platform == "linux":  # a frozen process would outlive tests that are killed
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1)
    sys.stderr = os.fdopen(2, "w", buffering=1)
    handler = broken = None
    module, _, name = environment["_HANDLER"].rpartition(".")
    try:
        handler = getattr(importlib.import_module(module), name)
    except BaseException as error:
        traceback.print_exc()
        broken = {"errorType": "Runtime.ImportModuleError", "errorMessage": str(error)}
    while True:
        try:
            request = json.loads(pipe.recv_bytes())
        except EOFError:
            return
        os.environ["_X_AMZN_TRACE_ID"] = request["trace"]
        context = Context(request["request_id"], request["arn"], request["deadline"])
        answer = {"error": broken} if handler is None else _answer(handler, request["event"], context)
        sys.stdout.flush()
        pipe.send_bytes(json.dumps(answer).encode())


def _answer(handler: Any, event: Any, context: Context) -> dict[str, Any]:
    try:
        answer = handler(event, context)
    except BaseException as error:
        traceback.print_exc()
        trace = traceback.format_exception(error)[1:]
        return {"error": {"errorType": type(error).__name__, "errorMessage": str(error), "stackTrace": trace}}
    try:
        json.dumps(answer)
    except (TypeError, ValueError) as error:
        return {"error": {"errorType": "Runtime.MarshalError", "errorMessage": str(error)}}
    return {"answer": answer}
