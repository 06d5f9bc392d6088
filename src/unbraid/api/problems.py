"""Errors as `application/problem+json` (RFC 9457): every answer that is not what was asked for has this form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field

from unbraid.errors import UnbraidError, http_status

MEDIA_TYPE = "application/problem+json"
# What pydantic calls a body that is no JSON object at all: malformed, where a wrong field is 422.
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


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    pointer: str = Field(description="JSON pointer to the field", examples=["#/fileName"])
    detail: str = Field(examples=["field required"])


class Problem(BaseModel):
    """What went wrong, in words that can be shown."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(
        examples=["There is no such song here. It may have expired: songs are kept for 7 days."]
    )
    errors: list[FieldProblem] | None = Field(None, description="422: field by field")


def described(status: int, detail: str, errors: Sequence[FieldProblem] = ()) -> Problem:
    """The problem of that status."""
    return Problem(title=title(status), status=status, detail=detail, errors=list(errors) or None)


def of_error(error: UnbraidError) -> Problem:
    """The problem that an expected error is; a SettingError names its field."""
    name = getattr(error, "field", None)
    fields = [] if name is None else [FieldProblem(pointer=_pointer([name]), detail=error.message)]
    return described(http_status(error), error.message, fields)


def of_fields(found: Sequence[Mapping[str, Any]]) -> Problem:
    """What pydantic found wrong with a request, each place (`loc`) beginning with `body`, `query` or the like."""
    if any(
        item["type"] in MALFORMED or (item["type"] == "missing" and tuple(item["loc"]) == ("body",))
        for item in found
    ):
        return described(400, "The body has to be a JSON object, with Content-Type: application/json.")
    fields = [FieldProblem(pointer=_pointer(item["loc"][1:]), detail=_lowered(item["msg"])) for item in found]
    told = "; ".join(f"{field.pointer.removeprefix('#/')}: {field.detail}" for field in fields)
    return described(422, told, fields)


def title(status: int) -> str:
    """The status in words."""
    return HTTPStatus(status).phrase if status != 499 else "Client Closed Request"


def _pointer(place: Sequence[str | int]) -> str:
    return "#/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in place)


def _lowered(text: str) -> str:
    text = text.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
