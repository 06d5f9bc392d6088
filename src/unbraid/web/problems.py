"""Errors as `application/problem+json` (RFC 9457): every answer that is not what was asked for has this form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from unbraid.errors import UnbraidError, http_status

MEDIA_TYPE = "application/problem+json"
# What pydantic calls a body that is no JSON object at all: malformed, where a wrong field is 422.
MALFORMED = {"json_invalid", "model_attributes_type", "dict_type", "model_type"}


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


def problem(
    status: int, detail: str, errors: Sequence[FieldProblem] = (), headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The answer for one problem."""
    body = described(status, detail, errors).model_dump(exclude_none=True)
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def described(status: int, detail: str, errors: Sequence[FieldProblem] = ()) -> Problem:
    """The problem itself, for answers about several songs."""
    return Problem(title=title(status), status=status, detail=detail, errors=list(errors) or None)


def fields_of(error: UnbraidError) -> list[FieldProblem]:
    """The field that a SettingError is about."""
    name = getattr(error, "field", None)
    return [] if name is None else [FieldProblem(pointer=_pointer(["body", name]), detail=error.message)]


def title(status: int) -> str:
    """The status in words."""
    return HTTPStatus(status).phrase if status != 499 else "Client Closed Request"


def install(app: FastAPI) -> None:
    """Answer every error of `app` in this form."""

    @app.exception_handler(UnbraidError)
    async def expected(_request: Request, error: UnbraidError) -> JSONResponse:
        return problem(http_status(error), error.message, fields_of(error))

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> JSONResponse:
        detail = DETAILS.get(error.status_code, error.detail)
        return problem(error.status_code, detail, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        found = error.errors()
        if any(
            item["type"] in MALFORMED or (item["type"] == "missing" and item["loc"] == ("body",))
            for item in found
        ):
            return problem(400, "The body has to be a JSON object, with Content-Type: application/json.")
        fields = [FieldProblem(pointer=_pointer(item["loc"]), detail=_lowered(item["msg"])) for item in found]
        told = "; ".join(f"{field.pointer.removeprefix('#/')}: {field.detail}" for field in fields)
        return problem(422, told, fields)


# In place of the bare words of the libraries.
DETAILS = {
    404: "There is nothing at this address.",
    405: "This address doesn't take that method.",
    400: "The request can't be read.",
}


def _pointer(place: Sequence[str | int]) -> str:
    return "#/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in place[1:])


def _lowered(text: str) -> str:
    text = text.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
