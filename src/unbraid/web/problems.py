"""Answer every error of the web app as `application/problem+json`."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from unbraid.api.problems import (
    MEDIA_TYPE,
    NO_ROUTE,
    UNREADABLE,
    Problem,
    make_problem,
    of_error,
    of_fields,
    retry_after,
)
from unbraid.errors import UnbraidError

# These replace the short details of Starlette and FastAPI.
DETAILS = {400: UNREADABLE, 404: NO_ROUTE, 405: "This address doesn't accept that method."}


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error answer."""
    return _answer(make_problem(status, detail), headers)


def install(app: FastAPI) -> None:
    """Add the exception handlers to `app`."""

    @app.exception_handler(UnbraidError)
    async def expected(_request: Request, error: UnbraidError) -> JSONResponse:
        return _answer(of_error(error), retry_after(error))

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, DETAILS.get(error.status_code, error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        return _answer(of_fields(error.errors()))


def _answer(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(problem.model_dump(exclude_none=True), problem.status, headers, MEDIA_TYPE)
