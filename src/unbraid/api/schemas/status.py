"""JSON schemas of sessions: their status, files and history."""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, BaseModel, Field

from unbraid.api.schemas.base import AS_FROM, EXAMPLE_ID, Id, example
from unbraid.jobs.session import State

EXAMPLE_LINK = f"http://127.0.0.1:8000/files/outputs/{EXAMPLE_ID}/vocals.wav?expires=1767225600&signature=…"


class SessionRequest(BaseModel):
    """The id of a session."""

    model_config = example(session_id=EXAMPLE_ID)
    session_id: Id = Field(validation_alias=AliasChoices("session_id", "sessionId"))


class SessionPath(BaseModel):
    """The id of a session, in the path."""

    session_id: Id = Field(alias="sessionId")


class HistoryQuery(BaseModel):
    """A page of the history."""

    limit: int = Field(50, ge=1, le=200)
    before: float | None = Field(
        None, allow_inf_nan=False, description="`created_at` of the last song already listed"
    )


class OutputFile(BaseModel):
    """An output file."""

    model_config = AS_FROM
    type: str = Field(description="Name of the stem, `video`, or `stem` for a stem file", examples=["vocals"])
    filename: str = Field(examples=["vocals.wav"])
    s3_url: str = Field(
        description="Link to the file, valid for an hour; it supports range requests", examples=[EXAMPLE_LINK]
    )
    size: int = Field(description="Bytes", examples=[31752044])
    duration: float = Field(description="Seconds", examples=[180.0])
    peaks_url: str | None = Field(None, description="Waveform in the JSON format of audiowaveform, version 2")
    play_url: str | None = Field(
        None, description="The stem in short pieces for a player; `play` in the waveform has their offsets"
    )
    stem: str | None = Field(
        None,
        serialization_alias="from",
        description="Stem that this file is a part of; null: it was separated from the song",
        examples=["no_vocals"],
    )


class SplitAnswer(BaseModel):
    """A stem that is separated further. Its session can be watched and cancelled; deleting it deletes the parts."""

    model_config = AS_FROM
    stem: str = Field(serialization_alias="from", examples=["no_vocals"])
    session_id: str = Field(examples=[EXAMPLE_ID])
    status: State
    progress: float = Field(description="0 to 1")
    eta_seconds: float | None
    model: str = Field(examples=["lite"])
    start: float | None = Field(
        None, description="Start of the part in seconds, for `mix`; null: start of the song"
    )
    end: float | None = Field(None, description="End of the part; null: end of the song")
    error_message: str | None


class StatusAnswer(BaseModel):
    """The state of a session."""

    model_config = example(
        session_id=EXAMPLE_ID,
        status="IN_PROGRESS",
        progress=0.42,
        eta_seconds=51.0,
        output_files=[],
        error_message=None,
        stage="separating",
        queue_position=None,
        file_name="song.mp3",
        model="htdemucs",
        stems="vocals",
        format="wav",
        start=None,
        end=None,
        duration=180.0,
        bpm=None,
        key=None,
        created_at=1767222000.0,
        expires_at=1767826800.0,
        batch_id=None,
        warnings=[],
        playable_until=75.0,
        zip_url=None,
    )
    session_id: str
    status: State
    progress: float = Field(description="0 to 1")
    eta_seconds: float | None = Field(description="Estimated seconds until the song is done; null: unknown")
    output_files: list[OutputFile]
    error_message: str | None = Field(description="Why the song failed, and what to do")
    stage: str | None = Field(
        description="downloading, analysing, separating or writing, in this order; null before a worker has begun"
    )
    queue_position: int | None = Field(description="Position in the queue; 1: next")
    starts_in_seconds: float | None = Field(
        None, description="Estimated seconds until the work begins; null unless the status is PENDING"
    )
    can_retry: bool | None = Field(
        None,
        description="Whether starting it again can help: false if the song itself is the cause. Null unless the song "
        "has failed or was cancelled",
    )
    file_name: str
    model: str = Field(description="The chosen model; once the song is done, the model that was used")
    stems: str
    format: str
    start: float | None = Field(
        None, description="Start of the separated part in seconds, as it was sent; null: start of the song"
    )
    end: float | None = Field(None, description="End of the separated part; null: end of the song")
    duration: float | None = Field(
        description="Length of the song, or of its separated part, in seconds; null until it has been read"
    )
    bpm: float | None = Field(
        None, description="Tempo in beats per minute; null until the song is done, or if it has no clear beat"
    )
    key: str | None = Field(None, description="Key of the song, as `bpm`", examples=["A minor"])
    created_at: float = Field(description="Unix time in seconds, like all times")
    expires_at: float = Field(description="When the session and its files are deleted")
    batch_id: str | None
    warnings: list[str]
    splits: list[SplitAnswer] = Field([], description="Stems that are separated further")
    playable_until: float | None = Field(
        None,
        description="Seconds of the stems that `POST /pieces` has already; null: nothing, or the song isn't being "
        "separated",
    )
    kept: bool = Field(False, description="Whether the song is exempt from expiry")
    share_id: str | None = Field(None, description="Id of its share link; null: there is none")
    mix_formats: list[str] | None = Field(
        default=None,
        description="Of a share link: formats of `POST /shared/mix`; empty: the server makes no mixes",
    )
    video_url: str | None = Field(
        None, description="Link to the uploaded video, for its picture; null: the song has none"
    )
    zip_url: str | None = Field(description="Link to one zip archive of all files; null: no archive")


class UnknownStatus(BaseModel):
    """Replaces a status: the session does not exist, has expired or belongs to another user."""

    session_id: str
    status: Literal["UNKNOWN"] = "UNKNOWN"


class CleanupAnswer(BaseModel):
    """The number of deleted items."""

    deleted: int = Field(description="Deleted files and records; 0 if the call is repeated", examples=[6])


class HistoryAnswer(BaseModel):
    """The caller's songs, newest first."""

    sessions: list[StatusAnswer]
