"""Connect to a Ray cluster and run a task there."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from unbraid.cluster.ray_pool import PoolSize, separate_all
from unbraid.cluster.song_worker import Outcome, Task
from unbraid.cluster.storage import Storage, StoredSong
from unbraid.errors import SettingError, UnbraidError

CLIENT = "ray://"
HEAD = {"node:__internal_head__": 0.001}  # a resource that only the head of a cluster has
MOST_AT_ONCE = 1000  # outcomes in one answer of the driver
ANSWER_S = 1.0


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has started."""

    songs: int
    """Number of files that may be songs."""
    outcomes: Generator[Outcome]
    """The outcome of each file, as they end. Raises SettingError if a worker can't load the model."""


@contextmanager
def running(address: str, task: Task, pool: PoolSize) -> Iterator[Run]:
    """Run `task` on the Ray cluster at `address`: `ray://HOST:10001`, `HOST:6379`, `auto`, or `local` (this machine).

    The end of the context stops the run. Raises SettingError if Ray isn't installed, or the cluster or a folder can't
    be reached.
    """
    # Ray logs each lost worker in dozens of lines. The outcomes have what matters.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
    except ImportError as error:
        raise SettingError("A cluster needs Ray. Run `pip install 'unbraid[ray]'`.") from error
    try:
        ray.init(address, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, TimeoutError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise SettingError(
            f"The Ray cluster {address} can't be reached: {reason}. If it asks for a token, set RAY_AUTH_MODE=token."
        ) from error
    try:
        run = _client_run(task, pool) if address.startswith(CLIENT) else _run(task, pool)
        with closing(run.outcomes):
            yield run
    finally:
        ray.shutdown()


def _run(task: Task, pool: PoolSize) -> Run:
    songs = find_songs(task)
    return Run(len(songs), separate_all(task, songs, pool))


def _client_run(task: Task, pool: PoolSize) -> Run:
    """Run the driver at the head of the cluster: each call of a worker would go through the connection."""
    import ray

    driver = ray.remote(num_cpus=0, resources=HEAD)(_Driver).remote(task, pool)
    count, problem = ray.get(driver.start.remote())
    if problem:
        raise SettingError(problem)
    return Run(count, _outcomes(driver))


def find_songs(task: Task) -> list[StoredSong]:
    """List the files that may be songs. Raises SettingError if the folder can't be listed, or is empty."""
    try:
        songs = list(Storage(task.source).songs(leave_out=Storage(task.out)))
    except UnbraidError:
        raise
    except Exception as error:  # each storage has its own errors
        raise SettingError(f"{task.source} can't be listed: {type(error).__name__}: {error}") from error
    if not songs:
        raise SettingError(f"There is no audio or video file in {task.source}. Check the URL.")
    return songs


class _Driver:
    """Runs a task at the head of the cluster. Errors are values: Ray would wrap them."""

    def __init__(self, task: Task, pool: PoolSize) -> None:
        self._task, self._pool = task, pool
        self._outcomes: Iterator[Outcome] = iter(())

    def start(self) -> tuple[int, str]:
        """List the songs. Return their number, or a problem."""
        try:
            songs = find_songs(self._task)
        except UnbraidError as error:
            return 0, error.message
        self._outcomes = separate_all(self._task, songs, self._pool)
        return len(songs), ""

    def more(self) -> tuple[list[Outcome], str]:
        """Return the next outcomes, or a problem; nothing at the end."""
        some: list[Outcome] = []
        until = time.monotonic() + ANSWER_S
        try:
            for outcome in self._outcomes:
                some.append(outcome)
                if len(some) == MOST_AT_ONCE or time.monotonic() > until:
                    break
        except UnbraidError as error:
            return some, error.message
        return some, ""


def _outcomes(driver: Any) -> Generator[Outcome]:
    import ray

    try:
        while True:
            some, problem = ray.get(driver.more.remote())
            yield from some
            if problem:
                raise SettingError(problem)
            if not some:
                return
    finally:
        ray.kill(driver)
