"""Songs that no table knows of: what is asked for is done on the addresses given, and remembered by this process."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from unbraid.aws import clients
from unbraid.aws.container.requests import Invocation
from unbraid.errors import InputError, OutputError
from unbraid.jobs.disk import NOT_STORED
from unbraid.jobs.ports import Changed
from unbraid.jobs.session import ACTIVE, Session, State

REMEMBERED = 1000  # sessions, the oldest of which are forgotten first
PREVIEWS = (".play", ".peaks.json")  # files for our own page, which doesn't know these songs

log = logging.getLogger(__name__)


class GivenSessions:
    """A JobStore in memory."""

    def __init__(self) -> None:
        self._records: dict[str, Session] = {}
        self._lock = threading.Lock()

    def add(self, session: Session) -> None:
        """As JobStore has it; what ended longest ago is forgotten where there are too many."""
        with self._lock:
            if session.id in self._records:
                raise Changed
            self._records[session.id] = session
            old = [key for key, kept in self._records.items() if kept.state not in ACTIVE]
            for key in old[: max(0, len(self._records) - REMEMBERED)]:
                del self._records[key]

    def get(self, session_id: str) -> Session | None:
        return self._records.get(session_id)

    def get_many(self, session_ids: Sequence[str]) -> dict[str, Session]:
        return {key: kept for key in session_ids if (kept := self._records.get(key)) is not None}

    def save(self, session: Session) -> Session:
        with self._lock:
            kept = self._records.get(session.id)
            if kept is None or kept.version != session.version:
                raise Changed
            saved = self._records[session.id] = replace(session, version=session.version + 1)
            return saved

    def delete(self, session_id: str) -> bool:
        with self._lock:
            return self._records.pop(session_id, None) is not None

    def history(self, owner: str, limit: int, before: float | None = None) -> list[Session]:
        return []  # they have no owners

    def pending(self, limit: int) -> list[Session]:
        return self._in(State.PENDING)[:limit]

    def ahead(self, session: Session) -> int:
        return self._in(State.PENDING).index(session)

    def lapsed(self, now: float) -> list[Session]:
        return []  # whoever works on them is this process

    def in_progress(self) -> list[Session]:
        return self._in(State.IN_PROGRESS)

    def completed(self, limit: int) -> list[Session]:
        return self._in(State.COMPLETED)[:limit]

    def expired(self, now: float, limit: int) -> list[Session]:
        return []  # `add` makes room

    def counts(self) -> Mapping[State, int]:
        return {state: len(self._in(state)) for state in State}

    def oldest_pending(self) -> float | None:
        return min((session.created_at for session in self._in(State.PENDING)), default=None)

    def known(self, session_ids: Iterable[str]) -> set[str]:
        return set(session_ids) & self._records.keys()

    def _in(self, state: State) -> list[Session]:
        return [session for session in list(self._records.values()) if session.state == state]


class GivenObjects:
    """An ObjectStore for one invocation: its input, and the files that go to its output."""

    def __init__(self, s3: Any, invocation: Invocation) -> None:
        self._s3, self._invocation = s3, invocation
        self._put: dict[str, None] = {}

    @contextmanager
    def local_file(self, key: str) -> Iterator[Path]:
        """The song, downloaded; `key` gives its name here. Raises InputError where it can't be had."""
        place = self._invocation.input
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, Path(key).name)
            try:
                self._s3.download_file(place.bucket, place.key, str(file))
            except ClientError as error:
                code = clients.code_of(error)
                if not code.startswith(("4", "NoSuch", "AccessDenied")):
                    raise
                raise InputError(
                    f"{self._invocation.song_name} can't be read from its place ({code}): it is not there, or this"
                    " container's role may not read it."
                ) from error
            yield file

    def put(self, file: Path, key: str, content_type: str) -> None:
        """Upload a stem. Raises OutputError."""
        if file.name.endswith(PREVIEWS):
            return
        place = self._key(key)
        try:
            self._s3.upload_file(
                str(file), self._invocation.output.bucket, place, ExtraArgs={"ContentType": content_type}
            )
        except (Boto3Error, BotoCoreError, ClientError) as error:
            log.exception("a stem can't be uploaded")
            raise OutputError(NOT_STORED) from error
        self._put[key] = None

    def delete(self, prefix: str) -> int:
        """Delete what was put by this invocation, and nothing else: the place is somebody else's."""
        gone = [key for key in self._put if key.startswith(prefix)]
        for key in gone:
            self._s3.delete_object(Bucket=self._invocation.output.bucket, Key=self._key(key))
            del self._put[key]
        return len(gone)

    def size(self, key: str) -> int | None:
        return None

    def head(self, key: str, count: int) -> bytes:
        raise FileNotFoundError(key)

    def upload_url(self, key: str, content_type: str, expires_s: int, max_bytes: int) -> str:
        raise NotImplementedError("nobody uploads to it")

    def download_url(self, key: str, expires_s: int, filename: str | None = None) -> str:
        raise NotImplementedError("nobody downloads from it")

    def session_ids(self) -> Iterable[str]:
        return ()

    def free_bytes(self) -> int | None:
        return None

    def _key(self, key: str) -> str:
        """Of an output: `outputs/ID/NAME` here is `PREFIX/ID/NAME` there."""
        return self._invocation.uri_of(Path(key).name).split("/", 3)[3]


class Nobody:
    """A Dispatcher and a Notifier for songs that nobody else knows of."""

    def dispatch(self, session: Session) -> None:
        """Whoever asked asks again."""

    def notify(self, session: Session) -> None:
        """Whoever asked is answered."""
