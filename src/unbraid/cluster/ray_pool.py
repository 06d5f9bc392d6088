"""Run a task on a Ray cluster: a pool of actors that grows with the cluster. Ray places them and reports lost ones."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from unbraid.cluster.schedule import SONGS_PER_WORKER, Schedule
from unbraid.cluster.song_worker import FAILED, Outcome, SongWorker, Task
from unbraid.cluster.storage import StoredSong
from unbraid.errors import SettingError, UnbraidError

# Workers that may end while they start, if none was ever ready.
MOST_FAILED_STARTS = 5
# Between two starts, after a failed one: twice as long each time. The cluster may need some time to notice a lost node.
PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PoolSize:
    """Resources of the workers."""

    cpus: float
    """Cores for each worker."""
    gpus: float = 0.0
    """Graphics cards for each worker; 0.25: four workers share one."""
    most: int | None = None
    """Maximum number of workers; None: as many as the cluster has room for."""


def separate_all(task: Task, songs: Sequence[StoredSong], size: PoolSize) -> Generator[Outcome]:
    """Yield the outcome of each song, as they end. Each song is yielded once.

    A song whose worker is lost is tried again. If workers end with a song again and again, the song fails.
    Raises SettingError if workers can't start, or can't load the model. The end of the generator ends the workers.
    """
    schedule = Schedule(songs)
    pool = _Pool(task, size)
    try:
        while schedule.waiting or schedule.running:
            pool.fit(schedule)
            for worker in pool.ready:
                while song := schedule.next_for(worker):
                    pool.give(worker, song)
            yield from pool.wait(schedule)
    finally:
        pool.end()


class _Actor:
    """A SongWorker in a process of the cluster. A problem of the start is a value: Ray would wrap an error."""

    def __init__(self, task: Task) -> None:
        self._problem = ""
        try:
            self._worker = SongWorker(task)
        except UnbraidError as error:
            self._problem = error.message

    def problem(self) -> str:
        """Return why the worker can't work; empty: it can."""
        return self._problem

    def separate(self, song: StoredSong) -> Outcome:
        """Separate a song."""
        return self._worker.separate(song)


class _Pool:
    """Actors, and what they were given."""

    def __init__(self, task: Task, size: PoolSize) -> None:
        import ray

        self._ray: Any = ray
        self._task, self._most = task, size.most
        self._make: Any = ray.remote(
            num_cpus=size.cpus, num_gpus=size.gpus, max_concurrency=SONGS_PER_WORKER
        )(_Actor)
        self.ready: list[Any] = []
        """Workers that have loaded the model."""
        self._starting: dict[Any, Any] = {}  # answer that is waited for: worker
        self._given: dict[Any, tuple[Any, StoredSong]] = {}  # answer that is waited for: worker and song
        self._failed_starts = 0  # since one succeeded
        self._was_ready = False
        self._next_start = 0.0

    def fit(self, schedule: Schedule) -> None:
        """Start workers while songs wait, and end those without work when none do.

        As many start at the same time as are ready, so that a pool doubles and a cluster that grows sees what is
        missing. Those without room wait for it.
        """
        if schedule.waiting or not self.ready:
            while (
                len(self._starting) < max(1, len(self.ready))
                and len(self._starting) * SONGS_PER_WORKER < schedule.waiting
                and (self._most is None or len(self._starting) + len(self.ready) < self._most)
                and time.monotonic() >= self._next_start
            ):
                worker = self._make.remote(self._task)
                self._starting[worker.problem.remote()] = worker
            return
        busy = {worker for worker, _ in self._given.values()}
        # If one is lost, its songs need another.
        spare = [worker for worker in self.ready if worker not in busy][schedule.running :]
        for worker in [*self._starting.values(), *spare]:
            self._kill(worker)
        self._starting.clear()
        self.ready = [worker for worker in self.ready if worker not in spare]

    def give(self, worker: Any, song: StoredSong) -> None:
        """Let the worker separate a song."""
        self._given[worker.separate.remote(song)] = worker, song

    def wait(self, schedule: Schedule) -> Generator[Outcome]:
        """Wait until a worker is ready, has an outcome, or is lost. Yield outcomes."""
        pause_s = max(0.0, self._next_start - time.monotonic())
        if not (asked := [*self._starting, *self._given]):
            time.sleep(pause_s)
            return
        answers, _ = self._ray.wait(asked, num_returns=1, timeout=pause_s or None)
        for answer in answers:
            if answer in self._starting:
                self._add(self._starting.pop(answer), answer)
            elif answer in self._given:  # not if its worker was lost with the answer before
                worker, song = self._given.pop(answer)
                try:
                    outcome: Outcome = self._ray.get(answer)
                except self._ray.exceptions.RayError:
                    yield from self._lose(worker, schedule)
                else:
                    schedule.finish(worker, song)
                    yield outcome

    def end(self) -> None:
        """End all workers."""
        for worker in [*self._starting.values(), *self.ready]:
            self._kill(worker)

    def _add(self, worker: Any, answer: Any) -> None:
        try:
            problem = self._ray.get(answer)
        except self._ray.exceptions.RayError as error:
            log.info("a worker ended while it started", exc_info=True)
            pause_s = min(LONGEST_PAUSE_S, PAUSE_S * 2 ** min(self._failed_starts, 10))
            self._failed_starts += 1
            self._next_start = time.monotonic() + pause_s
            if not self._was_ready and self._failed_starts >= MOST_FAILED_STARTS and not self._starting:
                reason = str(error).strip().rpartition("\n")[2]
                raise SettingError(f"Workers of the cluster can't start: {reason}") from error
            return
        if problem:
            raise SettingError(problem)
        self._failed_starts, self._next_start, self._was_ready = 0, 0.0, True
        self.ready.append(worker)

    def _lose(self, worker: Any, schedule: Schedule) -> Generator[Outcome]:
        """Let the songs of a lost worker wait again; yield those that fail."""
        self._kill(worker)  # it may only be out of reach
        self.ready.remove(worker)
        self._given = {answer: given for answer, given in self._given.items() if given[0] != worker}
        for song in schedule.lose(worker):
            error = f"{song.label}: the worker ended while it separated this song."
            yield Outcome(song.label, FAILED, error=error)

    def _kill(self, worker: Any) -> None:
        self._ray.kill(worker)
