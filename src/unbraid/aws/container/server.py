"""The server of the container: `GET /ping` and `POST /invocations` on port 8080, configured by the environment.

On SIGTERM the server releases running jobs, answers 503 from then on, and exits within seconds.
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

from unbraid.aws import logs
from unbraid.aws.container import answers
from unbraid.aws.container.answers import Answer
from unbraid.aws.container.factory import open_invocations
from unbraid.aws.container.invocations import Invocations
from unbraid.aws.container.requests import MAX_BYTES
from unbraid.aws.container.settings import ContainerSettings
from unbraid.errors import UnbraidError

THREADS = 64  # invocations answered or waiting at the same time; the endpoint's configuration limits how many it sends
RELEASE_S = 2.0  # after SIGTERM, for running jobs to be released before their invocations are answered
SHUTDOWN_S = 10.0  # after SIGTERM, for the segment in progress; the endpoint kills after 30

log = logging.getLogger(__name__)


def create_app(invocations: Invocations, loaded: threading.Event) -> Starlette:
    """Create the application. It is ready once `loaded` is set."""
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="invocation")

    async def ping(_request: Request) -> JSONResponse:
        if invocations.stop.is_set():
            return _response(answers.STOPPING)
        return _response(answers.READY if loaded.is_set() else answers.LOADING)

    async def invoke(request: Request) -> JSONResponse:
        body = b""
        async for block in request.stream():
            body += block
            if len(body) > MAX_BYTES:
                return _response(answers.TOO_LARGE)
        answer = pool.submit(invocations.answer, body)
        return _response(await _unless_stopped(answer, invocations.stop))

    return Starlette(
        routes=[Route("/ping", ping), Route("/invocations", invoke, methods=["POST"])],
        exception_handlers={Exception: _internal_error},
    )


async def _unless_stopped(work: Future[Answer], stop: threading.Event) -> Answer:
    """Wait for an answer; once `stop` is set, for RELEASE_S at most."""
    answer = asyncio.wrap_future(work)
    while not stop.is_set():
        done, _ = await asyncio.wait([answer], timeout=0.1)
        if done:
            return answer.result()
    done, _ = await asyncio.wait([answer], timeout=RELEASE_S)
    return answer.result() if done else answers.STOPPING


async def _internal_error(_request: Request, error: Exception) -> JSONResponse:
    log.error("an invocation failed by an internal error", exc_info=error)
    return _response(answers.INTERNAL_ERROR)


def _response(answer: Answer) -> JSONResponse:
    return JSONResponse(answer.body, answer.status)


class Server(uvicorn.Server):
    """A server that exits when `should_exit` is set and leaves signals to `main`."""

    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]
        return nullcontext()


def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    logs.set_up("container")
    try:
        settings = ContainerSettings.load()
        invocations = open_invocations(settings)
        listener = socket.create_server((settings.host, settings.port))
    except (UnbraidError, OSError) as error:
        log.error("the container can't start: %s", error)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: invocations.stop.set())
    loaded, failed = threading.Event(), threading.Event()
    config = uvicorn.Config(
        create_app(invocations, loaded),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = Server(config)

    def load() -> None:
        try:
            concurrency = invocations.load(settings.concurrency)
        except Exception as error:
            log.error("the model can't be loaded", exc_info=error)
            failed.set()
            invocations.stop.set()
        else:
            log.info("ready", extra={"concurrency": concurrency})
            loaded.set()

    def shut_down() -> None:
        invocations.stop.wait()
        invocations.wait_until_idle(SHUTDOWN_S)
        server.should_exit = True

    _start(load)
    _start(shut_down)
    host, port = listener.getsockname()[:2]
    log.info("listening", extra={"address": f"http://{host}:{port}"})
    server.run(sockets=[listener])
    # Threads may be computing a segment: the interpreter would wait for them, or crash.
    logging.shutdown()
    os._exit(1 if failed.is_set() else 0)


def _start(task: Callable[[], None]) -> None:
    threading.Thread(target=task, name=task.__name__, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
