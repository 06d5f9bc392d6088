"""The OpenAPI 3.1 document at `/openapi.json`."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from unbraid.api.problems import MEDIA_TYPE, Problem
from unbraid.api.schemas.status import StatusAnswer

DESCRIPTION = """Separate songs into stems. `POST /upload`, `PUT` the song to the `uploadUrl`, `POST /process`, poll
`POST /status` (or subscribe to the WebSocket `/events?session_id=…`) until `COMPLETED`, download each `s3_url`,
`POST /cleanup`.

Anyone who knows a `sessionId` can use the session. If users sign in, only its owner can.
"""
# 507: too little free disk space. 503: the sign-in provider doesn't answer.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "Refused"},
    503: {"model": Problem, "description": "Try again later"},
    507: {"model": Problem, "description": "Too little free disk space"},
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
        ("size", False),
        ("name", False),
    )
]
UPLOAD = {
    "parameters": [one for one in _SIGNED if one["name"] != "name"],
    "requestBody": {"required": True, "content": {"*/*": _BYTES}},
    "responses": {200: {"description": "The upload is complete"}},
}
DOWNLOAD = {
    "parameters": [
        *(one for one in _SIGNED if one["name"] not in ("type", "max", "size")),
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
        206: {"description": "The requested range", "content": {"*/*": _BYTES}},
    },
}
METRICS = {"responses": {200: {"description": "Prometheus text format", "content": {"text/plain": _TEXT}}}}


def describe(app: FastAPI) -> None:
    """Replace `app.openapi`: errors are `application/problem+json`, which FastAPI can't declare."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes
            )
            for path in document["paths"].values():
                for operation in path.values():
                    for parameter in operation.get("parameters", ()):
                        if "description" in parameter:  # FastAPI repeats it in the schema
                            parameter["schema"].pop("description", None)
                    for status, response in operation["responses"].items():
                        if status[0] in "45":
                            response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}
            # FastAPI removes null fields from examples.
            document["components"]["schemas"]["StatusAnswer"].update(
                StatusAnswer.model_config["json_schema_extra"]
            )
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def operation_id(route: APIRoute) -> str:
    """Operation id: module and function of the handler, such as `sessions_upload`."""
    return f"{route.endpoint.__module__.rpartition('.')[2]}_{route.name}"
