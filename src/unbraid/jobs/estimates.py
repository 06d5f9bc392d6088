"""How long a song will take: by what songs took on this machine, and by the pace of this one."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence

from unbraid.cores import usable_cores
from unbraid.jobs.choices import ALL
from unbraid.jobs.session import Session
from unbraid.models.auto import AUTO, FIRST_CHOICE, installed_choice
from unbraid.models.catalog import catalog

DOWNLOADING = "downloading"
"""The stage in which a model is got. Its time is not the song's, and progress is its own."""

# Of the last songs, so many of a kind count: enough that one odd one doesn't matter, few enough to follow a change.
REMEMBERED = 9

# Share of a song from which its own pace alone counts.
SETTLED = 0.2

# Bytes a second of typical files, for songs that nobody has looked into yet; compressed ones are about 192 kbit/s.
_BYTES_PER_SECOND = {"wav": 176_400, "aif": 176_400, "aiff": 176_400, "flac": 100_000}
_COMPRESSED = 24_000


class Rates:
    """Seconds of work for a second of song, by model."""

    def __init__(self, completed: Iterable[Session] = (), cores: int | None = None) -> None:
        """`completed` sessions, newest first, are what was measured; before, guesses for this many cores."""
        self._scale = 2 / (cores or usable_cores())
        self._measured: dict[tuple[str, bool], list[tuple[float, float]]] = defaultdict(list)
        auto = None
        for session in completed:
            if not (session.started_at and session.finished_at and session.duration_s and session.model_used):
                continue
            if session.choices.model == AUTO:
                auto = auto or session.model_used
            samples = self._measured[session.model_used, session.choices.stems == ALL]
            if len(samples) < REMEMBERED:
                rate = (session.finished_at - session.started_at) / session.duration_s
                samples.append((rate, session.duration_s))
        self._auto = auto or installed_choice()

    def of(self, model: str, stems: str) -> float:
        """For one model and choice of stems (`all` or one of them)."""
        if model == AUTO:
            model = self._auto
        measured = self._measured.get((model, stems == ALL))
        if measured:
            return _weighted_median(measured)
        speed = catalog().get(model, catalog()[FIRST_CHOICE]).speed
        return (speed.all_stems if stems == ALL else speed.one_stem) * self._scale


def _weighted_median(samples: Iterable[tuple[float, float]]) -> float:
    """Of (value, weight): long songs say more than short ones, where starting is most of the time, and a machine that
    slept in the middle of one says nothing."""
    ordered = sorted(samples)
    half = sum(weight for _, weight in ordered) / 2
    for value, weight in ordered:
        half -= weight
        if half <= 0:
            return value
    return ordered[-1][0]  # by the rounding of the sums


def seconds_of(session: Session, rates: Rates) -> float | None:
    """What a session takes from its beginning to its end: by its duration, or else by its size; None for a film whose
    duration isn't known yet, as the size says nothing of it."""
    duration_s = session.duration_s
    if duration_s is None:
        if session.size is None or session.file_type.startswith("video/"):
            return None
        ending = session.input_key.rpartition(".")[2]
        duration_s = session.size / _BYTES_PER_SECOND.get(ending, _COMPRESSED)
    return rates.of(session.choices.model, session.choices.stems) * duration_s


def seconds_left(session: Session, now: float, rates: Rates) -> float | None:
    """Until a session that is worked on is done: from what is usual at first, and more and more from its own pace."""
    usual, pace = seconds_of(session, rates), None
    if session.progress > 0 and session.started_at is not None:
        pace = max(now - session.started_at, 0.0) / session.progress
    if session.stage == DOWNLOADING:
        # Then comes the song.
        return None if usual is None or pace is None else (1 - session.progress) * pace + usual
    if usual is None or pace is None:
        whole = usual if pace is None else pace
    else:
        own = min(session.progress / SETTLED, 1.0)
        whole = own * pace + (1 - own) * usual
    return None if whole is None else (1 - session.progress) * whole


def waiting_times(
    working: Sequence[Session], waiting: Sequence[Session], now: float, rates: Rates
) -> list[float]:
    """Seconds until work on each of `waiting` begins. While anybody waits, as many are worked on as can be: each goes
    to whoever is free next."""
    free = [seconds_left(session, now, rates) or 0.0 for session in working] or [0.0]
    heapq.heapify(free)
    times = []
    for session in waiting:
        times.append(free[0])
        heapq.heapreplace(free, free[0] + (seconds_of(session, rates) or 0.0))
    return times
