"""Answers of this server: the API's, with links that begin with its address."""

from __future__ import annotations

from unbraid.api import answers
from unbraid.api.schemas import StatusAnswer
from unbraid.jobs.status import Status
from unbraid.web.context import Context

ZIPS = "zips"


def status_answer(status: Status, context: Context, base: str) -> StatusAnswer:
    """How a session stands."""
    return answers.status_answer(status, base, base + _zip_url(status, context) if status.files else None)


def _zip_url(status: Status, context: Context) -> str:
    return context.store.links.download(
        f"{ZIPS}/{status.session.id}/all.zip", context.service.limits.link_s, status.zip_name
    )
