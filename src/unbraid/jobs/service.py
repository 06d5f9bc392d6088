"""Everything a user may do with a song: bring it, have it separated, look at it, stop it, take it away."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from unbraid.errors import (
    Busy,
    Forbidden,
    JobError,
    SessionNotFound,
    SettingError,
    StorageFull,
    TooLarge,
    UnbraidError,
    UnsupportedMedia,
    UploadMissing,
)
from unbraid.jobs.choices import checked
from unbraid.jobs.ports import Changed
from unbraid.jobs.queue_snapshot import QueueSnapshot
from unbraid.jobs.records import ID
from unbraid.jobs.session import ACTIVE, Choices, Session, State, new_id
from unbraid.jobs.sniff import HEAD, looks_like_audio, may_be_audio
from unbraid.jobs.status import Status, status_of
from unbraid.jobs.upkeep import Upkeep

_NAME_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Upload:
    """Where a song may be sent to."""

    session: Session
    url: str
    expires_in: int
    """Seconds."""
    max_bytes: int


class Service(Upkeep):
    """All rules of sessions. `owner` is who asks: `user:…` who has signed in, `browser:…`, or None.

    Where people sign in, only its owner may use a session; elsewhere whoever knows its id. Raises JobError, each with
    its HTTP status in `unbraid.errors`, and SettingError for what makes no sense.
    """

    def upload(
        self, file_name: str, file_type: str, owner: str | None = None, batch: str | None = None
    ) -> Upload:
        """A new session, and the address that takes its song. Raises UnsupportedMedia, StorageFull, SettingError."""
        _check_type(file_type)
        if not may_be_audio(file_type):
            raise UnsupportedMedia(f"{file_type} is neither sound nor film. Choose a song or a video.")
        max_bytes = self.room()
        now, session_id, name = self.clock(), new_id(), _shown(file_name)
        session = Session(
            id=session_id,
            file_name=name,
            file_type=file_type,
            input_key=f"inputs/{session_id}/song{_ending(name)}",
            created_at=now,
            updated_at=now,
            expires_at=now + self.limits.upload_s,
            owner=owner,
            batch=batch,
        )
        self.jobs.add(session)
        url = self.objects.upload_url(session.input_key, file_type, self.limits.link_s, max_bytes)
        return Upload(session, url, self.limits.link_s, max_bytes)

    def upload_many(
        self, files: Sequence[tuple[str, str]], owner: str | None = None
    ) -> tuple[str, list[Upload]]:
        """The same for (name, type) of many songs, all or none; and the id of the batch."""
        self._check_count(len(files), "files")
        for name, file_type in files:
            _check_type(file_type)
            if not may_be_audio(file_type):
                raise UnsupportedMedia(f"{_shown(name)} is neither sound nor film. Leave it out.")
        batch = new_id()
        return batch, [self.upload(name, file_type, owner, batch) for name, file_type in files]

    def start(
        self,
        session_id: str,
        input_key: str | None = None,
        choices: Choices | None = None,
        owner: str | None = None,
    ) -> Session:
        """Have the song separated. Asking again with the same choices, or with none, is the same job.

        Raises SessionNotFound, Forbidden, UploadMissing, Busy, TooLarge, UnsupportedMedia, SettingError.
        """
        if choices is not None:
            choices = checked(choices, self.limits)
        while True:
            session = self._find(session_id, owner)
            if input_key not in (None, session.input_key):
                raise SettingError("The key is not that of this session's upload.", "s3Key")
            if session.state in ACTIVE or session.state == State.COMPLETED:
                if choices in (None, session.choices):
                    return session
                raise Busy(
                    "This song was separated with other choices. Upload it again for these."
                    if session.state == State.COMPLETED
                    else "This song is being separated with other choices. Cancel it first."
                )
            self._check_active(session.owner)
            size = self._checked_input(session)
            now = self.clock()
            queued = session.to(
                State.PENDING,
                now,
                choices=choices or checked(session.choices, self.limits),
                size=size,
                queued_at=now,
                expires_at=self._active_until(),
                started_at=None,
                finished_at=None,
                progress=0.0,
                attempts=0,
                error_message=None,
            )
            try:
                return self._queued(self.jobs.save(queued))
            except Changed:
                continue

    def start_many(
        self, session_ids: Sequence[str], choices: Choices | None = None, owner: str | None = None
    ) -> dict[str, Session | UnbraidError]:
        """The same for many, each on its own: its session, or why it could not be started."""
        self._check_count(len(session_ids), "sessionIds")
        results: dict[str, Session | UnbraidError] = {}
        for session_id in session_ids:
            try:
                results[session_id] = self.start(session_id, None, choices, owner)
            except (JobError, SettingError) as error:
                results[session_id] = error
        return results

    def status(self, session_id: str, owner: str | None = None) -> Status:
        """How it stands, with fresh links to what came of it. Raises SessionNotFound, Forbidden."""
        return self._status(self._find(session_id, owner))

    def status_many(self, session_ids: Sequence[str], owner: str | None = None) -> dict[str, Status]:
        """The same for those of them that are known and the owner's."""
        self._check_count(len(session_ids), "session_ids")
        found = self.jobs.get_many([session_id for session_id in session_ids if ID.fullmatch(session_id)])
        places = self.board.places
        return {
            session_id: self._status(session, places.get(session_id))
            for session_id, session in found.items()
            if self._here(session) and self._may_use(session, owner)
        }

    def history(self, owner: str | None, limit: int = 50, before: float | None = None) -> list[Status]:
        """The owner's sessions, newest first, created before that time; none for nobody."""
        if owner is None:
            return []
        places = self.board.places
        return [
            self._status(session, places.get(session.id))
            for session in self.jobs.history(owner, limit, before)
            if self._here(session)
        ]

    def cancel(self, session_id: str, owner: str | None = None) -> Session:
        """Stop it; what has ended stays as it is. Raises SessionNotFound, Forbidden."""
        self._find(session_id, owner)

        def step(session: Session) -> Session | None:
            return self._ended(session, State.CANCELLED) if session.state in _STOPPABLE else None

        cancelled = self._change(session_id, step)
        if cancelled is None:
            return self._find(session_id, owner)
        self.clear_outputs(
            session_id
        )  # of an attempt that was cut short; whoever works on it sees to its own
        return cancelled

    def cleanup(self, session_id: str, owner: str | None = None) -> int:
        """Delete record and files, whatever its state; how many there were, 0 the second time. Raises Forbidden."""
        if not ID.fullmatch(session_id):
            return 0
        session = self.jobs.get(session_id)
        if session is not None and not self._may_use(session, owner):
            raise _not_yours()
        # The record first: whoever works on it sees that and stops.
        return self.jobs.delete(session_id) + self._delete_files(session_id)

    def get(self, session_id: str, owner: str | None = None) -> Session:
        """The bare record. Raises SessionNotFound, Forbidden."""
        return self._find(session_id, owner)

    @property
    def board(self) -> QueueSnapshot:
        """What all sessions together are doing, at most a second old."""
        return self.boards.fresh()

    def _status(self, session: Session, ahead: int | None = None) -> Status:
        eta_s = position = None
        if session.state in ACTIVE:
            eta_s = self.board.eta(session, self.clock())
        if session.state == State.PENDING:
            position = 1 + (self.jobs.ahead(session) if ahead is None else ahead)
        return status_of(session, self.objects, self.limits.link_s, eta_s, position)

    def _find(self, session_id: str, owner: str | None) -> Session:
        session = self.jobs.get(session_id) if ID.fullmatch(session_id) else None
        if session is None or not self._here(session):
            raise SessionNotFound("There is no such session, or it has expired. Upload the song again.")
        if not self._may_use(session, owner):
            raise _not_yours()
        return session

    def _here(self, session: Session) -> bool:
        return session.expires_at > self.clock()

    def _may_use(self, session: Session, owner: str | None) -> bool:
        return owner is None or not owner.startswith("user:") or session.owner == owner

    def room(self) -> int:
        """The most bytes that a new file may have now. Raises StorageFull."""
        free = self.objects.free_bytes()
        room = (
            self.limits.max_bytes
            if free is None
            else min(self.limits.max_bytes, free - self.limits.keep_free_bytes)
        )
        if room <= 0:
            raise StorageFull(
                "There is no room for another song. Delete some that you no longer need, or try again later."
            )
        return room

    def _checked_input(self, session: Session) -> int:
        """Size of the song that was uploaded, in bytes."""
        size = self.objects.size(session.input_key)
        if size is None:
            raise UploadMissing("The song is not here. Upload it first.")
        if size == 0:
            raise UnsupportedMedia("The file is empty. Choose another.")
        if size > self.limits.max_bytes:
            raise TooLarge(f"The file has {size} bytes, and at most {self.limits.max_bytes} are taken.")
        if not looks_like_audio(self.objects.head(session.input_key, HEAD)):
            raise UnsupportedMedia("The file is neither sound nor film. Choose a song or a video.")
        return size

    def _check_active(self, owner: str | None) -> None:
        most = self.limits.per_owner_active
        if most is None or owner is None:
            return
        if sum(session.state in ACTIVE for session in self.jobs.history(owner, 1000)) >= most:
            raise Busy(
                f"{most} of your songs are waiting or being separated already. Wait until one is done."
            )

    def _check_count(self, count: int, field: str) -> None:
        if not 0 < count <= self.limits.max_batch:
            raise SettingError(f"A batch has 1 to {self.limits.max_batch} songs, not {count}.", field)


_STOPPABLE = ACTIVE | {State.AWAITING_UPLOAD}


def _check_type(file_type: str) -> None:
    if len(file_type) > _NAME_LENGTH or not file_type.isprintable():
        raise SettingError("The file's type is not a media type such as audio/mpeg.", "fileType")


def _not_yours() -> Forbidden:
    return Forbidden("This session is somebody else's. Sign in as whoever started it.")


def _shown(file_name: str) -> str:
    """The name as it is shown: without folders and without what would disturb the line it stands in."""
    name = PurePosixPath(file_name.replace("\\", "/")).name
    name = "".join(letter for letter in name if unicodedata.category(letter)[0] != "C").strip()
    return name[-_NAME_LENGTH:] or "song"


def _ending(file_name: str) -> str:
    ending = PurePosixPath(file_name).suffix.lower()
    return ending if re.fullmatch(r"\.[a-z0-9]{1,8}", ending) else ""
