"""What the rules need of the world. Each port has one contract test (`tests/contract`) that every adapter passes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from unbraid.jobs.session import Session, State


class Changed(Exception):  # noqa: N818 - the ordinary outcome of a race
    """Somebody else changed or deleted the record since it was read: read it again and decide anew."""


class JobStore(Protocol):
    """Keeps the sessions. Safe for any number of threads and processes at once."""

    def add(self, session: Session) -> None:
        """Keep a new session. Raises Changed where there is one with its id."""
        ...

    def get(self, session_id: str) -> Session | None:
        """The record as it is now; None: unknown."""
        ...

    def get_many(self, session_ids: Sequence[str]) -> dict[str, Session]:
        """Those of them that are known."""
        ...

    def save(self, session: Session) -> Session:
        """Write `session` over the record with its version, and give it back with the next one. Raises Changed."""
        ...

    def delete(self, session_id: str) -> bool:
        """Forget it; whether it was there."""
        ...

    def history(self, owner: str, limit: int, before: float | None = None) -> list[Session]:
        """The owner's sessions, newest first, created before that time."""
        ...

    def pending(self, limit: int) -> list[Session]:
        """Those that wait for somebody to work on them, in the order of `queued_at`."""
        ...

    def ahead(self, session: Session) -> int:
        """How many pending sessions were queued before it."""
        ...

    def lapsed(self, now: float) -> list[Session]:
        """Sessions in progress whose lease has run out."""
        ...

    def in_progress(self) -> list[Session]:
        """All that are worked on."""
        ...

    def completed(self, limit: int) -> list[Session]:
        """The last that were completed, newest first."""
        ...

    def expired(self, now: float, limit: int) -> list[Session]:
        """Sessions that have outlived their time."""
        ...

    def counts(self) -> Mapping[State, int]:
        """How many sessions are in each state."""
        ...

    def oldest_pending(self) -> float | None:
        """When the longest-waiting session was queued."""
        ...

    def known(self, session_ids: Iterable[str]) -> set[str]:
        """Which of these ids have a record."""
        ...


class ObjectStore(Protocol):
    """Keeps files under keys such as `inputs/ID/song.mp3`. What is written appears whole or not at all."""

    def upload_url(self, key: str, content_type: str, expires_s: int, max_bytes: int) -> str:
        """An address that takes one PUT of at most so many bytes with exactly that Content-Type."""
        ...

    def download_url(self, key: str, expires_s: int, filename: str | None = None) -> str:
        """An address that gives the file, whole or in ranges; with `filename`, to be saved under that name."""
        ...

    def size(self, key: str) -> int | None:
        """In bytes; None: not there."""
        ...

    def head(self, key: str, count: int) -> bytes:
        """Its first bytes. Raises FileNotFoundError."""
        ...

    def local_file(self, key: str) -> AbstractContextManager[Path]:
        """The file on this machine's disk, for as long as the context lasts. Raises FileNotFoundError."""
        ...

    def put(self, file: Path, key: str, content_type: str) -> None:
        """Keep a file that lies on this machine's disk; it may be moved away. Raises OutputError."""
        ...

    def delete(self, prefix: str) -> int:
        """Delete all below a prefix that ends in `/`; how many files there were."""
        ...

    def session_ids(self) -> Iterable[str]:
        """Ids of the sessions that files lie here for: keys are KIND/ID/NAME."""
        ...

    def free_bytes(self) -> int | None:
        """Room left; None: without end."""
        ...


class Dispatcher(Protocol):
    """Tells whoever works that there is something to do."""

    def dispatch(self, session: Session) -> None:
        """`session` has become PENDING."""
        ...


class Notifier(Protocol):
    """Tells people."""

    def notify(self, session: Session) -> None:
        """`session` has ended: write to its `choices.notify`, if there is one. Failing to do so must not fail it."""
        ...
