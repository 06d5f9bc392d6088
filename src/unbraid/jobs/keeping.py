"""Exempt sessions from expiry: the record says so, and copies of the files lie where no rule deletes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from unbraid.jobs.copies import KEPT, copy_files, kept_key, kept_outputs, keys_of
from unbraid.jobs.session import Output, Session, State
from unbraid.jobs.sessions import Sessions

NEVER = 253_402_214_400.0
"""When a kept song expires: the last day of the year 9999. Stores and clients need a time."""


def keep_session(sessions: Sessions, session: Session) -> None:
    """Copy the files of a completed session, then mark it as kept. Raises SessionNotFound, OutputError."""
    keys, source_key = list(keys_of(session.outputs)), None
    if session.copies_input and sessions.objects.size(session.song_key) is not None:
        keys.append(session.song_key)
        source_key = kept_key(session.song_key, session.id)
    copy_files(sessions.objects, keys, session.id)

    def step(record: Session) -> Session | None:
        if record.state != State.COMPLETED:
            return None
        kept = with_kept_outputs(record, kept_outputs(record.outputs, record.id))
        return replace(kept, source_key=source_key or record.source_key, updated_at=sessions.clock())

    if sessions.change(session.id, step) is None and sessions.store.get(session.id) is None:
        sessions.objects.delete(f"{KEPT}/{session.id}/")  # deleted in the meantime


def keep_outputs(sessions: Sessions, session_id: str, outputs: Sequence[Output]) -> tuple[Output, ...]:
    """Copy output files; return the records of the copies. Raises SessionNotFound, OutputError."""
    copy_files(sessions.objects, keys_of(outputs), session_id)
    return kept_outputs(outputs, session_id)


def with_kept_outputs(record: Session, outputs: tuple[Output, ...]) -> Session:
    """Return the record of a kept session with these outputs."""
    return replace(record, kept=True, expires_at=NEVER, outputs=outputs)


def is_of_kept_song(sessions: Sessions, session: Session) -> bool:
    """Whether a session makes parts of a kept song. Then its parts are kept, too."""
    song = None if session.parent is None else sessions.store.get(session.parent)
    return song is not None and song.kept
