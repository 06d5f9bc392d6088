"""JSON schemas of mixes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from unbraid.api.schemas.base import EXAMPLE_ID, Id, Word, example
from unbraid.audio.formats import FORMATS


class MixRequest(BaseModel):
    """A mix of the stems of a completed song."""

    model_config = example(session_id=EXAMPLE_ID, gains={"vocals": 0.5, "no_vocals": 1.0}, format="mp3")
    session_id: Id
    gains: dict[Word, Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)]] = Field(
        min_length=1, max_length=20, description="Gain for each stem: 1 keeps its level, 0 leaves it out"
    )
    format: Literal[*FORMATS, "video"] = Field(  # type: ignore[valid-type]
        "wav", description="`video`: the uploaded video with the mix as its sound, for a song that is a video"
    )


class MixAnswer(BaseModel):
    """The file of the mix."""

    s3_url: str
    filename: str = Field(description="File name for saving", examples=["song - mix.mp3"])
