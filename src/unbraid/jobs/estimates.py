"""How long a song will take: by what songs took on this machine, and by the pace of this one."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from unbraid.jobs.choices import ALL
from unbraid.jobs.session import Session, State
from unbraid.models.catalog import AUTO, AUTO_CHOICE, AUTO_INSTEAD, catalog

# Seconds for a second of song on two cores, for one stem and for all.
TWO_CORES: Mapping[str, tuple[float, float]] = {
    "lite": (0.035, 0.035),
    "htdemucs": (0.48, 0.48),
    "htdemucs_6s": (0.5, 0.5),
    "hdemucs_mmi": (0.55, 0.55),
    "htdemucs_ft": (0.48, 1.9),  # a network for each stem
}

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
        self._scale = 2 / (cores or os.cpu_count() or 2)
        self._measured: dict[tuple[str, bool], list[float]] = defaultdict(list)
        self._auto: str | None = None
        for session in completed:
            if not (session.started_at and session.finished_at and session.duration_s and session.model_used):
                continue
            if session.choices.model == AUTO:
                self._auto = self._auto or session.model_used
            samples = self._measured[session.model_used, session.choices.stems == ALL]
            if len(samples) < REMEMBERED:
                samples.append((session.finished_at - session.started_at) / session.duration_s)

    def of(self, model: str, stems: str) -> float:
        """For one model and choice of stems (`all` or one of them)."""
        if model == AUTO:
            model = self._auto or (AUTO_CHOICE if catalog()[AUTO_CHOICE].installed else AUTO_INSTEAD)
        measured = self._measured.get((model, stems == ALL))
        if measured:
            return median(measured)
        one, every = TWO_CORES.get(model, TWO_CORES[AUTO_CHOICE])
        return (every if stems == ALL else one) * self._scale


def seconds_needed(model: str, stems: str, duration_s: float, rates: Rates) -> float:
    """Seconds that a song of `duration_s` takes from its beginning to its end."""
    return rates.of(model, stems) * duration_s


def seconds_of(session: Session, rates: Rates) -> float | None:
    """The same for a session, from its size where its duration isn't known; None for a film, which tells nothing."""
    duration_s = session.duration_s
    if duration_s is None:
        if session.size is None or session.file_type.startswith("video/"):
            return None
        ending = session.input_key.rpartition(".")[2]
        duration_s = session.size / _BYTES_PER_SECOND.get(ending, _COMPRESSED)
    return seconds_needed(session.choices.model, session.choices.stems, duration_s, rates)


def seconds_left(session: Session, now: float, rates: Rates) -> float | None:
    """Until a session that is worked on is done: from what is usual at first, and more and more from its own pace."""
    usual, pace = seconds_of(session, rates), None
    if session.progress > 0 and session.started_at is not None:
        pace = max(now - session.started_at, 0.0) / session.progress
    if usual is None or pace is None:
        whole = usual if pace is None else pace
    else:
        own = min(session.progress / SETTLED, 1.0)
        whole = own * pace + (1 - own) * usual
    return None if whole is None else (1 - session.progress) * whole


def eta(
    session: Session,
    now: float,
    rates: Rates,
    working: Sequence[Session] = (),
    waiting: Sequence[Session] = (),
) -> float | None:
    """Seconds until `session` is done; None: nobody can know, or there is nothing to wait for.

    `working` are all that are worked on, `waiting` those that wait, in their order: while anybody waits, as many are
    worked on as can be.
    """
    if session.state == State.IN_PROGRESS:
        return seconds_left(session, now, rates)
    if session.state != State.PENDING:
        return None
    before = [seconds_left(other, now, rates) or 0.0 for other in working]
    for other in waiting:
        if other.id == session.id:
            break
        before.append(seconds_of(other, rates) or 0.0)
    own = seconds_of(session, rates)
    return None if own is None else own + sum(before) / max(1, len(working))
