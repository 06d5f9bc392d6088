"""Requests from the dispatchers to the container, the same for the endpoint and for the queue."""

from __future__ import annotations

from typing import Any, NamedTuple

from unbraid.jobs.session import Session
from unbraid.jobs.sessions import ID


class Dispatch(NamedTuple):
    """Identifies one dispatch of a session. Its text `ID.VERSION` becomes the id of the worker."""

    session_id: str
    version: int
    """Version of the record when it became PENDING."""

    def __str__(self) -> str:
        return f"{self.session_id}.{self.version}"

    @classmethod
    def of(cls, session: Session) -> Dispatch:
        """Return the dispatch of a session that has just become PENDING."""
        return cls(session.id, session.version)

    @classmethod
    def parse(cls, text: str) -> Dispatch:
        """Parse `ID.VERSION`. Raises ValueError."""
        session_id, dot, version = text.rpartition(".")
        if not (dot and ID.fullmatch(session_id) and version.isascii() and version.isdecimal()):
            raise ValueError("not a dispatch id")
        return cls(session_id, int(version))


def request_of(session: Session, bucket: str) -> dict[str, Any]:
    """Return the body of the container's POST /invocations."""
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
        **{
            name: value
            for name in ("quality", "start", "end")
            if (value := getattr(choices, name)) is not None
        },
    }
