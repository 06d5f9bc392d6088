"""The session: one song that somebody brought, what is to be done with it, and how far that has come."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from unbraid.errors import Fault


class State(StrEnum):
    """Where a session stands; the words are those of the HTTP API."""

    AWAITING_UPLOAD = "AWAITING_UPLOAD"
    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


# What may follow what; everything else is refused. A session in any state may be deleted.
TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.AWAITING_UPLOAD: frozenset({State.PENDING, State.CANCELLED}),
    State.PENDING: frozenset({State.IN_PROGRESS, State.FAILED, State.CANCELLED}),
    # back to PENDING when whoever worked on it is gone, or is told to stop
    State.IN_PROGRESS: frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.PENDING}),
    State.COMPLETED: frozenset(),
    State.FAILED: frozenset({State.PENDING}),  # asked for once more
    State.CANCELLED: frozenset({State.PENDING}),
}
ACTIVE = frozenset({State.PENDING, State.IN_PROGRESS})
ENDED = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user wants of the song. The words are those of the command line."""

    model: str = "auto"
    stems: str = "vocals"
    format: str = "wav"
    video: bool = False
    """Also a film: the input's pictures with the accompaniment as its sound."""
    notify: str | None = None
    """E-mail address that hears of the end."""


@dataclass(frozen=True, slots=True)
class Output:
    """One file that came of the song."""

    type: str
    """The stem's name, or `video`."""
    filename: str
    key: str
    """Where it lies in the object store."""
    size: int
    duration_s: float
    peaks_key: str | None = None
    """Its waveform and where to play from (see `jobs.preview`); None for a video."""
    play_key: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """The whole record. Times are seconds since 1970 (UTC). Changed only by making another (`dataclasses.replace`)."""

    id: str
    """Its key: whoever knows it may use the session. 128 random bits or more."""
    file_name: str
    file_type: str
    input_key: str
    created_at: float
    updated_at: float
    expires_at: float
    """When the sweeper takes it, and all its files."""
    state: State = State.AWAITING_UPLOAD
    owner: str | None = None
    """Who sees it in a history: the subject of a sign-in (`user:…`) or a browser's own token (`browser:…`)."""
    batch: str | None = None
    choices: Choices = field(default_factory=Choices)
    size: int | None = None
    """Bytes of the input, once it is here."""
    duration_s: float | None = None
    """Of the song, once that is known."""
    queued_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    progress: float = 0.0
    stage: str | None = None
    """Downloading, analysing, separating, writing; None while nobody works on it."""
    worker: str | None = None
    """Who works on it, and until when it is theirs unless they say that they are alive."""
    lease_until: float | None = None
    attempts: int = 0
    """How many times work on it has begun."""
    model_used: str | None = None
    outputs: tuple[Output, ...] = ()
    warnings: tuple[str, ...] = ()
    error_message: str | None = None
    error_fault: Fault | None = None
    """Whether the song or this app caused the failure; None in records of older versions."""
    version: int = 0
    """Counts the changes. A store saves a record only over the version before it."""

    def to(self, state: State, now: float, **changes: Any) -> Session:
        """The record in its next state. Raises ValueError for a transition that the table doesn't have."""
        if state not in TRANSITIONS[self.state]:
            raise ValueError(f"a session can't go from {self.state} to {state}")
        return replace(self, state=state, updated_at=now, **changes)


def new_id() -> str:
    """An id that can't be guessed: 192 random bits, in the letters of a URL."""
    return secrets.token_urlsafe(24)
