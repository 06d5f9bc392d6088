"""Errors as `application/problem+json` (RFC 9457), the format of every error answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field

from unbraid.errors import UnbraidError, http_status

MEDIA_TYPE = "application/problem+json"
# Pydantic's error types for a body that isn't a JSON object. These are 400; an invalid field is 422.
MALFORMED = {"json_invalid", "model_attributes_type", "dict_type", "model_type"}

MAX_BODY_BYTES = 1 << 18
"""Largest request body: a batch of a thousand names."""
TOO_LARGE = f"The request exceeds {MAX_BODY_BYTES >> 10} KB. Send songs to the URL that POST /upload returns."
NOT_SIGNED_IN = "Please sign in."
UNREADABLE = "The request can't be read. Send a JSON object with Content-Type: application/json."
NO_ROUTE = "Nothing exists at this address."
INTERNAL_ERROR = (
    "Something went wrong on the server. Try again. If it happens again, contact the administrator."
)
BUSY = "The server can't carry this out at the moment. Try again in 10 seconds."


class FieldProblem(BaseModel):
    """An error in one field."""

    pointer: str = Field(description="JSON pointer to the field", examples=["#/fileName"])
    detail: str = Field(examples=["field required"])


class Problem(BaseModel):
    """An error, with a text for the user."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(
        examples=["There is no such session, or it has expired. Upload the song again."],
        description="What happened and what to do next",
    )
    can_retry: bool | None = Field(
        None, description="Whether the same request may succeed later; missing: unknown"
    )
    errors: list[FieldProblem] | None = Field(None, description="422: one error for each invalid field")


def make_problem(
    status: int, detail: str, errors: Sequence[FieldProblem] = (), can_retry: bool | None = None
) -> Problem:
    """A problem with the title of its status."""
    return Problem(
        title=title(status), status=status, detail=detail, can_retry=can_retry, errors=list(errors) or None
    )


def of_error(error: UnbraidError) -> Problem:
    """The problem for an expected error. A SettingError names its field."""
    name = getattr(error, "field", None)
    fields = [] if name is None else [FieldProblem(pointer=_pointer([name]), detail=error.message)]
    return make_problem(http_status(error), error.message, fields, error.can_retry)


def retry_after(error: UnbraidError) -> dict[str, str]:
    """The header `Retry-After` of an error that names the time to wait; empty for others."""
    seconds = getattr(error, "retry_after_s", None)
    return {} if seconds is None else {"retry-after": str(seconds)}


def of_fields(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """The problem for pydantic's validation errors, whose `loc` begins with `body`, `query` or `path`."""
    if any(
        item["type"] in MALFORMED or (item["type"] == "missing" and tuple(item["loc"]) == ("body",))
        for item in errors
    ):
        return make_problem(400, UNREADABLE)
    fields = [
        FieldProblem(pointer=_pointer(item["loc"][1:]), detail=_lowered(item["msg"])) for item in errors
    ]
    detail = "; ".join(f"{field.pointer.removeprefix('#/')}: {field.detail}" for field in fields)
    return make_problem(422, detail, fields)


def title(status: int) -> str:
    """The standard phrase of a status."""
    return HTTPStatus(status).phrase if status != 499 else "Client Closed Request"


def _pointer(place: Sequence[str | int]) -> str:
    return "#/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in place)


def _lowered(text: str) -> str:
    text = text.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
