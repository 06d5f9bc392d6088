"""Sessions that tests of the adapters write down and tell of."""

from __future__ import annotations

from typing import Any

from unbraid.jobs.session import Choices, Output, Session, State, new_id


def session(state: State = State.PENDING, **fields: Any) -> Session:
    """A record with an id of its own."""
    session_id = new_id()
    usual = {
        "id": session_id,
        "file_name": "My Song.mp3",
        "file_type": "audio/mpeg",
        "input_key": f"inputs/{session_id}/song.mp3",
        "created_at": 1_800_000_000.25,
        "updated_at": 1_800_000_000.25,
        "expires_at": 1_800_000_100.25,
        "state": state,
    }
    return Session(**{**usual, **fields})


def ended(state: State = State.COMPLETED, notify: str | None = "me@example.org", **fields: Any) -> Session:
    """One that has ended; its user wants a letter."""
    stems = [Output(stem, f"{stem}.wav", f"outputs/x/{stem}.wav", 1, 1.5) for stem in ("vocals", "no_vocals")]
    done = state == State.COMPLETED
    usual = {
        "choices": Choices("htdemucs", notify=notify),
        "started_at": 1_800_000_010.0,
        "finished_at": 1_800_000_040.5,
        "duration_s": 180.25,
        "attempts": 1,
        "outputs": tuple(stems) if done else (),
        "model_used": "htdemucs" if done else None,
        "error_message": None if done else "My Song.mp3 is empty. Choose another.",
    }
    return session(state, **{**usual, **fields})
