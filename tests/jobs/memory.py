"""In-memory adapters of all ports, for tests of the session rules."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from unbraid.jobs.available import AvailableModels
from unbraid.jobs.leases import Leases
from unbraid.jobs.limits import Limits
from unbraid.jobs.ports import Changed
from unbraid.jobs.service import Service
from unbraid.jobs.session import Choices, Output, Session, State
from unbraid.jobs.sessions import Sessions
from unbraid.jobs.sweeper import Sweeper

SONG = b"ID3" + bytes(100)
"""Bytes with the beginning of an MP3 file."""


class MemoryStore:
    """A JobStore in a dictionary."""

    def __init__(self) -> None:
        self.records: dict[str, Session] = {}
        self._lock = threading.Lock()

    def add(self, session: Session) -> None:
        with self._lock:
            if session.id in self.records:
                raise Changed
            self.records[session.id] = session

    def get(self, session_id: str) -> Session | None:
        return self.records.get(session_id)

    def get_many(self, session_ids: Sequence[str]) -> dict[str, Session]:
        return {key: self.records[key] for key in session_ids if key in self.records}

    def save(self, session: Session) -> Session:
        with self._lock:
            current = self.records.get(session.id)
            if current is None or current.version != session.version:
                raise Changed
            saved = self.records[session.id] = replace(session, version=session.version + 1)
            return saved

    def delete(self, session_id: str) -> bool:
        with self._lock:
            return self.records.pop(session_id, None) is not None

    def history(self, owner: str, limit: int, before: float | None = None) -> list[Session]:
        owned = [s for s in self._all() if s.owner == owner and (before is None or s.created_at < before)]
        return sorted(owned, key=lambda s: (-s.created_at, s.id))[:limit]

    def pending(self, limit: int) -> list[Session]:
        return sorted(self._in(State.PENDING), key=_place)[:limit]

    def lapsed(self, now: float) -> list[Session]:
        return [s for s in self.in_progress() if s.lease_until is not None and s.lease_until <= now]

    def in_progress(self) -> list[Session]:
        return self._in(State.IN_PROGRESS)

    def completed(self, limit: int) -> list[Session]:
        return sorted(self._in(State.COMPLETED), key=lambda s: -(s.finished_at or 0))[:limit]

    def expired(self, now: float, limit: int) -> list[Session]:
        return [s for s in self._all() if s.expires_at <= now][:limit]

    def counts(self) -> Mapping[State, int]:
        return {state: sum(s.shared_from is None for s in self._in(state)) for state in State}

    def oldest_pending(self) -> float | None:
        return min((s.queued_at or 0.0 for s in self._in(State.PENDING)), default=None)

    def known(self, session_ids: Iterable[str]) -> set[str]:
        return set(session_ids) & self.records.keys()

    def _all(self) -> list[Session]:
        return list(self.records.values())

    def _in(self, state: State) -> list[Session]:
        return [session for session in self._all() if session.state == state]


def _place(session: Session) -> tuple[float, str]:
    return session.queued_at or 0.0, session.id


class MemoryObjects:
    """An ObjectStore in a dictionary; its links are `memory:KEY?…`."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.begun: dict[str, dict[int, bytes]] = {}
        """Parts by number, of each upload in parts that has begun."""
        self.free: int | None = None

    def upload_url(
        self, key: str, content_type: str, expires_s: int, max_bytes: int, size: int | None = None
    ) -> str:
        exact = "" if size is None else f"&size={size}"
        return f"memory:{key}?put&type={content_type}&for={expires_s}&most={max_bytes}{exact}"

    def begin_parts(self, key: str, content_type: str) -> str:
        upload_id = f"upload-{len(self.begun)}"
        self.begun[upload_id] = {}
        return upload_id

    def part_url(self, key: str, upload_id: str, number: int, size: int, expires_s: int) -> str:
        return f"memory:{key}?part={number}&of={upload_id}&for={expires_s}&size={size}"

    def parts(self, key: str, upload_id: str) -> dict[int, int]:
        return {number: len(part) for number, part in self._upload(upload_id).items()}

    def join_parts(self, key: str, upload_id: str, count: int) -> None:
        parts = self._upload(upload_id)
        if not parts.keys() >= set(range(1, count + 1)):
            raise FileNotFoundError(upload_id)
        self.files[key] = b"".join(parts[number] for number in range(1, count + 1))
        del self.begun[upload_id]

    def abort_parts(self, key: str, upload_id: str) -> None:
        self.begun.pop(upload_id, None)

    def _upload(self, upload_id: str) -> dict[int, bytes]:
        if upload_id not in self.begun:
            raise FileNotFoundError(upload_id)
        return self.begun[upload_id]

    def download_url(self, key: str, expires_s: int, filename: str | None = None) -> str:
        return f"memory:{key}?for={expires_s}&as={filename}"

    def size(self, key: str) -> int | None:
        return len(self.files[key]) if key in self.files else None

    def head(self, key: str, count: int) -> bytes:
        if key not in self.files:
            raise FileNotFoundError(key)
        return self.files[key][:count]

    @contextmanager
    def local_file(self, key: str) -> Iterator[Path]:
        if key not in self.files:
            raise FileNotFoundError(key)
        with TemporaryDirectory() as folder:
            file = Path(folder, Path(key).name)
            file.write_bytes(self.files[key])
            yield file

    def put(self, file: Path, key: str, content_type: str) -> None:
        self.files[key] = file.read_bytes()

    def copy(self, source: str, target: str) -> None:
        if source not in self.files:
            raise FileNotFoundError(source)
        self.files[target] = self.files[source]

    def delete(self, prefix: str) -> int:
        keys = [key for key in self.files if key.startswith(prefix)]
        for key in keys:
            del self.files[key]
        return len(keys)

    def discard(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.files.pop(key, None)

    def session_ids(self) -> Iterable[str]:
        return {key.split("/")[1] for key in self.files}

    def free_bytes(self) -> int | None:
        return self.free


class Outbox:
    """A Dispatcher and a Notifier that record their calls."""

    def __init__(self) -> None:
        self.dispatched: list[Session] = []
        self.notified: list[Session] = []

    def dispatch(self, session: Session) -> None:
        self.dispatched.append(session)

    def notify(self, session: Session) -> None:
        self.notified.append(session)


class Workspace:
    """Sessions in memory, with a clock that moves only when a test sets it."""

    def __init__(self, available: AvailableModels | None = None, **limits: Any) -> None:
        self.store, self.objects, self.outbox = MemoryStore(), MemoryObjects(), Outbox()
        self.now = 1_800_000_000.0
        self.sessions = Sessions(
            self.store,
            self.objects,
            self.outbox,
            self.outbox,
            Limits(**limits),
            lambda: self.now,
            available,
        )
        self.service = Service(self.sessions)
        self.leases = Leases(self.sessions)
        self.sweeper = Sweeper(self.sessions)

    def uploaded(self, name: str = "Song.mp3", owner: str | None = None, data: bytes = SONG) -> str:
        """Create a session whose song is uploaded; return its id."""
        session = self.service.upload(name, "audio/mpeg", owner).session
        self.objects.files[session.input_key] = data
        return session.id

    def waiting(self, choices: Choices | None = None, **upload: Any) -> str:
        """Create a PENDING session; return its id."""
        return self.service.start(self.uploaded(**upload), choices=choices).id

    def working(self, worker: str = "w", choices: Choices | None = None, **upload: Any) -> str:
        """Create a session that `worker` has leased; return its id."""
        session = self.leases.begin(self.waiting(choices, **upload), worker)
        assert session is not None
        return session.id

    def completed(self, choices: Choices | None = None, **upload: Any) -> str:
        """Create a completed session with two stems; return its id."""
        session_id = self.working("w", choices, **upload)
        assert self.leases.complete(session_id, "w", self.outputs(session_id), 180.0, "lite")
        return session_id

    def outputs(self, session_id: str) -> list[Output]:
        """Store two stems; return their records."""
        outputs = []
        for stem in ("vocals", "no_vocals"):
            base = f"outputs/{session_id}/{stem}"
            for ending in ("wav", "play", "peaks.json"):
                self.objects.files[f"{base}.{ending}"] = b"RIFF"
            outputs.append(
                Output(stem, f"{stem}.wav", f"{base}.wav", 4, 180.0, f"{base}.peaks.json", f"{base}.play")
            )
        return outputs

    def state(self, session_id: str) -> State:
        """Return the state of a session."""
        return self.record(session_id).state

    def record(self, session_id: str) -> Session:
        """Return the stored record."""
        session = self.store.get(session_id)
        assert session is not None
        return session
