"""Remember for a day which models couldn't be downloaded, so that the next song doesn't wait for their servers.

unavailable/NAME.json in the cache has the cause, the time, and a hash of the network settings. Other settings end the
memory, as a download with them may succeed. Only `auto` uses it: a model that was asked for by name is always tried.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from unbraid.files.atomic import atomic_write
from unbraid.models.cache import cache_folder
from unbraid.models.sources import MIRROR

REMEMBERED_S = 24 * 3600

# Settings of pip and of the proxies that change whether a download succeeds.
_SETTINGS = (
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONFIG_FILE"),
    *("PIP_PROXY", "PIP_CERT", "PIP_CLIENT_CERT", "SSL_CERT_FILE"),
)


@dataclass(frozen=True, slots=True)
class _Failure:
    """A failed download of a model."""

    cause: str
    """Without advice: "no network"."""
    at: float
    """Seconds since the epoch."""
    settings: str

    @property
    def holds(self) -> bool:
        """Whether another attempt would be too early."""
        try:
            age_s = time.time() - self.at
        except TypeError:  # the file was altered
            return False
        return 0 <= age_s < REMEMBERED_S and self.settings == _settings()


_here: dict[Path, _Failure] = {}
"""Failures of this process, if the cache can't be written."""


def remember(name: str, cause: str, *, on_disk: bool = True) -> None:
    """Record that the model `name` can't be downloaded now. `on_disk`: also for other processes."""
    failure = _Failure(cause, time.time(), _settings())
    path = _folder() / f"{name}.json"
    if not on_disk:
        _here[path] = failure
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(json.dumps(asdict(failure)).encode())
    except OSError:
        _here[path] = failure


def recall(name: str) -> str | None:
    """Return why the model `name` couldn't be downloaded within the last day; None if it may be tried again."""
    path = _folder() / f"{name}.json"
    failure = _here.get(path)
    with suppress(OSError, ValueError, TypeError):
        failure = _Failure(**json.loads(path.read_text("utf-8")))
    if failure is None or not failure.holds:
        return None
    return f"{failure.cause} (tried at {time.strftime('%H:%M', time.localtime(failure.at))})"


def forget() -> None:
    """Allow all downloads again."""
    _here.clear()
    with suppress(OSError):
        for path in _folder().glob("*.json"):
            path.unlink(missing_ok=True)


def _folder() -> Path:
    return cache_folder() / "unavailable"


def _settings() -> str:
    """Return a hash of the settings: they may contain passwords."""
    from urllib.request import getproxies  # slow to import, and unneeded once models are installed

    used = {name: os.environ.get(name, "") for name in (MIRROR, *_SETTINGS)}
    return hashlib.sha256(repr((sorted(used.items()), sorted(getproxies().items()))).encode()).hexdigest()[
        :16
    ]
