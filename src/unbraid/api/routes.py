"""The table of the API's endpoints. The web app, the Lambda functions and the CDK app read it.

To add an endpoint, write its schemas (`api/schemas.py`) and its handler (`api/handlers/`), add a line here, and
describe it in `docs/api.md`. Endpoints that need the files of one machine are FastAPI routes of the web app:
`POST /mix`, `/files/…`, `/events` and `/metrics`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel

from unbraid.api.handlers import about, batches, parts, sessions

Place = Literal["path", "query", "body"]


@dataclass(frozen=True)
class Route:
    """One endpoint. The annotations of its handler are the schemas of its request and its answer."""

    method: Literal["GET", "POST"]
    path: str
    handler: Callable[..., BaseModel]
    """Takes the call (`api.call.Call`) and the request, if the endpoint has one."""
    function: str
    """Lambda function that answers it: a module of `aws.functions`, whose rights are in `infra/functions.py`."""
    status: int = 200
    tag: str = "songs"
    """Section of the OpenAPI document."""
    owner: bool = True
    """Whether the handler acts for the caller, who must be signed in if the installation has sign-in."""
    public: bool = False
    """Whether API Gateway passes calls on without sign-in."""

    @property
    def key(self) -> str:
        """`POST /status`, as API Gateway names it."""
        return f"{self.method} {self.path}"

    @property
    def place(self) -> Place:
        """Where the fields of the request come from."""
        if "{" in self.path:
            return "path"
        return "query" if self.method == "GET" else "body"

    @cached_property
    def request(self) -> type[BaseModel] | None:
        """Schema of the request; None: it has no fields."""
        return self._types.get("request")

    @cached_property
    def answer(self) -> type[BaseModel]:
        """Schema of the answer."""
        answer: type[BaseModel] = self._types["return"]
        return answer

    @cached_property
    def _types(self) -> dict[str, Any]:
        return inspect.get_annotations(self.handler, eval_str=True)


ROUTES = (
    Route("POST", "/upload", sessions.upload, "upload"),
    Route("POST", "/upload/parts", parts.resume, "upload"),
    # This function may read the song already: it checks whether the song is there.
    Route("POST", "/upload/complete", parts.complete, "process"),
    Route("POST", "/process", sessions.process, "process", status=202),
    Route("POST", "/status", sessions.status, "status"),
    Route("GET", "/status/{sessionId}", sessions.status_by_path, "status"),
    Route("POST", "/cancel", sessions.cancel, "cancel"),
    Route("POST", "/cleanup", sessions.cleanup, "cleanup"),
    Route("GET", "/history", sessions.history, "history"),
    Route("POST", "/batch", batches.upload, "upload", tag="batches"),
    Route("POST", "/batch/process", batches.process, "process", tag="batches", status=202),
    Route("POST", "/batch/status", batches.status, "status", tag="batches"),
    # A page needs no owner to list the models, but API Gateway asks for a sign-in: each call reads the table.
    Route("GET", "/models", about.models, "models", tag="about", owner=False),
    Route("GET", "/config", about.config, "config", tag="about", owner=False, public=True),
    Route("GET", "/healthz", about.healthz, "config", tag="about", owner=False, public=True),
)
