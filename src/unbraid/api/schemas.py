"""JSON schemas of requests and answers. Existing clients need these field names: camelCase and snake_case mixed."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, Strict, StringConstraints

from unbraid.api.problems import Problem
from unbraid.audio.formats import FORMATS, SONG_FORMATS
from unbraid.audio.times import seconds_of
from unbraid.errors import SettingError, UnbraidError
from unbraid.jobs.choices import default_stems
from unbraid.jobs.notify import LONGEST_URL
from unbraid.jobs.session import Choices, State
from unbraid.models.questions import QUALITIES

EXAMPLE_ID = "q3Jx0b8hQh2m7d1kXgVvT5sLrZyWc9Ae"
EXAMPLE_LINK = f"http://127.0.0.1:8000/files/outputs/{EXAMPLE_ID}/vocals.wav?expires=1767225600&signature=…"
MAX_IDS = 1000  # in one request; the setting `max_batch` limits the songs of a batch

# Printable ASCII, which every store can hold. Whether the session exists is checked later.
Id = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,128}$")]
Ids = Annotated[list[Id], Field(min_length=1, max_length=MAX_IDS)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Stems = Annotated[str, StringConstraints(min_length=1, max_length=500)]
# Strict: `true` is no time.
Time = Annotated[float, Strict()] | Annotated[str, StringConstraints(max_length=20)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=100)]


# `from` is a keyword of Python, so the attribute has another name.
_AS_FROM = ConfigDict(serialize_by_alias=True)


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class UploadRequest(BaseModel):
    """A song to upload."""

    model_config = _example(fileName="song.mp3", fileType="audio/mpeg", fileSize=31457280)
    file_name: Name = Field(alias="fileName")
    file_type: str = Field(
        alias="fileType",
        max_length=255,
        description="Media type; empty if the browser doesn't know it",
    )
    file_size: int | None = Field(
        None,
        alias="fileSize",
        ge=1,
        description="Bytes. The server then refuses a file that is too large before it is sent, and can offer parts",
    )


class UploadAnswer(BaseModel):
    """The new session, and the URL for uploading its song."""

    model_config = _example(
        sessionId=EXAMPLE_ID,
        uploadUrl=f"http://127.0.0.1:8000/files/inputs/{EXAMPLE_ID}/song.mp3?expires=1767225600&signature=…",
        s3Key=f"inputs/{EXAMPLE_ID}/song.mp3",
        expiresIn=3600,
        maxBytes=2147483648,
        partBytes=8388608,
    )
    sessionId: str = Field(description="Secret key of the session: anyone who has it can use it")  # noqa: N815
    uploadUrl: str = Field(description="URL for the file, in one PUT with `fileType` as Content-Type")  # noqa: N815
    s3Key: str = Field(description="Key of the file, for `POST /process`")  # noqa: N815
    expiresIn: int = Field(description="Seconds until `uploadUrl` expires")  # noqa: N815
    maxBytes: int = Field(description="Maximum size of the file, in bytes")  # noqa: N815
    partBytes: int | None = Field(  # noqa: N815
        description="Size of the parts of a large file, for `POST /upload/parts`; null: send it in one PUT"
    )


class PartLink(BaseModel):
    """The URL for one part."""

    number: int = Field(description="From 1", examples=[3])
    size: int = Field(description="Exact size of the part, in bytes", examples=[8388608])
    url: str = Field(description="URL for the part, in one PUT without a Content-Type")


class PartsAnswer(BaseModel):
    """An upload in parts: what has arrived, and the URLs for the next parts."""

    model_config = _example(
        sessionId=EXAMPLE_ID,
        partBytes=8388608,
        partCount=4,
        uploaded=[1, 2],
        parts=[
            {
                "number": 3,
                "size": 8388608,
                "url": f"http://127.0.0.1:8000/files/inputs/{EXAMPLE_ID}/part-8f3c-3?size=8388608&signature=…",
            }
        ],
        expiresIn=3600,
    )
    sessionId: str  # noqa: N815
    partBytes: int = Field(description="Size of each part but the last, in bytes")  # noqa: N815
    partCount: int  # noqa: N815
    uploaded: list[int] = Field(description="Numbers of the parts that have arrived")
    parts: list[PartLink] = Field(
        description="The next missing parts, at most 100; empty: call `POST /upload/complete`"
    )
    expiresIn: int = Field(description="Seconds until the URLs expire. Call again for new ones")  # noqa: N815


class CompleteAnswer(BaseModel):
    """The upload is complete."""

    model_config = _example(sessionId=EXAMPLE_ID, s3Key=f"inputs/{EXAMPLE_ID}/song.mp3")
    sessionId: str  # noqa: N815
    s3Key: str = Field(description="Key of the file, for `POST /process`")  # noqa: N815


class ChoicesFields(BaseModel):
    """Options of a separation, all of them optional."""

    model: Word | None = Field(
        None,
        description="`auto` (default), `fast`, `best`, the word of a purpose such as `karaoke`, or a model of "
        "GET /models",
    )
    quality: Literal[*QUALITIES] | None = Field(  # type: ignore[valid-type]
        None,
        description="Default `balanced`. With `auto` or the word of a purpose, it chooses the model; "
        "with a model, overlap and shifts",
    )
    stems: Stems | None = Field(
        None,
        description="One stem and the rest of the song, or `all` stems; or a list with commas of exactly the stems to "
        "write: names, `no_STEM`, sums such as `drums+bass`, `mix` and `rest`. Default: `vocals`, or all stems of a "
        "model without vocals",
    )
    start: Time | None = Field(
        None,
        description="Separate only a part of the song, from here on: seconds, or text such as `1:05`; negative: from "
        "the end of the song",
    )
    end: Time | None = Field(None, description="End of that part, written as `start`")
    format: Literal[*SONG_FORMATS] | None = Field(  # type: ignore[valid-type]
        None,
        description="File format of the stems; default `wav`. `stem`: one stem file for DJ software, of all stems",
    )
    notify: str | None = Field(
        None,
        max_length=LONGEST_URL,
        description="E-mail address, or https:// URL of a webhook, to notify when the song is done or has failed",
    )
    video: bool | None = Field(None, description="Also write the video, with the accompaniment as its sound")

    def choices(self) -> Choices | None:
        """The options that were set; None if there are none. Raises SettingError for an invalid time."""
        fields = {name: getattr(self, name) for name in ChoicesFields.model_fields}
        chosen = {name: value for name, value in fields.items() if value is not None}
        for name in chosen.keys() & {"start", "end"}:
            try:
                chosen[name] = seconds_of(chosen[name], f"The {name}")
            except SettingError as error:
                raise SettingError(error.message, name) from error
        if "model" in chosen and "stems" not in chosen:
            with suppress(UnbraidError, KeyError):  # an unknown model, which is reported later
                chosen["stems"] = default_stems(chosen["model"])
        return Choices(**chosen) if chosen else None


class ProcessRequest(ChoicesFields):
    """An uploaded song to separate, with options; or, with `from`, a stem to separate further."""

    model_config = _example(
        s3Key=f"inputs/{EXAMPLE_ID}/song.mp3", sessionId=EXAMPLE_ID, model="auto", stems="all", format="flac"
    )
    s3_key: Word | None = Field(None, alias="s3Key", max_length=300, description="Needed without `from`")
    session_id: Id = Field(alias="sessionId")
    stem: Word | None = Field(
        None,
        validation_alias="from",
        description="A stem of a completed song, or `mix` for the song itself: separate it into all stems of `model`. "
        "The answer has the session of its parts. `stems`, `format` and `video` don't go with it, and only with `mix` "
        "do `start` and `end`",
    )


class ProcessAnswer(BaseModel):
    """The session and its state."""

    model_config = _example(sessionId=EXAMPLE_ID, status="PENDING")
    sessionId: str  # noqa: N815
    status: State


class SessionRequest(BaseModel):
    """The id of a session."""

    model_config = _example(session_id=EXAMPLE_ID)
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

    model_config = _AS_FROM
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

    model_config = _AS_FROM
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
        start=None,
        end=None,
        duration=180.0,
        bpm=None,
        key=None,
        created_at=1767222000.0,
        expires_at=1767826800.0,
        batch_id=None,
        warnings=[],
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
    zip_url: str | None = Field(description="Link to one zip archive of all files; null: no archive")


class UnknownStatus(BaseModel):
    """Replaces a status: the session does not exist, has expired or belongs to another user."""

    session_id: str
    status: Literal["UNKNOWN"] = "UNKNOWN"


class CleanupAnswer(BaseModel):
    """The number of deleted items."""

    deleted: int = Field(description="Deleted files and records; 0 if the call is repeated", examples=[6])


class StatusesAnswer(BaseModel):
    """The statuses of several sessions."""

    sessions: list[StatusAnswer | UnknownStatus]


class HistoryAnswer(BaseModel):
    """The caller's songs, newest first."""

    sessions: list[StatusAnswer]


