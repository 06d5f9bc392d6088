"""GET /history: the songs of whoever asks."""

from __future__ import annotations

from pydantic import BaseModel, Field

from unbraid.api.answers import status_answer
from unbraid.api.schemas import HistoryAnswer
from unbraid.aws.http import Call, answering


class Page(BaseModel):
    """Which part of it; `before` is `created_at` of the last that is known already."""

    limit: int = Field(50, ge=1, le=200)
    before: float | None = Field(None, allow_inf_nan=False)


def history(call: Call) -> HistoryAnswer:
    """Newest first: of who has signed in, or of this browser (header `X-Browser-Token`)."""
    owner, page = call.owner, call.query(Page)
    found = call.service.history(owner, page.limit, page.before)
    return HistoryAnswer(sessions=[status_answer(one) for one in found])


handler = answering({"GET /history": history})
