"""Estimate how long a song takes, from earlier songs on this machine and from its own progress."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence

from unbraid.audio.stem_words import only_source
from unbraid.errors import UnbraidError
from unbraid.jobs.available import AvailableModels
from unbraid.jobs.choices import ALL, choices_of_quality, part_of
from unbraid.jobs.session import Session
from unbraid.models.auto import FIRST_CHOICE
from unbraid.models.catalog import catalog, find_entry
from unbraid.models.own import offered_entry
from unbraid.models.presets import expected_work
from unbraid.models.speed import seconds_per_second

DOWNLOADING = "downloading"
"""The stage in which a model is downloaded. It has its own progress."""
BEFORE_THE_SONG = (None, DOWNLOADING)
"""Stages whose time doesn't count as work on the song: the model is downloaded and loaded."""

# Songs measured for each rate: enough to ignore an outlier, few enough to follow a change.
REMEMBERED = 9

# The catalogue's speed counts like a song of this length. Starting takes most of the time of a short song, so a few
# seconds of music say little about a whole song.
PRIOR_S = 60.0

# Up to this progress the song is only read, which says nothing about the pace: SHARES in separation/progress.py.
READ = 0.03
# Above this progress, the estimate uses only the song's own pace.
SETTLED = 0.2

# Below this progress of a download, most of the time was the wait for its server.
DOWNLOAD_SETTLED = 0.02

# Bytes per second of typical files, for songs of unknown duration. Compressed files have about 192 kbit/s.
_BYTES_PER_SECOND = {"wav": 176_400, "aif": 176_400, "aiff": 176_400, "flac": 100_000}
_COMPRESSED = 24_000


class Rates:
    """Seconds of work for one second of song, by model. Songs at another quality count as at the balanced one."""

    def __init__(
        self,
        completed: Iterable[Session] = (),
        cores: int | None = None,
        available: AvailableModels | None = None,
    ) -> None:
        """Measure `completed` sessions, newest first. Other models get the catalogue's speed, scaled to `cores`."""
        self.available = available or AvailableModels()
        self._used: dict[tuple[str, str], str] = {}
        self._work: dict[tuple[str, str], float] = {}
        self._cores = cores
        self._measured: dict[tuple[str, bool], list[tuple[float, float]]] = defaultdict(list)
        for session in completed:
            if not (session.started_at and session.finished_at and session.duration_s and session.model_used):
                continue
            samples = self._measured[session.model_used, only_source(session.choices.stems) == ALL]
            if len(samples) < REMEMBERED:
                work = self.work(session.model_used, choices_of_quality(session.choices).quality)
                rate = (session.finished_at - session.started_at) / session.duration_s / work
                samples.append((rate, session.duration_s))

    def of(self, choice: str, stems: str, quality: str | None = None) -> float:
        """Return the rate of a choice (a model, or `auto` and the like) for its stems.

        `quality`: what remains of it for the overlap and the shifts (see `choices_of_quality`).
        """
        model = self.used(choice, stems)
        entry = offered_entry(model) or catalog()[FIRST_CHOICE]
        several = only_source(stems) == ALL
        expected = seconds_per_second(entry, several, self._cores)
        rate = _weighted_median([*self._measured.get((model, several), ()), (expected, PRIOR_S)])
        return rate * self.work(model, quality)

    def work(self, model: str, quality: str | None) -> float:
        """Return the work at a quality, relative to the balanced one; 1 for a model that isn't in the catalogue."""
        if quality is None or (entry := find_entry(model)) is None:
            return 1.0
        if (model, quality) not in self._work:
            self._work[model, quality] = expected_work(entry, quality)
        return self._work[model, quality]

    def used(self, choice: str, stems: str) -> str:
        """Return the model that a choice stands for: see `AvailableModels.used`, which reads files."""
        if (choice, stems) not in self._used:
            self._used[choice, stems] = self.available.used(choice, stems)
        return self._used[choice, stems]


def _weighted_median(samples: Iterable[tuple[float, float]]) -> float:
    """Return the weighted median of (value, weight).

    Long songs count more, because starting takes most of the time of short ones. A median ignores a song during
    which the machine slept.
    """
    ordered = sorted(samples)
    half = sum(weight for _, weight in ordered) / 2
    for value, weight in ordered:
        half -= weight
        if half <= 0:
            return value
    return ordered[-1][0]  # if rounding leaves `half` above 0


def seconds_of(session: Session, rates: Rates) -> float | None:
    """Estimate the work for a whole session from its duration, or else from its size.

    None for a video of unknown duration: its size depends mostly on the picture.
    """
    duration_s = session.duration_s
    if duration_s is None:
        if session.size is None or session.file_type.startswith("video/"):
            return None
        ending = session.input_key.rpartition(".")[2]
        duration_s = _part_s(session, session.size / _BYTES_PER_SECOND.get(ending, _COMPRESSED))
    choices = choices_of_quality(session.choices)
    return rates.of(choices.model, choices.stems, choices.quality) * duration_s


def _part_s(session: Session, song_s: float) -> float:
    """Return the length of the part to separate, in a song of about `song_s` seconds."""
    part = part_of(session.choices)
    if part is None:
        return song_s
    try:
        first, end, _ = part.samples(max(1, round(song_s)), 1, session.file_name)
    except UnbraidError:  # the song may be longer than its size says
        return song_s
    return float(end - first)


def seconds_left(session: Session, now: float, rates: Rates) -> float | None:
    """Estimate the time until a running session is done, with increasing weight on its own pace."""
    usual, pace = seconds_of(session, rates), None
    if session.progress > 0 and session.started_at is not None:
        pace = max(now - session.started_at, 0.0) / session.progress
    if session.stage == DOWNLOADING:
        # The whole song follows the download.
        if usual is None or pace is None or session.progress < DOWNLOAD_SETTLED:
            return None
        return (1 - session.progress) * pace + usual
    if usual is None or pace is None:
        whole = usual if pace is None else pace
    else:
        own = min(max(session.progress - READ, 0.0) / (SETTLED - READ), 1.0)
        whole = own * pace + (1 - own) * usual
    return None if whole is None else (1 - session.progress) * whole


def waiting_times(
    working: Sequence[Session], waiting: Sequence[Session], now: float, rates: Rates
) -> list[float]:
    """Estimate the seconds until the work on each of `waiting` begins.

    While sessions wait, all workers are busy, so the number of `working` sessions is the number of workers. Each
    waiting session goes to the next free worker.
    """
    free = [seconds_left(session, now, rates) or 0.0 for session in working] or [0.0]
    heapq.heapify(free)
    times = []
    for session in waiting:
        times.append(free[0])
        heapq.heapreplace(free, free[0] + (seconds_of(session, rates) or 0.0))
    return times
