"""The JSON that goes in and comes out. Names of fields are as clients know them, some camelCase, some snake_case."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints

from unbraid.api.problems import Problem
from unbraid.audio.formats import FORMATS
from unbraid.jobs.session import Choices, State

EXAMPLE_ID = "q3Jx0b8hQh2m7d1kXgVvT5sLrZyWc9Ae"
EXAMPLE_LINK = f"http://127.0.0.1:8000/files/outputs/{EXAMPLE_ID}/vocals.wav?expires=1767225600&signature=…"
MOST_IDS = 1000  # in one request; how many songs a batch may have is a setting

# Any text without what no store can hold; whether there is such a session is another question.
Id = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,128}$")]
Ids = Annotated[list[Id], Field(min_length=1, max_length=MOST_IDS)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=100)]


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class UploadRequest(BaseModel):
    """One song that is about to be sent."""

    model_config = _example(fileName="song.mp3", fileType="audio/mpeg")
    file_name: Name = Field(alias="fileName")
    file_type: str = Field(
        alias="fileType",
        max_length=255,
        description="Its media type; empty for one that the browser doesn't know",
    )


class UploadAnswer(BaseModel):
    """Where the song goes."""

    model_config = _example(
        sessionId=EXAMPLE_ID,
        uploadUrl=f"http://127.0.0.1:8000/files/inputs/{EXAMPLE_ID}/song.mp3?expires=1767225600&signature=…",
        s3Key=f"inputs/{EXAMPLE_ID}/song.mp3",
        expiresIn=3600,
        maxBytes=2147483648,
    )
    sessionId: str = Field(description="The key to everything about this song; keep it to yourself")  # noqa: N815
    uploadUrl: str = Field(description="Takes one PUT of the bytes, with `fileType` as Content-Type")  # noqa: N815
    s3Key: str  # noqa: N815
    expiresIn: int = Field(description="Seconds for which `uploadUrl` works")  # noqa: N815
    maxBytes: int = Field(description="The largest file it takes")  # noqa: N815


class ChoicesFields(BaseModel):
    """What is wanted of a song; all of it may be left out."""

    model: Word | None = Field(None, description="One that GET /models lists; `auto` by default")
    stems: Word | None = Field(
        None, description="`vocals` (the default) or another stem: that and the rest of the song; `all`"
    )
    format: Literal[*FORMATS] | None = Field(None, description="Of the stems; `wav` by default")  # type: ignore[valid-type]
    notify: str | None = Field(None, max_length=254, description="E-mail address that hears of the end")
    video: bool | None = Field(None, description="Also the film, with the accompaniment as its sound")

    def choices(self) -> Choices | None:
        """None when nothing was chosen."""
        given = {name: getattr(self, name) for name in ChoicesFields.model_fields}
        given = {name: value for name, value in given.items() if value is not None}
        return Choices(**given) if given else None


class ProcessRequest(ChoicesFields):
    """A song that has been sent is to be separated."""

    model_config = _example(
        s3Key=f"inputs/{EXAMPLE_ID}/song.mp3", sessionId=EXAMPLE_ID, model="auto", stems="all", format="flac"
    )
    s3_key: Word = Field(alias="s3Key", max_length=300)
    session_id: Id = Field(alias="sessionId")


class ProcessAnswer(BaseModel):
    """The song waits for its turn, or is already further."""

    model_config = _example(sessionId=EXAMPLE_ID, status="PENDING")
    sessionId: str  # noqa: N815
    status: State


class SessionRequest(BaseModel):
    """Says which session is meant."""

    model_config = _example(session_id=EXAMPLE_ID)
    session_id: Id = Field(validation_alias=AliasChoices("session_id", "sessionId"))


class SessionPath(BaseModel):
    """The session, named in the path."""

    session_id: Id = Field(alias="sessionId")


class HistoryQuery(BaseModel):
    """A page of the history."""

    limit: int = Field(50, ge=1, le=200)
    before: float | None = Field(
        None, allow_inf_nan=False, description="`created_at` of the last that is known already"
    )


class OutputFile(BaseModel):
    """One file that came of a song."""

    type: str = Field(description="The stem, or `video`", examples=["vocals"])
    filename: str = Field(examples=["vocals.wav"])
    s3_url: str = Field(
        description="Gives the file, whole or in ranges, for an hour", examples=[EXAMPLE_LINK]
    )
    size: int = Field(description="Bytes", examples=[31752044])
    duration: float = Field(description="Seconds", examples=[180.0])
    peaks_url: str | None = Field(None, description="Its waveform: JSON of audiowaveform's format, version 2")
    play_url: str | None = Field(
        None, description="The same sound in pieces, as the waveform's `play` describes"
    )


class StatusAnswer(BaseModel):
    """How a session stands."""

    model_config = _example(
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
        duration=180.0,
        created_at=1767222000.0,
        expires_at=1767826800.0,
        batch_id=None,
        warnings=[],
        zip_url=None,
    )
    session_id: str
    status: State
    progress: float = Field(description="0 to 1")
    eta_seconds: float | None = Field(description="Until it is done, as far as that can be known")
    output_files: list[OutputFile]
    error_message: str | None = Field(description="What was wrong with the file, and what to do")
    stage: str | None = Field(description="What is being done: downloading, analysing, separating, writing")
    queue_position: int | None = Field(description="1: the next")
    file_name: str
    model: str = Field(description="Which was used; before that, which was chosen")
    stems: str
    format: str
    duration: float | None = Field(description="Of the song in seconds, once that is known")
    created_at: float = Field(description="Seconds since 1970, as all times")
    expires_at: float = Field(description="When all of it is deleted")
    batch_id: str | None
    warnings: list[str]
    zip_url: str | None = Field(description="All files in one archive")


class UnknownStatus(BaseModel):
    """In the place of a status: there is no such session, or it has expired, or it is somebody else's."""

    session_id: str
    status: Literal["UNKNOWN"] = "UNKNOWN"


