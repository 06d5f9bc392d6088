"""The container's health check: it fits whichever server or worker runs, so an image needs only one."""

from __future__ import annotations

import os
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

# Health address and default port of the app and of the inference server. Only one of them runs in a container.
CHECKS = (("/healthz", "8000"), ("/ping", "8080"))
TIMEOUT_S = 4.0
# `unbraid worker` touches this file of its data folder every 5 seconds while its worker processes run.
ALIVE_FILE, ALIVE_S = "workers-alive", 60.0


def is_healthy() -> bool:
    """Whether the app or the inference server on this machine says that it is ready, or workers run."""
    return _workers_run() or any(
        _answers(path, os.environ.get("UNBRAID_PORT") or port) for path, port in CHECKS
    )


def _workers_run() -> bool:
    with suppress(OSError):
        file = Path(os.environ.get("UNBRAID_DATA") or "/data", ALIVE_FILE)
        return time.time() - file.stat().st_mtime < ALIVE_S
    return False


def _answers(path: str, port: str) -> bool:
    # No proxy: the variables of some containers send even loopback addresses to one.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    url = f"http://127.0.0.1:{port}{path}"
    with suppress(OSError), opener.open(url, timeout=TIMEOUT_S):  # HTTPError, an OSError: not status 200
        return True
    return False
