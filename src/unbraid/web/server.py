"""The server process: the app behind uvicorn, its workers, and what has to be done now and then."""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress

import uvicorn

from unbraid.errors import UnbraidError
from unbraid.jobs.service import Service
from unbraid.local.factory import open_service
from unbraid.local.files import FolderStore
from unbraid.local.processes import Workers
from unbraid.local.settings import Settings
from unbraid.web.app import create_app
from unbraid.web.protocol import Protocol, SocketProtocol

LEAVE_S = 3  # for requests that are being answered when the server stops
RECOVER_S = 1.0  # between two looks for workers that are gone
SWEEP_S = 600.0  # between two looks for what has expired
MOST_FILES = 65536  # open at once, sockets among them
LARGEST_MESSAGE = 1 << 16  # bytes that a page may send by WebSocket: a token

log = logging.getLogger(__name__)


def serve(settings: Settings, stop: threading.Event, started: Callable[[str], None]) -> None:
    """Serve until `stop` is set. `started` is told the address. Raises UnbraidError, and what a signal raises."""
    listener = bind(settings.host, settings.port)
    with listener:
        # What is read elsewhere by the environment alone.
        os.environ.update(settings.environment())
        service = open_service(settings)
        _allow_many_files()
        with _workers(settings), _upkeep(service):
            config = uvicorn.Config(
                create_app(service, settings),
                log_config=None,
                access_log=False,
                http=Protocol,
                ws=SocketProtocol,
                lifespan="off",
                server_header=False,
                proxy_headers=bool(settings.proxies),
                forwarded_allow_ips=list(settings.proxies),
                ws_max_size=LARGEST_MESSAGE,
                timeout_graceful_shutdown=LEAVE_S,
            )
            Server(config, stop, lambda: started(_address(listener, settings))).run(sockets=[listener])


def bind(host: str, port: int) -> socket.socket:
    """A socket at that address. Raises UnbraidError."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()  # here, as this is when another server at that port is noticed
        except OSError:
            listener.close()
            raise
        return listener
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            told = f"Port {port} is taken by another program. Choose another by --port, or 0 for any that is free."
        elif error.errno in (errno.EACCES, errno.EPERM):
            told = f"Port {port} is not for ordinary users. Choose one above 1023 by --port."
        else:
            told = f"{host} is no address of this machine. Choose another by --host."
        raise UnbraidError(told) from error


class Server(uvicorn.Server):
    """Stops by an event instead of signals, so that whoever started it decides what those mean."""

    def __init__(self, config: uvicorn.Config, stop: threading.Event, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop, self._tell_started = stop, started

    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._tell_started()

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._stop.is_set()


@contextmanager
def _workers(settings: Settings) -> Iterator[None]:
    workers = Workers(settings)
    workers.start()
    try:
        yield
    except BaseException:
        workers.stop(within_s=0)  # a second Ctrl-C doesn't wait; leases of what they were at lapse
        raise
    workers.stop()


@contextmanager
def _upkeep(service: Service) -> Iterator[None]:
    """A thread that puts back what dead workers had, and deletes what has expired."""
    over = threading.Event()

    def keep_up() -> None:
        rounds = int(SWEEP_S / RECOVER_S)
        for number in _count_until(over, RECOVER_S):
            try:
                service.recover()
                if number % rounds == 0:
                    swept = service.sweep()
                    parts = service.objects.clear_parts() if isinstance(service.objects, FolderStore) else 0
                    if any(swept) or parts:
                        log.info("swept", extra={**swept._asdict(), "parts": parts})
            except Exception:
                log.exception("upkeep failed; it is tried again")

    thread = threading.Thread(target=keep_up, name="upkeep", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _count_until(over: threading.Event, pause_s: float) -> Iterator[int]:
    number = 0
    while not over.is_set():
        yield number
        number += 1
        over.wait(pause_s)


def _address(listener: socket.socket, settings: Settings) -> str:
    """Where people find it."""
    if settings.public_url is not None:
        return settings.public_url
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listener.getsockname()[1]}"


def _allow_many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
