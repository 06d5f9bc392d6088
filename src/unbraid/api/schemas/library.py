"""JSON schemas of a person's own songs: names, kept songs and share links."""

from __future__ import annotations

from pydantic import BaseModel, Field

from unbraid.api.schemas.base import EXAMPLE_ID, Id, Name, example
from unbraid.api.schemas.status import SessionRequest


class RenameRequest(SessionRequest):
    """A new name of a song."""

    model_config = example(session_id=EXAMPLE_ID, name="My song, slow")
    name: Name = Field(description="Without extension")


class KeepRequest(SessionRequest):
    """Whether a song is exempt from expiry."""

    model_config = example(session_id=EXAMPLE_ID, keep=True)
    keep: bool = True


class ShareRequest(SessionRequest):
    """Whether a song has a share link."""

    model_config = example(session_id=EXAMPLE_ID, share=True)
    share: bool = Field(True, description="False: delete the link")


class SharePath(BaseModel):
    """The id of a share link, in the path."""

    share_id: Id = Field(alias="shareId")