class BatchRequest(BaseModel):
    """Many songs to upload."""

    model_config = _example(files=[{"fileName": "song.mp3", "fileType": "audio/mpeg"}])
    files: list[UploadRequest] = Field(min_length=1, max_length=MAX_IDS)


class BatchAnswer(BaseModel):
    """One upload for each file, in the same order."""

    batchId: str  # noqa: N815
    uploads: list[UploadAnswer]


class BatchProcessRequest(ChoicesFields):
    """Many uploaded songs to separate with the same options."""

    model_config = _example(sessionIds=[EXAMPLE_ID], stems="all")
    session_ids: Ids = Field(alias="sessionIds")


class Refusal(BaseModel):
    """Why one song of a batch was not started."""

    sessionId: str  # noqa: N815
    problem: Problem


class BatchProcessAnswer(BaseModel):
    """One result for each song."""

    results: list[ProcessAnswer | Refusal]


class BatchStatusRequest(BaseModel):
    """The ids of several sessions."""

    model_config = _example(session_ids=[EXAMPLE_ID])
    session_ids: Ids


class MixRequest(BaseModel):
    """A mix of the stems of a completed song."""

    model_config = _example(session_id=EXAMPLE_ID, gains={"vocals": 0.5, "no_vocals": 1.0}, format="mp3")
    session_id: Id
    gains: dict[Word, Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)]] = Field(
        min_length=1, max_length=20, description="Gain for each stem: 1 keeps its level, 0 leaves it out"
    )
    format: Literal[*FORMATS] = "wav"  # type: ignore[valid-type]


