"""What is sent to whoever separates songs: the same words for the endpoint and for the queue."""

from __future__ import annotations

from typing import Any, NamedTuple

from unbraid.jobs.records import ID
from unbraid.jobs.session import Session


class Dispatch(NamedTuple):
    """One time that a session began to wait. Written `ID.VERSION`, it names the worker that it calls."""

    session_id: str
    version: int
    """Of the record, when it had just become PENDING."""

    def __str__(self) -> str:
        return f"{self.session_id}.{self.version}"

    @classmethod
    def of(cls, session: Session) -> Dispatch:
        """That of a session which has just become PENDING."""
        return cls(session.id, session.version)

    @classmethod
    def read(cls, text: str) -> Dispatch:
        """What `str` wrote. Raises ValueError."""
        session_id, dot, version = text.rpartition(".")
        if not (dot and ID.fullmatch(session_id) and version.isascii() and version.isdecimal()):
            raise ValueError("not the name of a dispatch")
        return cls(session_id, int(version))


def request_of(session: Session, bucket: str) -> dict[str, Any]:
    """The body of the container's POST /invocations."""
    choices = session.choices
    return {
        "input_s3_uri": f"s3://{bucket}/{session.input_key}",
        "output_s3_prefix": f"s3://{bucket}/outputs",
        "session_id": session.id,
        "dispatch": str(Dispatch.of(session)),
        "model": choices.model,
        "stems": choices.stems,
        "format": choices.format,
        "video": choices.video,
    }
