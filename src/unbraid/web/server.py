"""The server process: the app in uvicorn, its workers and the periodic upkeep."""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import cast

import uvicorn

from unbraid.errors import Unavailable, UnbraidError
from unbraid.jobs.service import Service
from unbraid.jobs.sweeper import Sweeper
from unbraid.local.factory import open_sessions
from unbraid.local.file_store import FileStore
from unbraid.local.processes import Supervisor
from unbraid.local.settings import Settings
from unbraid.local.teaching_process import TeachingSupervisor
from unbraid.models.own import FOLDER as OWN_MODELS
from unbraid.models.own import own_folder
from unbraid.web.app import create_app
from unbraid.web.protocol import Protocol, SocketProtocol

SHUTDOWN_TIMEOUT_S = 3  # for open requests when the server stops
RECOVER_INTERVAL_S = 1.0  # between two checks for dead workers
SWEEP_INTERVAL_S = 600.0  # between two sweeps of expired sessions
MAX_OPEN_FILES = 65536  # including sockets
MAX_MESSAGE_BYTES = 1 << 16  # a page sends only its token by WebSocket

log = logging.getLogger(__name__)


def serve(settings: Settings, stop: threading.Event, started: Callable[[str], None]) -> None:
    """Serve until `stop` is set. Call `started` with the URL. Raises UnbraidError, and errors of signal handlers."""
    listener = bind(settings.host, settings.port)
    with listener:
        # Other modules read these settings from the environment.
        os.environ.update(settings.environment())
        os.environ.setdefault(OWN_MODELS, str(own_folder()))  # a server offers these
        sessions = open_sessions(settings)
        _allow_many_files()
        with _workers(settings), _upkeep(Sweeper(sessions)):
            config = uvicorn.Config(
                create_app(Service(sessions), settings),
                log_config=None,
                access_log=False,
                http=Protocol,
                ws=SocketProtocol,
                lifespan="off",
                server_header=False,
                proxy_headers=bool(settings.proxies),
                forwarded_allow_ips=list(settings.proxies),
                ws_max_size=MAX_MESSAGE_BYTES,
                timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
            )
            Server(config, stop, lambda: started(_address(listener, settings))).run(sockets=[listener])


def bind(host: str, port: int) -> socket.socket:
    """Open a listening socket. Raises UnbraidError."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()  # only now does another server on that port raise an error
        except OSError:
            listener.close()
            raise
        return listener
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = f"Another program uses port {port}. Choose another with --port, or 0 for any free port."
        elif error.errno in (errno.EACCES, errno.EPERM):
            reason = f"Port {port} needs administrator rights. Choose one above 1023 with --port."
        else:
            reason = f"{host} is not an address of this machine. Choose another with --host."
        raise UnbraidError(reason) from error


class Server(uvicorn.Server):
    """A server that an event stops, so that the caller handles signals."""

    def __init__(self, config: uvicorn.Config, stop: threading.Event, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop, self._on_started = stop, started

    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_started()

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._stop.is_set()


@contextmanager
def _workers(settings: Settings) -> Iterator[None]:
    workers, teacher = Supervisor(settings), TeachingSupervisor(settings)
    workers.start()
    if settings.teaches:
        teacher.start()
    try:
        yield
    except BaseException:
        teacher.stop(within_s=0)
        workers.stop(within_s=0)  # a second Ctrl-C doesn't wait: the workers' leases expire
        raise
    teacher.stop()
    workers.stop()


@contextmanager
def _upkeep(sweeper: Sweeper) -> Iterator[None]:
    """Run a thread that requeues the sessions of dead workers and deletes expired ones."""
    stopped = threading.Event()

    def run() -> None:
        rounds = int(SWEEP_INTERVAL_S / RECOVER_INTERVAL_S)
        for number in _count_until(stopped, RECOVER_INTERVAL_S):
            try:
                sweeper.recover()
                if number % rounds == 0:
                    swept = sweeper.sweep()
                    parts = cast(FileStore, sweeper.sessions.objects).clear_parts()
                    if any(swept) or parts:
                        log.info("swept", extra={**swept._asdict(), "parts": parts})
            except Unavailable as error:
                log.warning("upkeep waits: %s", error.message)
            except Exception:
                log.exception("upkeep failed; retrying")

    thread = threading.Thread(target=run, name="upkeep", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _count_until(stopped: threading.Event, pause_s: float) -> Iterator[int]:
    number = 0
    while not stopped.is_set():
        yield number
        number += 1
        stopped.wait(pause_s)


def _address(listener: socket.socket, settings: Settings) -> str:
    """The URL of the server for users."""
    if settings.public_url is not None:
        return settings.public_url
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listener.getsockname()[1]}"


def _allow_many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(MAX_OPEN_FILES, hard)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), hard))
