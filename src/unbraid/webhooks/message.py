"""The body of a webhook and its signature."""

from __future__ import annotations

import hashlib
import hmac
import json

from unbraid.jobs.session import Session, State

SIGNATURE = "Unbraid-Signature"
DELIVERY = "Unbraid-Delivery"


def body_of(session: Session) -> bytes:
    """Return the JSON that describes the end of `session`. docs/api.md lists the fields."""
    return json.dumps(
        {
            "event": "session.completed" if session.state == State.COMPLETED else "session.failed",
            "session_id": session.id,
            "status": session.state.value,
            "file_name": session.file_name,
            "model": session.model_used or session.choices.model,
            "stems": [output.type for output in session.outputs],
            "format": session.choices.format,
            "duration_s": session.duration_s,
            "bpm": session.bpm,
            "key": session.musical_key,
            "finished_at": session.finished_at,
            "warnings": list(session.warnings),
            "error_message": session.error_message,
        }
    ).encode()


def delivery_of(session: Session) -> str:
    """Return the id of the message: the same in every attempt, so that the receiver can recognise a repeated one."""
    key = f"{session.id} {session.finished_at} {session.state.value}"
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def signature(secret: str, body: bytes, time_s: int) -> str:
    """Return the header's value: `t=TIME,v1=HMAC`, the HMAC-SHA256 (RFC 2104) of `TIME.BODY` in hexadecimal digits."""
    digest = hmac.new(secret.encode(), f"{time_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={time_s},v1={digest}"
