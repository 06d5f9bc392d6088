"""The server of the container: `GET /ping` and `POST /invocations` on port 8080. Its settings come by the environment.

Told to stop by SIGTERM, it gives back what it is at, answers 503 from then on, and ends within seconds.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from unbraid.aws.container import answers, logs
from unbraid.aws.container.answers import Answer
from unbraid.aws.container.factory import open_calls
from unbraid.aws.container.invocations import Calls
from unbraid.aws.container.requests import MOST_BYTES
from unbraid.aws.container.settings import ContainerSettings
from unbraid.errors import UnbraidError

WAITING = (
    64  # invocations that are answered or wait at the same time; an endpoint sends as many as it is told to
)
GIVE_BACK_S = (
    2.0  # after being told to stop, for what is worked on to be given back before its invocation is answered
)
LEAVE_S = 10.0  # for a segment that is being computed; the endpoint kills after 30

log = logging.getLogger(__name__)


def create_app(calls: Calls, loaded: threading.Event) -> Starlette:
    """The application. It is ready once `loaded` is set."""
    pool = ThreadPoolExecutor(WAITING, thread_name_prefix="invocation")

    async def ping(_request: Request) -> JSONResponse:
        if calls.stop.is_set():
            return _response(answers.LEAVING)
        return _response(answers.READY if loaded.is_set() else answers.LOADING)

    async def invocations(request: Request) -> JSONResponse:
        body = b""
        async for block in request.stream():
            body += block
            if len(body) > MOST_BYTES:
                return _response(answers.TOO_LARGE)
        return _response(await _unless_stopped(pool.submit(calls.answer, body), calls.stop))

    return Starlette(
        routes=[Route("/ping", ping), Route("/invocations", invocations, methods=["POST"])],
        exception_handlers={Exception: _fault},
    )


async def _unless_stopped(work: Future[Answer], stop: threading.Event) -> Answer:
    """What comes of `work`; when the container is stopped, what has come of it shortly after."""
    answer = asyncio.wrap_future(work)
    while not stop.is_set():
        done, _ = await asyncio.wait([answer], timeout=0.1)
        if done:
            return answer.result()
    done, _ = await asyncio.wait([answer], timeout=GIVE_BACK_S)
    return answer.result() if done else answers.LEAVING


async def _fault(_request: Request, error: Exception) -> JSONResponse:
    log.error("an invocation failed by a fault of ours", exc_info=error)
    return _response(answers.FAULT)


def _response(answer: Answer) -> JSONResponse:
    return JSONResponse(answer.body, answer.status)


class Server(uvicorn.Server):
    """Answers until it is told to exit by `should_exit`; signals are others' business."""

    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]
        return nullcontext()


def main() -> int:
    """Serve until told to stop; the exit code."""
    logs.set_up()
    try:
        settings = ContainerSettings.load()
        calls = open_calls(settings)
        listener = socket.create_server((settings.host, settings.port))
    except (UnbraidError, OSError) as error:
        log.error("the container can't start: %s", error)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: calls.stop.set())
    loaded, failed = threading.Event(), threading.Event()
    config = uvicorn.Config(
        create_app(calls, loaded),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = Server(config)

    def load() -> None:
        try:
            at_once = calls.load(settings.concurrency)
        except Exception as error:
            log.error("the model can't be loaded", exc_info=error)
            failed.set()
            calls.stop.set()
        else:
            log.info("ready", extra={"at_once": at_once})
            loaded.set()

    def leave() -> None:
        calls.stop.wait()
        calls.wait_until_idle(LEAVE_S)
        server.should_exit = True

    _start(load)
    _start(leave)
    address, port = listener.getsockname()[:2]
    log.info("listening", extra={"address": f"http://{address}:{port}"})
    server.run(sockets=[listener])
    # Threads may be in the middle of a segment: the interpreter would wait for them, or crash.
    logging.shutdown()
    os._exit(1 if failed.is_set() else 0)


def _start(task: Callable[[], None]) -> None:
    threading.Thread(target=task, name=task.__name__, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
