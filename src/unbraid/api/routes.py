"""The table of the API's endpoints. The web app, the Lambda functions and the CDK app read it.

To add an endpoint, write its schemas (`api/schemas/`) and its handler (`api/handlers/`), add a line here, and
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

from unbraid.api.handlers import about, batches, library, parts, pieces, sessions
from unbraid.jobs.use import Action, UseLimits

Place = Literal["path", "query", "body"]


@dataclass(frozen=True)
class Use:
    """What a call counts as in the limits of its client (`jobs.use`)."""

    action: Action | None = None
    """What it does with songs; None: it counts as a call only."""
    songs: Callable[[Any], int] = lambda _request: 1
    """Number of songs of a request."""


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
    use: Use | None = None
    """What it counts as in the limits of its client; None: it isn't counted."""

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

    def count(self, limits: UseLimits | None, client: str, max_batch: int, request: Any) -> None:
        """Count a call in the limits of its client. Raises LimitReached."""
        if limits is not None and self.use is not None:
            songs = self.use.songs(request)
            # The handler refuses a batch that is too large, so its songs don't count.
            limits.take(client, self.use.action if songs <= max_batch else None, songs)

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
    Route("POST", "/upload", sessions.upload, "upload", use=Use("uploads")),
    Route("POST", "/upload/parts", parts.resume, "upload", use=Use()),
    # This function may read the song already: it checks whether the song is there.
    Route("POST", "/upload/complete", parts.complete, "process", use=Use()),
    Route("POST", "/process", sessions.process, "process", status=202, use=Use("starts")),
    Route("POST", "/status", sessions.status, "status"),
    Route("GET", "/status/{sessionId}", sessions.status_by_path, "status"),
    Route("POST", "/pieces", pieces.pieces, "status"),
    Route("POST", "/rename", library.rename, "library", use=Use()),
    Route("POST", "/keep", library.keep, "library", use=Use()),
    Route("POST", "/share", library.share, "library", use=Use()),
    # Anyone who has the link may listen, also without an account.
    Route("GET", "/shared/{shareId}", library.shared, "shared", owner=False, public=True),
    Route("POST", "/cancel", sessions.cancel, "cancel"),
    Route("POST", "/cleanup", sessions.cleanup, "cleanup"),
    Route("GET", "/history", sessions.history, "history"),
    Route(
        "POST",
        "/batch",
        batches.upload,
        "upload",
        tag="batches",
        use=Use("uploads", lambda request: len(request.files)),
    ),
    Route(
        "POST",
        "/batch/process",
        batches.process,
        "process",
        tag="batches",
        status=202,
        use=Use("starts", lambda request: len(request.session_ids)),
    ),
    Route("POST", "/batch/status", batches.status, "status", tag="batches"),
    # A page needs no owner to list the models, but API Gateway asks for a sign-in: each call reads the table.
    Route("GET", "/models", about.models, "models", tag="about", owner=False),
    Route("GET", "/config", about.config, "config", tag="about", owner=False, public=True),
    Route("GET", "/healthz", about.healthz, "config", tag="about", owner=False, public=True),
)
