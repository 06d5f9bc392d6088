"""JSON schemas of the pieces that can be played while a song is separated."""

from __future__ import annotations

from pydantic import BaseModel, Field

from unbraid.api.schemas.base import EXAMPLE_ID, example
from unbraid.api.schemas.status import SessionRequest


class PiecesRequest(SessionRequest):
    """A session, and the first piece that the caller doesn't have yet."""

    model_config = example(session_id=EXAMPLE_ID, first=0)
    first: int = Field(0, ge=0, description="Number of the first piece to return")


class PieceAnswer(BaseModel):
    """A file with one or two chunks of all stems."""

    number: int
    first_chunk: int = Field(description="Number of its first chunk, from 0")
    chunks: int = Field(description="Number of chunks")
    url: str = Field(description="Link to the piece, valid for an hour; it supports range requests")


class PiecesAnswer(BaseModel):
    """What can be played of a song that is being separated."""

    session_id: str
    attempt: str | None = Field(
        default=None,
        description="Name of the attempt that makes the pieces; if it changes, start again with the first piece",
    )
    stems: list[str] = Field(
        default=[], description="Names of the stems, in the order of a piece", examples=[["vocals"]]
    )
    sample_rate: int | None = Field(default=None, description="Of the pieces, in Hz", examples=[44100])
    chunk_samples: int | None = Field(
        default=None, description="Samples in each chunk but the last", examples=[220500]
    )
    samples: int | None = Field(default=None, description="Samples in each whole stem", examples=[7938000])
    playable_until: float = Field(default=0.0, description="Seconds that can be played; 0: nothing (yet)")
    pieces: list[PieceAnswer] = Field(default=[], description="At most 100; ask again for the next ones")
