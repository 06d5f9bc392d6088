"""Upload a large file in parts, so that the upload can be resumed.

The object store knows which parts have arrived. So a client needs only the session's id to resume the upload after a
lost connection, a reload of the page or a laptop's sleep: `resume` says which parts are missing, with a link for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from unbraid.errors import Busy, SettingError, StorageFull, UploadMissing
from unbraid.jobs.limits import part_bytes
from unbraid.jobs.messages import DISK_FULL
from unbraid.jobs.ports import Changed
from unbraid.jobs.service import Service
from unbraid.jobs.session import Session, State

LINKS = 100
"""Links in one answer. With the token of a role in AWS, each has about 1.6 KB."""


@dataclass(frozen=True, slots=True)
class PartLink:
    """A link for one part."""

    number: int
    """From 1."""
    size: int
    """Bytes."""
    url: str


@dataclass(frozen=True, slots=True)
class Progress:
    """An upload in parts: which parts have arrived, and links for the next ones."""

    session: Session
    part_bytes: int
    """Size of each part but the last."""
    count: int
    uploaded: tuple[int, ...]
    missing: tuple[PartLink, ...]
    """The first missing parts; empty: all have arrived."""
    expires_in: int
    """Lifetime of the links in seconds."""


class PartUploads:
    """Begin, resume and complete uploads in parts. `owner` is as in `Service`. Methods raise JobError."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.sessions, self.objects = service.sessions, service.sessions.objects

    def resume(self, session_id: str, owner: str | None = None) -> Progress:
        """Begin or continue an upload. Raises SessionNotFound, Forbidden, Busy, StorageFull, SettingError."""
        session = self.service.get(session_id, owner)
        sizes = self._sizes(session)
        if session.uploaded:
            stored: Mapping[int, int] = sizes
        else:
            session, stored = self._begun(session, sum(sizes.values()))
        uploaded = tuple(number for number, size in sizes.items() if stored.get(number) == size)
        missing = [number for number in sizes if number not in set(uploaded)][:LINKS]
        link_s = self.service.limits.link_s
        links = tuple(
            PartLink(
                number,
                sizes[number],
                self.objects.part_url(
                    session.input_key, str(session.upload_id), number, sizes[number], link_s
                ),
            )
            for number in missing
        )
        return Progress(session, sizes[1], len(sizes), uploaded, links, link_s)

    def complete(self, session_id: str, owner: str | None = None) -> Session:
        """Join the parts. Repeating the call changes nothing.

        Raises SessionNotFound, Forbidden, UploadMissing, Busy, StorageFull, OutputError, SettingError.
        """
        session = self.service.get(session_id, owner)
        sizes = self._sizes(session)
        if session.uploaded:
            return session
        # After a crash between the join and the mark in the record, the file is there.
        if self.objects.size(session.input_key) is None:
            self._join(session, sizes)

        def mark(session: Session) -> Session | None:
            return replace(session, uploaded=True, updated_at=self.sessions.clock())

        return self.sessions.change(session_id, mark) or self.service.get(session_id, owner)

    def _sizes(self, session: Session) -> Mapping[int, int]:
        """Return the size of each part by number. Raises Busy, SettingError."""
        if session.state == State.CANCELLED and not session.uploaded:
            raise Busy("This upload was cancelled. Start a new upload.")
        if session.state != State.AWAITING_UPLOAD and not session.uploaded:
            raise Busy("This song has been uploaded already. Start a new upload.")
        if session.size is None:
            raise SettingError("Send fileSize with POST /upload, to upload a file in parts.")
        most = part_bytes(session.size, self.service.limits) or session.size
        starts = range(0, session.size, most)
        return {number: min(most, session.size - start) for number, start in enumerate(starts, 1)}

    def _begun(self, session: Session, size: int) -> tuple[Session, Mapping[int, int]]:
        """Return the session with an upload in parts, and the sizes of its stored parts by number."""
        while True:
            if session.upload_id is not None:
                try:
                    return session, self.objects.parts(session.input_key, session.upload_id)
                except FileNotFoundError:
                    pass  # the bucket's lifecycle rule has aborted it
            self._check_free_space(2 * size)  # the parts, and the file that they are joined to
            upload_id = self.objects.begin_parts(session.input_key, session.file_type)
            begun = replace(session, upload_id=upload_id, updated_at=self.sessions.clock())
            try:
                return self.sessions.store.save(begun), {}
            except Changed:
                # Another tab has begun it too, or the session was deleted.
                self.objects.abort_parts(session.input_key, upload_id)
                session = self.service.get(session.id)

    def _join(self, session: Session, sizes: Mapping[int, int]) -> None:
        """Join the parts. Raises UploadMissing, StorageFull, OutputError."""
        unknown = UploadMissing("The song has not been uploaded. Upload it first.")
        if session.upload_id is None:
            raise unknown
        try:
            stored = self.objects.parts(session.input_key, session.upload_id)
            missing = [number for number, size in sizes.items() if stored.get(number) != size]
            if missing and self.objects.size(session.input_key) is not None:
                return  # a concurrent call has joined them, and is deleting them
            if missing:
                raise UploadMissing(
                    f"{len(missing)} of {len(sizes)} parts are missing, beginning with part {missing[0]}."
                    " Send them to the links that POST /upload/parts returns."
                )
            self._check_free_space(sum(sizes.values()))
            self.objects.join_parts(session.input_key, session.upload_id, len(sizes))
        except FileNotFoundError:
            # Here too, a concurrent call may have joined them.
            if self.objects.size(session.input_key) is None:
                raise unknown from None

    def _check_free_space(self, size: int) -> None:
        """Check that the disk has space for `size` bytes, and for stems. Raises StorageFull."""
        free = self.objects.free_bytes()
        if free is not None and size > free - self.service.limits.keep_free_bytes:
            raise StorageFull(DISK_FULL)
