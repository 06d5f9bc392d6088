"""The order of the queue.

People are served in the order in which they start songs. The songs of one person are separated in the order in which
they were dropped, however long each upload takes: a small file that was dropped last doesn't overtake a large one that
waits. A worker that is free never waits for an upload.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable

from unbraid.jobs.session import Session


def queue_order(waiting: Iterable[Session]) -> list[Session]:
    """Return PENDING sessions in the order in which workers take them. `waiting` is in the order of `queued_at`.

    The places of one owner's sessions stay those of that owner, and the first dropped session gets the first of them.
    A session without an owner keeps its place.
    """
    places = list(waiting)
    dropped: defaultdict[str, deque[Session]] = defaultdict(deque)
    for session in sorted(places, key=_drop):
        dropped[_person(session)].append(session)
    return [dropped[_person(session)].popleft() for session in places]


def _person(session: Session) -> str:
    return session.owner or f"session:{session.id}"


def _drop(session: Session) -> tuple[float, float, str]:
    at = session.created_at if session.dropped_at is None else session.dropped_at
    return at, session.created_at, session.id
