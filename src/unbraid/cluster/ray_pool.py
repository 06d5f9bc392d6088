"""Run a task on a Ray cluster. Ray Data schedules songs, replaces lost workers, and sizes their pool."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from unbraid.cluster.song_worker import FAILED, Outcome, SongWorker, Task
from unbraid.cluster.storage import StoredSong
from unbraid.errors import SettingError, UnbraidError

# Songs of one data set: Ray keeps a block for each song in the memory of the driver, about 3 kB.
SONGS_AT_ONCE = 10_000
# A worker computes one song while it downloads or uploads another.
SONGS_PER_WORKER = 2
# Songs that wait at each worker. Ray Data adds workers while twice as many songs as workers' places are under way.
WAITING_PER_WORKER = 2 * SONGS_PER_WORKER
# Attempts with a song whose worker ends with it. After that, the song waits until all others are done.
RETRIES = 5


@dataclass(frozen=True, slots=True)
class PoolSize:
    """Resources of the workers."""

    cpus: float
    """Cores for each worker."""
    gpus: float = 0.0
    """Graphics cards for each worker; 0.25: four workers share one."""
    most: int | None = None
    """Maximum number of workers; None: as many as the cluster has room for."""


def separate_all(task: Task, songs: Sequence[StoredSong], pool: PoolSize) -> Generator[Outcome]:
    """Yield the outcome of each song, as they end. Each song is yielded once.

    A song whose worker is lost is tried again. If a worker ends with a song again and again, the song fails.
    Raises SettingError if a worker can't load the model.
    """
    rest = iter(songs)
    lost: list[StoredSong] = []
    while some := list(islice(rest, SONGS_AT_ONCE)):
        lost += yield from _separate_some(task, some, pool)
    while lost:
        again = yield from _separate_some(task, lost, pool)
        if len(again) == len(lost):
            for song in again:
                yield Outcome(
                    song.label, FAILED, error=f"{song.label}: the worker ended while it separated this song."
                )
            return
        lost = again


class _Rows:
    """A SongWorker for Ray Data, which passes rows: JSON, because its tables have no mixed types."""

    def __init__(self, task: Task) -> None:
        self._problem = ""
        try:
            self._worker = SongWorker(task)
        except UnbraidError as error:  # Ray would start the worker again
            self._problem = error.message

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        song = StoredSong(**json.loads(row["item"]))
        if self._problem:
            return {"song": song.path, "outcome": "", "problem": self._problem}
        outcome = asdict(self._worker.separate(song))
        return {"song": song.path, "outcome": json.dumps(outcome), "problem": ""}


def _separate_some(
    task: Task, songs: Sequence[StoredSong], pool: PoolSize
) -> Generator[Outcome, None, list[StoredSong]]:
    """Yield outcomes, each once. Return the songs whose workers were lost too often.

    Raises SettingError if a worker can't load the model.
    """
    from ray.data import ActorPoolStrategy, DataContext, from_items

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # a lost song isn't the end of the run
    missing = {song.path: song for song in songs}
    rows = from_items([json.dumps(asdict(song)) for song in songs], override_num_blocks=len(songs)).map(
        _Rows,
        fn_constructor_args=(task,),
        compute=ActorPoolStrategy(
            min_size=1,
            max_size=pool.most,
            max_tasks_in_flight_per_actor=WAITING_PER_WORKER,
            enable_true_multi_threading=True,
        ),
        num_cpus=pool.cpus,
        num_gpus=pool.gpus,
        max_concurrency=SONGS_PER_WORKER,
        max_task_retries=RETRIES,
    )
    for row in rows.iter_rows():
        if row["problem"]:
            raise SettingError(row["problem"])
        # A row may come twice if the machine that holds it is lost.
        if missing.pop(row["song"], None):
            outcome = json.loads(row["outcome"])
            yield Outcome(**{**outcome, "warnings": tuple(outcome["warnings"])})
    return list(missing.values())