class MixAnswer(BaseModel):
    """The file of the mix."""

    s3_url: str
    filename: str = Field(description="File name for saving", examples=["song - mix.mp3"])


class Cost(BaseModel):
    """Seconds of work for one second of song, on the machine that separates."""

    one: float = Field(description="For one stem and the rest of the song", examples=[0.48])
    all: float = Field(description="For all stems", examples=[0.48])


class ModelAnswer(BaseModel):
    """A model that can be chosen."""

    name: str = Field(examples=["htdemucs"])
    summary: str
    stems: list[str] = Field(examples=[["drums", "bass", "other", "vocals"]])
    licence: str = Field(examples=["MIT"])
    sdr: dict[str, float] = Field(
        description="SDR in dB, as its authors report it",
        examples=[{"mean": 8.8}],
    )
    installed: bool = Field(description="If false, the first use downloads the model")
    sizeBytes: int = Field(description="Bytes to download; if nothing needs downloading, bytes on disk")  # noqa: N815
    secondsPerSecond: Cost  # noqa: N815
    answers: list[str] = Field(
        description="Words of the purposes that the model is for", examples=[["vocals", "four_stems"]]
    )


class UsedModel(BaseModel):
    """The model that a choice stands for at this moment."""

    model: str = Field(examples=["htdemucs"])
    installed: bool = Field(description="If false, the next song downloads the model")
    sizeBytes: int = Field(description="As in `models`")  # noqa: N815
    secondsPerSecond: float = Field(description="Seconds of work for one second of song", examples=[0.48])  # noqa: N815
    passedOver: dict[str, str] = Field(  # noqa: N815
        description="Better models that could not be downloaded within the last day, each with the cause",
        examples=[{"htdemucs": "no network (tried at 13:05)"}],
    )


class ChoiceAnswer(BaseModel):
    """A choice that stands for the best model available for it."""

    name: str = Field(description="`auto`, `fast`, `best`, or the word of a purpose", examples=["auto"])
    title: str | None = Field(description="Of a purpose", examples=["Karaoke"])
    stems: dict[str, UsedModel] = Field(description="The model for each stem, and for `all`")


class ModelsAnswer(BaseModel):
    """The models that can be chosen."""

    models: list[ModelAnswer]
    default: str = Field(examples=["auto"])
    choices: list[ChoiceAnswer] = Field(description="`auto` and the like, as far as they are allowed")
    downloads: bool = Field(description="Whether missing models are downloaded")


class SignInAnswer(BaseModel):
    """The OpenID Connect provider where users sign in, by authorisation code with PKCE."""

    issuer: str
    clientId: str  # noqa: N815
    scopes: str


class ConfigAnswer(BaseModel):
    """Settings that a front end needs before its first upload."""

    signIn: SignInAnswer | None  # noqa: N815
    maxBytes: int  # noqa: N815
    maxSongSeconds: float  # noqa: N815
    formats: list[str]
    mail: bool = Field(description="Whether `notify` sends e-mail")
    mixes: bool = Field(description="Whether POST /mix is available")
    events: str | None = Field(
        default=None, description="URL of the WebSocket; null: `/events` of this server"
    )
    wakes: bool = Field(
        default=False, description="Whether the machine that separates songs shuts down while idle"
    )
    version: str


class HealthAnswer(BaseModel):
    """The server and its session store answer."""

    status: Literal["ok"] = "ok"
    version: str
