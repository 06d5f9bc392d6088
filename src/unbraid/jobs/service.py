"""The use cases of users: upload a song, start its separation, read its status, cancel it, delete it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from unbraid.errors import (
    Busy,
    Forbidden,
    JobError,
    SessionNotFound,
    SettingError,
    StorageFull,
    TooLarge,
    Unavailable,
    UnbraidError,
    UnsupportedMedia,
    UploadMissing,
)
from unbraid.jobs.choices import validate_choices
from unbraid.jobs.limits import Limits, part_bytes
from unbraid.jobs.messages import DISK_FULL, TOO_MANY_AT_ONCE
from unbraid.jobs.new_file import NewFile, check_type, display_name, suffix
from unbraid.jobs.ports import Changed
from unbraid.jobs.queue_snapshot import QueueSnapshot, Wait
from unbraid.jobs.session import ACTIVE, Choices, Session, State, new_id
from unbraid.jobs.sessions import ID, Sessions
from unbraid.jobs.sniff import HEAD, looks_like_audio, may_be_audio
from unbraid.jobs.status import Status, status_of

# Of one batch, in seconds. A function of the HTTP API has 29. In it, dispatching takes a third of a song's calls.
DISPATCH_S = 10.0
START_S = 20.0

# Between two files of a batch, so that their order is that of the request. A float of today's time has steps of 0.2 µs.
ORDER_S = 1e-5

_NOT_MEDIA = "is not an audio or video file."


@dataclass(frozen=True, slots=True)
class Upload:
    """A new session and its upload link."""

    session: Session
    url: str
    expires_in: int
    """Seconds."""
    max_bytes: int
    part_bytes: int | None
    """Size of the parts, if the file is large enough to upload it in parts (see `jobs.parts`)."""


class Service:
    """The use cases of users. `owner` is the caller: `user:…` if signed in, `browser:…`, or None.

    With sign-in, only its owner may use a session. Without sign-in, anyone who knows its id may use it.
    Methods raise JobError, with the HTTP status in `unbraid.errors`, and SettingError for invalid arguments.
    """

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions

    @property
    def limits(self) -> Limits:
        """The limits of all sessions."""
        return self.sessions.limits

    @property
    def queue_snapshot(self) -> QueueSnapshot:
        """The queue of all sessions, at most a second old."""
        return self.sessions.queue_snapshot

    def upload(
        self,
        file_name: str,
        file_type: str,
        owner: str | None = None,
        batch: str | None = None,
        size: int | None = None,
        dropped_at: float | None = None,
    ) -> Upload:
        """Create a session and an upload link for its song of `size` bytes, if that is known.

        `dropped_at` orders the songs of one owner in the queue (see `jobs.queue_order`); None: now.

        Raises UnsupportedMedia, TooLarge, StorageFull, SettingError.
        """
        check_type(file_type)
        if not may_be_audio(file_type):
            raise UnsupportedMedia(f"{display_name(file_name)} {_NOT_MEDIA} Choose a song or a video.")
        max_bytes = self._check_announced(size)
        now, session_id, name = self.sessions.clock(), new_id(), display_name(file_name)
        session = Session(
            id=session_id,
            file_name=name,
            file_type=file_type,
            input_key=f"inputs/{session_id}/song{suffix(name)}",
            created_at=now,
            updated_at=now,
            expires_at=now + self.limits.upload_s,
            owner=owner,
            batch=batch,
            size=size,
            dropped_at=dropped_at,
        )
        self.sessions.store.add(session)
        link_s = self.limits.link_s
        url = self.sessions.objects.upload_url(session.input_key, file_type, link_s, max_bytes, size)
        return Upload(session, url, link_s, max_bytes, part_bytes(size, self.limits))

    def upload_many(self, files: Sequence[NewFile], owner: str | None = None) -> tuple[str, list[Upload]]:
        """Create a session for each file, or for none of them if one is refused; return the batch id too."""
        self._check_count(len(files), "files")
        for file in files:
            check_type(file.type)
            if not may_be_audio(file.type):
                raise UnsupportedMedia(f"{display_name(file.name)} {_NOT_MEDIA} Leave it out.")
            self._check_announced(file.size)
        batch, now = new_id(), self.sessions.clock()
        return batch, [
            self.upload(file.name, file.type, owner, batch, file.size, now + place * ORDER_S)
            for place, file in enumerate(files)
        ]

    def start(
        self,
        session_id: str,
        input_key: str | None = None,
        choices: Choices | None = None,
        owner: str | None = None,
        dispatch: bool = True,
    ) -> Session:
        """Queue the song for separation. A second call with the same choices, or with none, joins the first job.

        Without `dispatch`, the sweeper dispatches it later.

        Raises SessionNotFound, Forbidden, UploadMissing, Busy, TooLarge, UnsupportedMedia, SettingError.
        """
        if choices is not None:
            choices = validate_choices(choices, self.limits)
        while True:
            session = self.get(session_id, owner)
            if input_key not in (None, session.input_key):
                raise SettingError(
                    "This key doesn't belong to the session. Send the s3Key that POST /upload returned.",
                    "s3Key",
                )
            if session.state in ACTIVE or session.state == State.COMPLETED:
                if choices in (None, session.choices):
                    return session
                raise Busy(
                    "This song was separated with other options. Upload it again to use these options."
                    if session.state == State.COMPLETED
                    else "This song is being separated with other options. Cancel it first."
                )
            self.check_active(session.owner)
            size = self._check_input(session)
            now = self.sessions.clock()
            queued = session.to(
                State.PENDING,
                now,
                choices=choices or validate_choices(session.choices, self.limits),
                size=size,
                queued_at=now,
                expires_at=self.sessions.active_until(),
                started_at=None,
                finished_at=None,
                undispatched=not dispatch,
                progress=0.0,
                attempts=0,
                error_message=None,
                error_fault=None,
            )
            try:
                saved = self.sessions.store.save(queued)
                return self.sessions.dispatch(saved) if dispatch else saved
            except Changed:
                continue

    def start_many(
        self, session_ids: Sequence[str], choices: Choices | None = None, owner: str | None = None
    ) -> dict[str, Session | UnbraidError]:
        """Start many sessions independently; return the session or the error of each.

        Answers in time for a caller who waits 29 s: sessions after DISPATCH_S are queued for the sweeper to dispatch,
        and those after START_S are refused with Unavailable.
        """
        self._check_count(len(session_ids), "sessionIds")
        results: dict[str, Session | UnbraidError] = {}
        begun = self.sessions.clock()
        for session_id in session_ids:
            took_s = self.sessions.clock() - begun
            try:
                if took_s >= START_S:
                    raise Unavailable(TOO_MANY_AT_ONCE)
                results[session_id] = self.start(
                    session_id, None, choices, owner, dispatch=took_s < DISPATCH_S
                )
            except (JobError, SettingError) as error:
                results[session_id] = error
        return results

    def status(self, session_id: str, owner: str | None = None) -> Status:
        """Return progress, estimate and fresh links to the stems. Raises SessionNotFound, Forbidden."""
        return self.status_of(self.get(session_id, owner))

    def status_of(self, session: Session) -> Status:
        """Return the status of a session."""
        return self._status(session, self.splits(session))

    def status_many(self, session_ids: Sequence[str], owner: str | None = None) -> dict[str, Status]:
        """Return the status of many sessions. Leave out unknown sessions and sessions of other owners."""
        self._check_count(len(session_ids), "session_ids")
        valid = [session_id for session_id in session_ids if ID.fullmatch(session_id)]
        records = self.sessions.store.get_many(valid)
        usable = [one for one in records.values() if self._is_visible(one) and self._may_use(one, owner)]
        return {status.session.id: status for status in self._statuses(usable)}

    def history(self, owner: str | None, limit: int = 50, before: float | None = None) -> list[Status]:
        """Return the owner's sessions created before a time, newest first; without an owner, none."""
        if owner is None:
            return []
        sessions = self.sessions.store.history(owner, limit, before)
        return self._statuses([session for session in sessions if not self._expired(session)])

    def cancel(self, session_id: str, owner: str | None = None) -> Session:
        """Cancel the session, unless it has ended. Raises SessionNotFound, Forbidden."""
        self.get(session_id, owner)

        def step(session: Session) -> Session | None:
            return self.sessions.ended(session, State.CANCELLED) if session.state in _CANCELLABLE else None

        cancelled = self.sessions.change(session_id, step)
        if cancelled is None:
            return self.get(session_id, owner)
        self.sessions.touch_parent(cancelled)
        # These are from an earlier attempt. A worker that is still working deletes its own outputs.
        self.sessions.delete_abandoned_outputs(session_id)
        return cancelled

    def cleanup(self, session_id: str, owner: str | None = None) -> int:
        """Delete record and files, in any state; return how many there were: 0 the second time. Raises Forbidden."""
        if not ID.fullmatch(session_id):
            return 0
        session = self.sessions.store.get(session_id)
        if session is not None and not self._may_use(session, owner):
            raise _forbidden()
        if session is not None and session.shared_from is not None:
            return 0  # only the owner of the song deletes it
        if session is None:
            return self.sessions.delete_files(session_id)
        # Expired sessions get no further stems to separate, so none is missing in the record that is deleted.
        ended = self.sessions.change(
            session_id, lambda session: replace(session, expires_at=self.sessions.clock())
        )
        deleted = self.sessions.delete(ended or session)
        self.sessions.touch_parent(session)
        return deleted

    def get(self, session_id: str, owner: str | None = None, *, shared: bool = False) -> Session:
        """Return the record. `shared`: also that of a share link. Raises SessionNotFound, Forbidden."""
        session = self.sessions.store.get(session_id) if ID.fullmatch(session_id) else None
        if session is None or not self._is_visible(session, shared):
            raise SessionNotFound("This song is unknown, or it has expired. Upload it again.")
        if not shared and not self._may_use(session, owner):
            raise _forbidden()
        return session

    def max_upload_bytes(self) -> int:
        """Return the maximum size of a new file in bytes. Raises StorageFull."""
        free = self.sessions.objects.free_bytes()
        most = self.limits.max_bytes
        if free is not None:
            most = min(most, free - self.limits.keep_free_bytes)
        if most <= 0:
            raise StorageFull(
                "There is no disk space for another song. Delete songs that you no longer need, or try again later."
            )
        return most

    def _check_announced(self, size: int | None) -> int:
        """Check the announced size of a new file; return the maximum. Raises TooLarge, StorageFull."""
        max_bytes = self.max_upload_bytes()
        if size is not None:
            self._check_size(size)
            if size > max_bytes:
                raise StorageFull(DISK_FULL)
        return max_bytes

    def _check_size(self, size: int) -> None:
        if size > self.limits.max_bytes:
            raise TooLarge(f"The file has {size} bytes. The limit is {self.limits.max_bytes} bytes.")

    def splits(self, session: Session) -> list[Session]:
        """Return the sessions that separate stems of a session further."""
        return self.sessions.splits_of([session])[session.id]

    def _statuses(self, sessions: Sequence[Session]) -> list[Status]:
        splits = self.sessions.splits_of(sessions)
        return [self._status(session, splits[session.id]) for session in sessions]

    def _status(self, session: Session, splits: Sequence[Session] = ()) -> Status:
        active = session.state in ACTIVE
        wait = self.queue_snapshot.wait(session, self.sessions.clock()) if active else Wait()
        parts = tuple(map(self._status, splits))
        return status_of(session, self.sessions.objects, self.limits.link_s, wait, parts)

    def _is_visible(self, session: Session, shared: bool = False) -> bool:
        """Whether a session exists for callers. To all calls but those for share links, a share link is unknown."""
        return not self._expired(session) and (shared or session.shared_from is None)

    def _expired(self, session: Session) -> bool:
        return session.expires_at <= self.sessions.clock()

    def _check_input(self, session: Session) -> int:
        """Return the size of the uploaded song in bytes. Raises UploadMissing, UnsupportedMedia, TooLarge."""
        objects = self.sessions.objects
        size = objects.size(session.input_key)
        if size is None:
            raise UploadMissing("The song has not been uploaded. Upload it first.")
        if size == 0:
            raise UnsupportedMedia("The file is empty. Choose another file.")
        self._check_size(size)
        if not looks_like_audio(objects.head(session.input_key, HEAD)):
            raise UnsupportedMedia(f"The file {_NOT_MEDIA} Choose a song or a video.")
        return size

    def check_active(self, owner: str | None) -> None:
        """Raise Busy if the owner has no further song to start at the moment."""
        most = self.limits.per_owner_active
        if most is None or owner is None:
            return
        sessions = self.sessions.store.history(owner, 1000)
        parts = chain.from_iterable(self.sessions.splits_of(sessions).values())
        if sum(session.state in ACTIVE for session in (*sessions, *parts)) >= most:
            raise Busy(
                f"{most} of your songs are waiting or being separated already. Wait until one is done."
            )

    def _may_use(self, session: Session, owner: str | None) -> bool:
        """Whether `owner` may use a session; that of a stem belongs to the owner of its parent."""
        if owner is None or not owner.startswith("user:"):
            return True
        if session.parent is not None:
            parent = self.sessions.store.get(session.parent)
            return parent is not None and parent.owner == owner
        return session.owner == owner

    def _check_count(self, count: int, field: str) -> None:
        if not 0 < count <= self.limits.max_batch:
            raise SettingError(f"A batch has 1 to {self.limits.max_batch} songs, not {count}.", field)


_CANCELLABLE = ACTIVE | {State.AWAITING_UPLOAD}


def _forbidden() -> Forbidden:
    return Forbidden("This song belongs to another user. Sign in as the user who uploaded it.")
