"""JSON schemas of the start of a separation."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

from pydantic import BaseModel, Field

from unbraid.api.schemas.base import EXAMPLE_ID, Id, Stems, Time, Word, example
from unbraid.audio.formats import SONG_FORMATS
from unbraid.audio.times import seconds_of
from unbraid.errors import SettingError, UnbraidError
from unbraid.jobs.choices import default_stems
from unbraid.jobs.notify import LONGEST_URL
from unbraid.jobs.session import Choices, State
from unbraid.models.questions import QUALITIES


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
    """An uploaded song to separate, with options; with `from`, a stem of it; with `again`, the song once more."""

    model_config = example(
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
    again: bool = Field(
        False,
        description="Separate a song that has ended once more with these options, as a new session. The answer has its "
        "id. `s3Key` isn't needed",
    )


class ProcessAnswer(BaseModel):
    """The session and its state."""

    model_config = example(sessionId=EXAMPLE_ID, status="PENDING")
    sessionId: str  # noqa: N815
    status: State
