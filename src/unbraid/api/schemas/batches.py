"""JSON schemas of many songs at once."""

from __future__ import annotations

from pydantic import BaseModel, Field

from unbraid.api.problems import Problem
from unbraid.api.schemas.base import EXAMPLE_ID, MAX_IDS, Ids, example
from unbraid.api.schemas.process import ChoicesFields, ProcessAnswer
from unbraid.api.schemas.status import StatusAnswer, UnknownStatus
from unbraid.api.schemas.uploads import UploadAnswer, UploadRequest


class BatchRequest(BaseModel):
    """Many songs to upload."""

    model_config = example(files=[{"fileName": "song.mp3", "fileType": "audio/mpeg"}])
    files: list[UploadRequest] = Field(min_length=1, max_length=MAX_IDS)


class BatchAnswer(BaseModel):
    """One upload for each file, in the same order."""

    batchId: str  # noqa: N815
    uploads: list[UploadAnswer]


class BatchProcessRequest(ChoicesFields):
    """Many uploaded songs to separate with the same options."""

    model_config = example(sessionIds=[EXAMPLE_ID], stems="all")
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

    model_config = example(session_ids=[EXAMPLE_ID])
    session_ids: Ids


class StatusesAnswer(BaseModel):
    """The statuses of several sessions."""

    sessions: list[StatusAnswer | UnknownStatus]
