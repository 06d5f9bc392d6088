"""Example sessions for tests of the adapters."""

from __future__ import annotations

from typing import Any

from unbraid.jobs.session import Choices, Output, Session, State, new_id


def new_session(state: State = State.PENDING, **fields: Any) -> Session:
    """Return a session with a new id; `fields` replaces the defaults."""
    session_id = new_id()
    defaults = {
        "id": session_id,
        "file_name": "My Song.mp3",
        "file_type": "audio/mpeg",
        "input_key": f"inputs/{session_id}/song.mp3",
        "created_at": 1_800_000_000.25,
        "updated_at": 1_800_000_000.25,
        "expires_at": 1_800_000_100.25,
        "state": state,
    }
    return Session(**{**defaults, **fields})


def ended_session(
    state: State = State.COMPLETED, notify: str | None = "me@example.org", **fields: Any
) -> Session:
    """Return a session that has ended, of a user who requested an e-mail."""
    stems = [Output(stem, f"{stem}.wav", f"outputs/x/{stem}.wav", 1, 1.5) for stem in ("vocals", "no_vocals")]
    completed = state == State.COMPLETED
    defaults = {
        "choices": Choices("htdemucs", notify=notify),
        "started_at": 1_800_000_010.0,
        "finished_at": 1_800_000_040.5,
        "duration_s": 180.25,
        "attempts": 1,
        "outputs": tuple(stems) if completed else (),
        "model_used": "htdemucs" if completed else None,
        "bpm": 119.5 if completed else None,
        "musical_key": "A minor" if completed else None,
        "error_message": None if completed else "My Song.mp3 is empty. Choose another.",
    }
    return new_session(state, **{**defaults, **fields})
