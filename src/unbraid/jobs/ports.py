"""Interfaces between the rules of sessions and their adapters: storage, queues and e-mail.

Adapters implement `JobStore`, `ObjectStore`, `Dispatcher`, `Notifier` and `Counters`; each has one contract test in
`tests/contract` for all its adapters. `QueueView`, `Links`, `Lease` and `Job` narrow the dependency of one caller. Each
method of a store may raise Unavailable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from unbraid.jobs.messages import Failure
from unbraid.jobs.session import Choices, Output, Playable, Session, State


class Changed(Exception):  # noqa: N818 - the ordinary outcome of a race
    """Another process changed or deleted the record since it was read: read it again and decide again."""


class QueueView(Protocol):
    """Read the queue, and the sessions that show how fast it moves."""

    def pending(self, limit: int) -> list[Session]:
        """Return PENDING sessions, in the order of `queued_at`."""
        ...

    def in_progress(self) -> list[Session]:
        """Return all sessions in progress."""
        ...

    def completed(self, limit: int) -> list[Session]:
        """Return the latest completed sessions, newest first."""
        ...


class JobStore(QueueView, Protocol):
    """Stores sessions. Safe for any number of threads and processes."""

    # Single records

    def add(self, session: Session) -> None:
        """Store a new record. Raises Changed if its id exists."""
        ...

    def get(self, session_id: str) -> Session | None:
        """Return the current record; None: unknown."""
        ...

    def get_many(self, session_ids: Sequence[str]) -> dict[str, Session]:
        """Return the records that exist, by id."""
        ...

    def save(self, session: Session) -> Session:
        """Replace the record with the same version; return it with the next version. Raises Changed."""
        ...

    def delete(self, session_id: str) -> bool:
        """Delete the record; return whether it existed."""
        ...

    # History

    def history(self, owner: str, limit: int, before: float | None = None) -> list[Session]:
        """Return the owner's sessions created before a time, newest first."""
        ...

    # Upkeep

    def lapsed(self, now: float) -> list[Session]:
        """Return sessions in progress whose lease has expired."""
        ...

    def expired(self, now: float, limit: int) -> list[Session]:
        """Return sessions past `expires_at`."""
        ...

    def known(self, session_ids: Iterable[str]) -> set[str]:
        """Return the ids that have a record."""
        ...

    # Monitoring

    def counts(self) -> Mapping[State, int]:
        """Count the sessions in each state, without share links."""
        ...

    def oldest_pending(self) -> float | None:
        """Return when the longest-waiting session was queued; None: the queue is empty."""
        ...


class Links(Protocol):
    """Make upload and download links for users."""

    def upload_url(
        self, key: str, content_type: str, expires_s: int, max_bytes: int, size: int | None = None
    ) -> str:
        """Return a URL that accepts one PUT with exactly that Content-Type, of exactly `size` bytes.

        Without `size`, at most `max_bytes` are accepted, if the store can check that.
        """
        ...

    def download_url(self, key: str, expires_s: int, filename: str | None = None) -> str:
        """Return a URL of the file, with byte ranges. With `filename`, browsers save it under that name."""
        ...


class Parts(Protocol):
    """Receives a large file in parts, numbered from 1. It appears under its key when the parts are joined.

    A part that is sent again replaces the first one. Methods raise FileNotFoundError if the upload was joined, aborted
    or never begun, as far as the store knows that.
    """

    def begin_parts(self, key: str, content_type: str) -> str:
        """Begin an upload in parts; return its id."""
        ...

    def part_url(self, key: str, upload_id: str, number: int, size: int, expires_s: int) -> str:
        """Return a URL that accepts one PUT of exactly `size` bytes."""
        ...

    def parts(self, key: str, upload_id: str) -> Mapping[int, int]:
        """Return the size of each complete part, by number. Raises FileNotFoundError."""
        ...

    def join_parts(self, key: str, upload_id: str, count: int) -> None:
        """Store parts 1 to `count` as one file, and delete all parts. Raises FileNotFoundError, OutputError."""
        ...

    def abort_parts(self, key: str, upload_id: str) -> None:
        """Delete all parts. An unknown upload is no error."""
        ...


