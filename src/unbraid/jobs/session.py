"""The session: one uploaded song, the options of its separation, and its state."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from unbraid.errors import Fault


class State(StrEnum):
    """State of a session, in the words of the HTTP API."""

    AWAITING_UPLOAD = "AWAITING_UPLOAD"
    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


# Allowed transitions. A session in any state may be deleted.
TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.AWAITING_UPLOAD: frozenset({State.PENDING, State.CANCELLED}),
    State.PENDING: frozenset({State.IN_PROGRESS, State.FAILED, State.CANCELLED}),
    # back to PENDING when its worker dies or has to stop
    State.IN_PROGRESS: frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.PENDING}),
    State.COMPLETED: frozenset(),
    State.FAILED: frozenset({State.PENDING}),  # when the user starts it again
    State.CANCELLED: frozenset({State.PENDING}),
}
ACTIVE = frozenset({State.PENDING, State.IN_PROGRESS})
ENDED = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})


@dataclass(frozen=True, slots=True)
class Choices:
    """Options of a separation, with the values of the command line."""

    model: str = "auto"
    stems: str = "vocals"
    format: str = "wav"
    video: bool = False
    """Also make a video: the pictures of the input with the accompaniment as its sound."""
    notify: str | None = None
    """E-mail address or URL of a webhook to notify at the end."""
    quality: str | None = None
    """`fast`, `balanced` or `best`; see `unbraid.separation.Separator`. None: balanced."""
    start: float | None = None
    """Start of the part to separate, in seconds; negative: from the end of the song. None: its start."""
    end: float | None = None
    """End of that part; None: the end of the song."""


@dataclass(frozen=True, slots=True)
class Output:
    """One output file."""

    type: str
    """The stem's name, or `video`."""
    filename: str
    key: str
    """Key in the object store."""
    size: int
    duration_s: float
    peaks_key: str | None = None
    """Key of the waveform (see `jobs.preview`); None for a video."""
    play_key: str | None = None
    """Key of the file that the page plays; None for a video."""


@dataclass(frozen=True, slots=True)
class Split:
    """A stem that is separated further."""

    stem: str
    session_id: str
    """Session that makes its parts."""


@dataclass(frozen=True, slots=True)
class Playable:
    """What can be played of a song that is still being separated: pieces of all its stems; see `jobs.pieces`."""

    attempt: str
    """Random name of the attempt that makes the pieces. Those of another attempt have other keys."""
    stems: tuple[str, ...]
    sample_rate: int
    """Of the pieces, Hz."""
    samples: int
    """Length of the stems."""
    ready: int = 0
    """Number of samples from the start that are stored."""

    @property
    def seconds(self) -> float:
        """Seconds from the start that can be played."""
        return self.ready / self.sample_rate


@dataclass(frozen=True, slots=True)
class Session:
    """The record of a session. Times are seconds since 1970 (UTC). Immutable: changes make a new record."""

    id: str
    """At least 128 random bits. The id is the key: anyone who knows it may use the session."""
    file_name: str
    file_type: str
    input_key: str
    created_at: float
    updated_at: float
    expires_at: float
    """When the sweeper deletes the record and all its files."""
    state: State = State.AWAITING_UPLOAD
    owner: str | None = None
    """Owner whose history lists the session: a signed-in user (`user:…`) or a browser's token (`browser:…`), hashed."""
    batch: str | None = None
    parent: str | None = None
    """Id of the session whose stem is this session's song; None: the song was uploaded."""
    stem: str | None = None
    """Name of that stem."""
    splits: tuple[Split, ...] = ()
    """Stems that are separated further."""
    choices: Choices = field(default_factory=Choices)
    size: int | None = None
    """Bytes of the input, as the upload announced them; once started, as stored."""
    upload_id: str | None = None
    """Id of the upload in parts, in the object store; None: no such upload has begun."""
    uploaded: bool = False
    """Whether the parts are joined."""
    duration_s: float | None = None
    """Duration of the song in seconds, once known."""
    dropped_at: float | None = None
    """When the user chose the file, by the user's clock. It only orders the songs of one owner (`jobs.queue_order`)."""
    queued_at: float | None = None
    started_at: float | None = None
    """When the attempt began; once the model is loaded, when the work on the song began."""
    undispatched: bool = False
    """Whether the session is PENDING and no worker knows of it yet. The sweeper dispatches it."""
    finished_at: float | None = None
    progress: float = 0.0
    stage: str | None = None
    """`downloading`, `analysing`, `separating` or `writing`, in this order; None before a worker has begun."""
    playable: Playable | None = None
    """What can be played while the song is separated; None: nothing (yet), or the session has ended."""
    worker: str | None = None
    """Worker that holds the lease."""
    lease_until: float | None = None
    """When the lease expires unless a heartbeat renews it."""
    attempts: int = 0
    """Number of attempts that have begun."""
    model_used: str | None = None
    bpm: float | None = None
    """Tempo of the song in beats per minute; None: not done, or no clear beat."""
    musical_key: str | None = None
    """Key of the song, such as `A minor`."""
    outputs: tuple[Output, ...] = ()
    warnings: tuple[str, ...] = ()
    error_message: str | None = None
    error_fault: Fault | None = None
    """Whether the song or this app caused the failure; None in records of older versions."""
    kept: bool = False
    """Whether the song is exempt from expiry."""
    source_key: str | None = None
    """Key of the kept copy of the uploaded song; None: only `input_key`."""
    share: str | None = None
    """Id of the record of the song's share link (`jobs.shares`); None: there is none."""
    shared_from: str | None = None
    """Id of the song that this record shares; None: this is no share link. Then only reading is allowed."""
    copy_of: str | None = None
    """Id of the session whose upload this session separates again; None: the song was uploaded."""
    version: int = 0
    """Number of changes. A store saves a record only over the previous version (compare-and-swap)."""

    @property
    def song_key(self) -> str:
        """Key of the song in the object store."""
        return self.source_key or self.input_key

    @property
    def copies_input(self) -> bool:
        """Whether the song is this session's own: it isn't a stem of another session, nor a share link."""
        return self.parent is None and self.shared_from is None

    @property
    def can_retry(self) -> bool | None:
        """Whether starting the session again can help; None: it has neither failed nor been cancelled."""
        if self.state == State.FAILED:
            return self.error_fault != Fault.SONG
        return True if self.state == State.CANCELLED else None

    def to(self, state: State, now: float, **changes: Any) -> Session:
        """Return the record in its next state. Raises ValueError for a transition that isn't in the table."""
        if state not in TRANSITIONS[self.state]:
            raise ValueError(f"a session can't go from {self.state} to {state}")
        return replace(self, state=state, updated_at=now, **changes)


def new_id() -> str:
    """Return an unguessable id: 192 random bits as URL-safe text."""
    return secrets.token_urlsafe(24)
