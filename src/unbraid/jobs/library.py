"""The use cases of a person's own songs: rename them, keep them from expiring, separate them again.

Only the owner may rename and keep a song: the id of a session is enough to use it, but not to change how it is listed.
"""

from __future__ import annotations

import re
from dataclasses import replace

from unbraid.errors import Busy, Forbidden, SettingError, StorageFull, UnbraidError, UploadMissing
from unbraid.jobs.choices import validate_choices
from unbraid.jobs.keeping import keep_session
from unbraid.jobs.new_file import display_name, suffix
from unbraid.jobs.service import Service
from unbraid.jobs.session import ACTIVE, ENDED, Choices, Session, State, new_id
from unbraid.jobs.status import ending

SONGS_READ = 1000
"""Latest songs of an owner to search for kept ones."""


class Library:
    """`owner` is as in `Service`. Methods raise JobError, and SettingError for invalid arguments."""

    def __init__(self, service: Service) -> None:
        self.service, self.sessions = service, service.sessions

    def own(self, session_id: str, owner: str | None) -> Session:
        """Return the record of the caller's own song. Raises SessionNotFound, Forbidden, SettingError."""
        session = self.service.get(session_id, owner)
        if session.parent is not None:
            raise SettingError("These are parts of a stem. Send the id of the song.", "session_id")
        if owner is None or session.owner != owner:
            raise Forbidden(
                "Only the person who uploaded this song can do this, in the browser of the upload."
            )
        return session

    def rename(self, session_id: str, name: str, owner: str | None) -> Session:
        """Give a song another name; its ending stays. Downloads have the new name. Raises JobError, SettingError."""
        session = self.own(session_id, owner)
        # A slash would end a folder, of which `display_name` leaves the last part.
        title = display_name(re.sub(r"[/\\]", "-", name)) if name.strip() else ""
        if not title:
            raise SettingError("A song needs a name.", "name")
        renamed = session
        for one in self._all_of(session):
            changed = self.sessions.change(
                one.id,
                lambda record: replace(
                    record, file_name=f"{title}{ending(record)}", updated_at=self.sessions.clock()
                ),
            )
            renamed = changed if changed is not None and changed.id == session.id else renamed
        return renamed

    def keep(self, session_id: str, owner: str | None) -> Session:
        """Exempt a finished song, its parts and its share link from expiry.

        Raises Busy if the song isn't finished, StorageFull if the owner keeps too many, JobError.
        """
        session = self.own(session_id, owner)
        if session.state != State.COMPLETED:
            raise Busy("Only a finished song can be kept. Wait until it is done.")
        if not session.kept:
            self._check_kept(session)
            keep_session(self.sessions, session)
        # Read again: a share link that was made in the meantime is of the song before it was kept.
        for one in self._all_of(self.own(session_id, owner)):
            if one.state == State.COMPLETED and not one.kept:
                keep_session(self.sessions, one)
        return self.service.get(session_id, owner)

    def release(self, session_id: str, owner: str | None) -> Session:
        """Let a kept song expire again, as late as a song that is finished now."""
        session = self.own(session_id, owner)
        expires_at = self.sessions.clock() + self.service.limits.results_s
        for one in self._all_of(session):
            if one.kept:
                self.sessions.change(
                    one.id, lambda record: replace(record, kept=False, expires_at=expires_at)
                )
        return self.service.get(session_id, owner)

    def again(self, session_id: str, choices: Choices | None, owner: str | None = None) -> Session:
        """Queue a song that has ended once more with other choices, as a new session with a copy of the upload.

        A second call with the same choices joins the first job while it is active.

        Raises SessionNotFound, Forbidden, UploadMissing, Busy, StorageFull, SettingError.
        """
        choices = validate_choices(choices or Choices(), self.service.limits)
        session = self.service.get(session_id, owner)
        if session.parent is not None:
            raise SettingError("These are parts of a stem. Send the sessionId of the song.", "sessionId")
        if session.state not in ENDED:
            raise Busy("This song is being separated. Wait until it is done, or cancel it first.")
        if (active := self._active_copy(session, choices, owner)) is not None:
            return active
        self.service.check_active(owner)
        self.service.max_upload_bytes()
        copy = self._copy(session, owner)
        try:
            return self.service.start(copy.id, None, choices, owner)
        except UnbraidError:
            self.sessions.store.delete(copy.id)  # the sweeper deletes its file
            raise

    def _copy(self, session: Session, owner: str | None) -> Session:
        """Add a session with a copy of the uploaded song. Raises UploadMissing, OutputError."""
        now, copy_id = self.sessions.clock(), new_id()
        copy = Session(
            id=copy_id,
            file_name=session.file_name,
            file_type=session.file_type,
            input_key=f"inputs/{copy_id}/song{suffix(session.input_key)}",
            created_at=now,
            updated_at=now,
            expires_at=now + self.service.limits.upload_s,
            owner=owner,
            size=session.size,
            copy_of=session.id,
        )
        self.sessions.store.add(copy)  # before the file, which would have no record
        try:
            self.sessions.objects.copy(session.song_key, copy.input_key)
        except BaseException as error:
            self.sessions.store.delete(copy.id)
            if isinstance(error, FileNotFoundError):
                raise UploadMissing("The uploaded song is gone. Upload it again.") from error
            raise
        return copy

    def _active_copy(self, session: Session, choices: Choices, owner: str | None) -> Session | None:
        """Return the caller's session that separates the song with these choices at the moment, if there is one."""
        songs = [] if owner is None else self.sessions.store.history(owner, self.service.limits.max_batch)
        return next(
            (
                song
                for song in songs
                if song.copy_of == session.id and song.choices == choices and song.state in ACTIVE
            ),
            None,
        )

    def _all_of(self, session: Session) -> list[Session]:
        """Return a song, the sessions of its parts, and its share link."""
        share = None if session.share is None else self.sessions.store.get(session.share)
        return [session, *self.service.splits(session), *([] if share is None else [share])]

    def _check_kept(self, session: Session) -> None:
        """Check that the owner may keep one more song. Raises StorageFull."""
        most = self.service.limits.max_kept
        songs = self.sessions.store.history(str(session.owner), SONGS_READ)
        if sum(song.kept for song in songs) >= most:
            raise StorageFull(
                f"You keep {most} songs, the most that this server allows. Let one of them expire first."
                if most
                else "Songs can't be kept on this server. Download the stems."
            )
