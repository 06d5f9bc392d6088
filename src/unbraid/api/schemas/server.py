"""JSON schemas of what a server offers: models, settings, health."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


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
    password: bool = Field(default=False, description="Whether all users share one password, see /sign-in")
    maxBytes: int  # noqa: N815
    maxSongSeconds: float  # noqa: N815
    formats: list[str]
    mail: bool = Field(description="Whether `notify` sends e-mail")
    mixes: bool = Field(description="Whether POST /mix is available")
    events: str | None = Field(
        default=None, description="URL of the WebSocket; null: `/events` of this server"
    )
    teaching: bool = Field(default=False, description="Whether /teaching is available")
    wakes: bool = Field(
        default=False, description="Whether the machine that separates songs shuts down while idle"
    )
    version: str


class HealthAnswer(BaseModel):
    """The server and its session store answer."""

    status: Literal["ok"] = "ok"
    version: str