class ObjectStore(Links, Parts, Protocol):
    """Stores files under keys such as `inputs/ID/song.mp3`. Writes are atomic."""

    def size(self, key: str) -> int | None:
        """Return the size in bytes; None: no such file."""
        ...

    def head(self, key: str, count: int) -> bytes:
        """Return the first `count` bytes. Raises FileNotFoundError."""
        ...

    def local_file(self, key: str) -> AbstractContextManager[Path]:
        """Provide the file on the local disk while the context lasts. Raises FileNotFoundError."""
        ...

    def put(self, file: Path, key: str, content_type: str) -> None:
        """Store a local file, which may be moved away. Raises OutputError."""
        ...

    def copy(self, source: str, target: str) -> None:
        """Store the file of one key under another key too. Raises FileNotFoundError, OutputError."""
        ...

    def delete(self, prefix: str) -> int:
        """Delete all files below a prefix that ends in `/`; return how many there were."""
        ...

    def discard(self, keys: Sequence[str]) -> None:
        """Delete these files. A file that doesn't exist is no error."""
        ...

    def session_ids(self) -> Iterable[str]:
        """Return the ids of sessions that have files: keys are KIND/ID/NAME."""
        ...

    def free_bytes(self) -> int | None:
        """Return the free space; None: unlimited."""
        ...


class Dispatcher(Protocol):
    """Sends sessions to the workers."""

    def dispatch(self, session: Session) -> None:
        """Announce that `session` is PENDING."""
        ...


class Notifier(Protocol):
    """Notifies users when their session ends."""

    def notify(self, session: Session) -> None:
        """Notify `choices.notify`, if set. Must not raise when that fails: the session is unaffected."""
        ...


@dataclass(frozen=True, slots=True)
class Count:
    """An amount to add to one counter, and the largest value that the counter may have then."""

    counter: str
    amount: int
    most: int


class Counters(Protocol):
    """Counts what clients use, in records that expire. Safe for any number of threads and processes."""

    def add(self, record: str, counts: Sequence[Count], expires_at: float) -> frozenset[str]:
        """Add all amounts to the counters of a record, or none. Return the counters that have no room for theirs."""
        ...


class Lease(Protocol):
    """A worker's exclusive, expiring right to work on one song.

    Methods that return bool return False once the lease is lost, and then change nothing.
    """

    @property
    def lease_s(self) -> float:
        """Seconds until the lease expires unless it is renewed."""
        ...

    def renew_lease(self, progress: float | None, stage: str | None, duration_s: float | None) -> bool:
        """Renew the lease; record progress (0 to 1), stage and the song's duration in seconds, if known."""
        ...

    def complete(
        self,
        outputs: Sequence[Output],
        duration_s: float,
        model_used: str,
        warnings: Sequence[str],
        bpm: float | None = None,
        musical_key: str | None = None,
    ) -> bool:
        """End the work with these output files, all of them stored."""
        ...

    def fail(self, failure: Failure) -> bool:
        """End the work without a result."""
        ...

    def release(self) -> bool:
        """Return the song unfinished, for another worker."""
        ...


class Job(Lease, Protocol):
    """One leased song as `run_job` uses it: the source, the options, and a place for the outputs."""

    @property
    def song_name(self) -> str:
        """Name of the song in messages to its user."""
        ...

    @property
    def choices(self) -> Choices:
        """Options of the separation."""
        ...

    @property
    def parts_of(self) -> str | None:
        """Name of the stem that the song is, if its parts are separated; None for a whole song."""
        ...

    @property
    def max_song_s(self) -> float:
        """Longest duration allowed, in seconds."""
        ...

    @property
    def previews(self) -> bool:
        """Whether to make the files that the web page plays and draws."""
        ...

    def song(self) -> AbstractContextManager[Path]:
        """Provide the song on the local disk while the context lasts. Raises FileNotFoundError, InputError."""
        ...

    def put(self, file: Path) -> str:
        """Store an output file; return its key. Raises OutputError."""
        ...

    def set_playable(self, playable: Playable) -> bool:
        """Record what can be played already, all of it stored. False: the lease is lost."""
        ...

    def discard(self, keys: Sequence[str]) -> None:
        """Delete some files that were stored by `put`."""
        ...

    def delete_outputs(self) -> None:
        """Delete all outputs of this song. Only call it while the lease is held."""
        ...

    def delete_abandoned_outputs(self) -> bool:
        """Delete the outputs unless the song is complete or another worker may be working on it."""
        ...
