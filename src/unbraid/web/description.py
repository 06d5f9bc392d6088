"""The description of the API, at `/openapi.json` (OpenAPI 3.1)."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from unbraid.api.problems import MEDIA_TYPE, Problem
from unbraid.api.schemas import StatusAnswer

WORDS = """Takes songs apart. `POST /upload`, `PUT` the song to the `uploadUrl`, `POST /process`, ask `POST /status` (or
listen at the WebSocket `/events?session_id=…`) until `COMPLETED`, fetch each `s3_url`, `POST /cleanup`.

Whoever knows a `sessionId` may use the session, unless people sign in here: then its owner alone.
"""
# 507: the disk is full. 503: the provider of sign-ins doesn't answer.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "Refused"},
    503: {"model": Problem, "description": "Try again later"},
    507: {"model": Problem, "description": "No room left"},
}

_TEXT = {"schema": {"type": "string"}}
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_SIGNED = [
    {"name": name, "in": "query", "required": required, "schema": {"type": "string"}}
    for name, required in (
        ("expires", True),
        ("signature", True),
        ("type", False),
        ("max", False),
        ("name", False),
    )
]
UPLOAD = {
    "parameters": [one for one in _SIGNED if one["name"] != "name"],
    "requestBody": {"required": True, "content": {"*/*": _BYTES}},
    "responses": {200: {"description": "All of it is here"}},
}
DOWNLOAD = {
    "parameters": [
        *(one for one in _SIGNED if one["name"] not in ("type", "max")),
        {
            "name": "Range",
            "in": "header",
            "required": False,
            "schema": {"type": "string"},
            "example": "bytes=0-99",
        },
    ],
    "responses": {
        200: {"description": "The file", "content": {"*/*": _BYTES}},
        206: {"description": "The part that `Range` asks for", "content": {"*/*": _BYTES}},
    },
}
METRICS = {"responses": {200: {"description": "Prometheus text format", "content": {"text/plain": _TEXT}}}}


def describe(app: FastAPI) -> None:
    """Let `app.openapi` say what holds: problems are `application/problem+json`."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, description=WORDS, routes=app.routes)
            for path in made["paths"].values():
                for operation in path.values():
                    for status, response in operation["responses"].items():
                        if status[0] in "45":
                            response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}
            # FastAPI leaves out what is null in an example.
            made["components"]["schemas"]["StatusAnswer"].update(
                StatusAnswer.model_config["json_schema_extra"]
            )
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def operation_id(route: APIRoute) -> str:
    """The name of an operation: `sessions_upload`."""
    return f"{route.endpoint.__module__.rpartition('.')[2]}_{route.name}"
