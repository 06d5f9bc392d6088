"""Share links: another person may listen to a song, mix it and download it, and nothing else.

The link has the id of a record of its own, a read-only copy of the song's record with copies of its files. So neither
the link nor anything that it leads to contains the id of the session, which is its key. The copy is deleted with the
song, and when the link is revoked: links to its files then lead nowhere.
"""

from __future__ import annotations

from dataclasses import replace

from unbraid.errors import Busy, SessionNotFound
from unbraid.jobs.copies import copy_files, kept_outputs, keys_of
from unbraid.jobs.library import Library
from unbraid.jobs.ports import Changed
from unbraid.jobs.service import Service
from unbraid.jobs.session import Session, State, new_id
from unbraid.jobs.status import Status

GONE = "This link no longer works: the song has expired, or its owner has ended the sharing."


class Shares:
    """Share songs, and show shared ones. `owner` is as in `Service`."""

    def __init__(self, service: Service) -> None:
        self.service, self.sessions = service, service.sessions

    def share(self, session_id: str, owner: str | None) -> Session:
        """Return the record of the song's share link; make it if there is none. Only the owner may.

        Raises SessionNotFound, Forbidden, Busy, OutputError, StorageFull.
        """
        while True:
            song = Library(self.service).own(session_id, owner)
            if song.state != State.COMPLETED:
                raise Busy("Only a finished song can be shared. Wait until it is done.")
            found = None if song.share is None else self.sessions.store.get(song.share)
            if found is not None:
                return found
            self.service.max_upload_bytes()  # raises if the disk is full
            share = self._copy_of(song)
            self.sessions.store.add(share)  # before the files, which would have no record
            try:
                copy_files(self.sessions.objects, keys_of(song.outputs), share.id)
                self.sessions.store.save(replace(song, share=share.id, updated_at=self.sessions.clock()))
            except Changed:
                self.sessions.delete(share)
                continue
            except BaseException:
                self.sessions.delete(share)
                raise
            return share

    def revoke(self, session_id: str, owner: str | None) -> None:
        """Delete the song's share link, if there is one. Only the owner may. Raises SessionNotFound, Forbidden."""
        song = Library(self.service).own(session_id, owner)
        if song.share is None:
            return
        share = self.sessions.store.get(song.share)
        self.sessions.change(
            song.id, lambda record: replace(record, share=None, updated_at=self.sessions.clock())
        )
        if share is not None:
            self.sessions.delete(share)

    def get(self, share_id: str) -> Session:
        """Return the record of a share link. Raises SessionNotFound."""
        try:
            share = self.service.get(share_id, shared=True)
        except SessionNotFound:
            raise SessionNotFound(GONE) from None
        song = None if share.shared_from is None else self.sessions.store.get(share.shared_from)
        if song is None or song.share != share.id:
            raise SessionNotFound(GONE)
        return share

    def status(self, share_id: str) -> Status:
        """Return the status of a shared song, with links to its files. Raises SessionNotFound."""
        return self.service.status_of(self.get(share_id))

    def _copy_of(self, song: Session) -> Session:
        now, share_id = self.sessions.clock(), new_id()
        return Session(
            id=share_id,
            file_name=song.file_name,
            file_type=song.file_type,
            input_key="",
            created_at=song.created_at,
            updated_at=now,
            expires_at=song.expires_at,
            state=State.COMPLETED,
            choices=replace(song.choices, notify=None),
            duration_s=song.duration_s,
            finished_at=song.finished_at,
            progress=1.0,
            model_used=song.model_used,
            bpm=song.bpm,
            musical_key=song.musical_key,
            outputs=kept_outputs(song.outputs, share_id),
            warnings=song.warnings,
            kept=song.kept,
            shared_from=song.id,
        )
