"""The API's table of routes (`unbraid.api.routes`) as FastAPI routes."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter
from typing import Annotated, Any

from fastapi import Body, FastAPI, Path, Query, Request
from fastapi.params import Depends
from pydantic import BaseModel

from unbraid.api.call import Features
from unbraid.api.routes import ROUTES, Route
from unbraid.jobs.service import Service
from unbraid.jobs.session import Choices
from unbraid.jobs.status import Status
from unbraid.web.context import Context, Ctx, Owner
from unbraid.web.limits import client_of


@dataclass(frozen=True, slots=True)
class WebCall:
    """A `Call` of the web app."""

    context: Context
    connection: Request
    owner: str | None

    @property
    def service(self) -> Service:
        return self.context.service

    @property
    def features(self) -> Features:
        return self.context.features

    @property
    def base(self) -> str:
        return self.context.base(self.connection)

    @property
    def client(self) -> str:
        """Who limits count: the signed-in user, or the client's network, as anyone can invent a browser token."""
        signed_in = self.context.sign_in is not None and self.owner is not None
        return str(self.owner) if signed_in else client_of(self.connection.scope)

    def zip_url(self, status: Status) -> str | None:
        return self.context.zip_url(status, self.base)

    def check_email(self, choices: Choices | None, songs: int) -> None:
        self.context.email_quota.take(choices, self.client, songs)

    def count_started(self, songs: int) -> None:
        """Do nothing: `/metrics` counts the sessions by state."""


def add_routes(app: FastAPI, signed_in: Sequence[Depends]) -> None:
    """Add every route of the table. `signed_in`: dependencies of routes that need sign-in."""
    for route in ROUTES:
        app.add_api_route(
            route.path,
            _endpoint(route),
            methods=[route.method],
            status_code=route.status,
            response_model=route.answer,
            tags=[route.tag],
            dependencies=signed_in if route.owner else None,
        )


def _endpoint(route: Route) -> Any:
    """Wrap the handler for FastAPI, which reads the place of each argument from the signature."""

    schema = route.request

    @wraps(route.handler)
    def endpoint(
        context: Context, connection: Request, owner: str | None = None, **arguments: Any
    ) -> BaseModel:
        call = WebCall(context, connection, owner)
        if schema is None:
            return route.handler(call)
        if route.place == "path":
            return route.handler(call, schema(**arguments))
        max_batch = context.service.limits.max_batch
        route.count(context.use_limits, call.client, max_batch, arguments["request"])
        return route.handler(call, arguments["request"])

    parameters: dict[str, Any] = {"context": Ctx, "connection": Request}
    if route.owner:
        parameters["owner"] = Owner
    if schema is not None and route.place == "path":  # FastAPI reads no models from a path
        parameters |= {
            str(field.alias): Annotated[field.rebuild_annotation(), Path()]
            for field in schema.model_fields.values()
        }
    elif schema is not None:
        parameters["request"] = Annotated[schema, Query() if route.place == "query" else Body()]
    endpoint.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind) for name, kind in parameters.items()]
    )
    return endpoint