class CleanupAnswer(BaseModel):
    """How much there was to delete."""

    deleted: int = Field(description="Files and record; 0 the second time", examples=[6])


class StatusesAnswer(BaseModel):
    """Several sessions."""

    sessions: list[StatusAnswer | UnknownStatus]


class HistoryAnswer(BaseModel):
    """Whoever asks has brought these songs, newest first."""

    sessions: list[StatusAnswer]


class BatchRequest(BaseModel):
    """Many songs that are about to be sent."""

    model_config = _example(files=[{"fileName": "song.mp3", "fileType": "audio/mpeg"}])
    files: list[UploadRequest] = Field(min_length=1, max_length=MOST_IDS)


class BatchAnswer(BaseModel):
    """Where each of them goes, in the same order."""

    batchId: str  # noqa: N815
    uploads: list[UploadAnswer]


class BatchProcessRequest(ChoicesFields):
    """Many songs are to be separated alike."""

    model_config = _example(sessionIds=[EXAMPLE_ID], stems="all")
    session_ids: Ids = Field(alias="sessionIds")


class Refusal(BaseModel):
    """Why one song of a batch was not begun."""

    sessionId: str  # noqa: N815
    problem: Problem


class BatchProcessAnswer(BaseModel):
    """What became of each."""

    results: list[ProcessAnswer | Refusal]


class BatchStatusRequest(BaseModel):
    """Says which sessions are meant."""

    model_config = _example(session_ids=[EXAMPLE_ID])
    session_ids: Ids


class MixRequest(BaseModel):
    """A mix of the stems of a song that is done."""

    model_config = _example(session_id=EXAMPLE_ID, gains={"vocals": 0.5, "no_vocals": 1.0}, format="mp3")
    session_id: Id
    gains: dict[Word, Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)]] = Field(
        min_length=1, max_length=20, description="By stem: 1 leaves it as it is, 0 leaves it out"
    )
    format: Literal[*FORMATS] = "wav"  # type: ignore[valid-type]


class MixAnswer(BaseModel):
    """The mix."""

    s3_url: str
    filename: str = Field(description="What it is saved as", examples=["song - mix.mp3"])


class Cost(BaseModel):
    """Seconds of work for a second of song, on the machine that does it."""

    one: float = Field(description="For one stem and the rest", examples=[0.48])
    all: float = Field(description="For all stems", examples=[0.48])


class ModelAnswer(BaseModel):
    """One model that can be chosen."""

    name: str = Field(examples=["htdemucs"])
    summary: str
    stems: list[str] = Field(examples=[["drums", "bass", "other", "vocals"]])
    licence: str = Field(examples=["MIT"])
    sdr: dict[str, float] = Field(description="In dB, as its authors report it", examples=[{"mean": 8.8}])
    installed: bool = Field(description="Otherwise it is downloaded when it is first used")
    sizeBytes: int = Field(description="Of the download, or on disk where it needs none")  # noqa: N815
    secondsPerSecond: Cost  # noqa: N815


class ModelsAnswer(BaseModel):
    """What can be chosen."""

    models: list[ModelAnswer]
    default: str


class SignInAnswer(BaseModel):
    """Where people sign in: an OpenID Connect provider, by authorisation code with PKCE."""

    issuer: str
    clientId: str  # noqa: N815
    scopes: str


class ConfigAnswer(BaseModel):
    """What a front end has to know before it begins."""

    signIn: SignInAnswer | None  # noqa: N815
    maxBytes: int  # noqa: N815
    maxSongSeconds: float  # noqa: N815
    formats: list[str]
    mail: bool = Field(description="Whether `notify` sends e-mail here")
    mixes: bool = Field(description="Whether POST /mix makes a file of one's own mix")
    events: str | None = Field(default=None, description="The WebSocket; null: `/events` at this address")
    wakes: bool = Field(
        default=False, description="Whether the machine that separates sleeps while nobody needs it"
    )
    version: str


class HealthAnswer(BaseModel):
    """The server answers and its store does."""

    status: Literal["ok"] = "ok"
    version: str
