"""Every answer of the web app that is not what was asked for, as the API's problems."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from unbraid.api.problems import MEDIA_TYPE, Problem, described, of_error, of_fields
from unbraid.errors import UnbraidError

# In place of the bare words of the libraries.
DETAILS = {
    404: "There is nothing at this address.",
    405: "This address doesn't take that method.",
    400: "The request can't be read.",
}


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer for one problem."""
    return _answer(described(status, detail), headers)


def install(app: FastAPI) -> None:
    """Answer every error of `app` in this form."""

    @app.exception_handler(UnbraidError)
    async def expected(_request: Request, error: UnbraidError) -> JSONResponse:
        return _answer(of_error(error))

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, DETAILS.get(error.status_code, error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        return _answer(of_fields(error.errors()))


def _answer(found: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(found.model_dump(exclude_none=True), found.status, headers, MEDIA_TYPE)
