"""Answer HTTP API events of API Gateway (payload format 2.0) with the handlers of the API's routes.

API Gateway has already matched the route and checked the sign-in. So a lookup in the table of routes is enough; the
resolver of Powertools would add 25 ms to each cold start.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ValidationError

from unbraid.api import owners
from unbraid.api.addresses import network_of
from unbraid.api.answers import sign_in_answer
from unbraid.api.call import Features
from unbraid.api.problems import (
    BUSY,
    INTERNAL_ERROR,
    MAX_BODY_BYTES,
    MEDIA_TYPE,
    NO_ROUTE,
    NOT_SIGNED_IN,
    TOO_LARGE,
    UNREADABLE,
    Problem,
    make_problem,
    of_error,
    of_fields,
    retry_after,
)
from unbraid.api.routes import ROUTES, Place, Route
from unbraid.aws import handlers
from unbraid.aws.addresses import address_of
from unbraid.aws.handlers import Event, Handler, logger
from unbraid.errors import UnbraidError
from unbraid.jobs.notify import requested_notification
from unbraid.jobs.service import Service
from unbraid.jobs.session import Choices
from unbraid.jobs.status import Status

SCOPES = "openid"
RETRY_AFTER_S = 10
LIMITED = ("upload", "process")
"""Functions that take no song while the spending limit is reached; `upload`, so that none is sent in vain."""
HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """Raised to end the call with this problem."""

    def __init__(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem.detail)
        self.problem, self.headers = problem, headers or {}


class FunctionCall:
    """A `Call` of a Lambda function."""

    base = ""

    def __init__(self, event: Event) -> None:
        self._event = event

    @property
    def service(self) -> Service:
        return handlers.service()

    @property
    def features(self) -> Features:
        settings = handlers.settings()
        return Features(
            sign_in=sign_in_answer(settings.oidc_issuer, settings.oidc_client_id, SCOPES),
            email=settings.notify_rights.sends_email,
            mixes=False,
            events=settings.socket_url,
            wakes=settings.endpoint is not None,  # its instances shut down while the queue is empty
        )

    @cached_property
    def owner(self) -> str | None:
        """See `Call.owner`. Raises Refused (401) without sign-in.

        API Gateway has checked the token. This checks again that there is one, because a route without its authorizer
        would be open to every caller.
        """
        settings = handlers.settings()
        if not settings.signs_in:
            return owners.of_browser(self._event.get("headers", {}).get("x-browser-token"))
        claims = self._event["requestContext"].get("authorizer", {}).get("jwt", {}).get("claims", {})
        if claims.get("iss") != settings.oidc_issuer or not claims.get("sub"):
            raise Refused(make_problem(401, NOT_SIGNED_IN), {"www-authenticate": "Bearer"})
        return owners.of_user(f"{claims['iss']} {claims['sub']}")

    @property
    def client(self) -> str:
        """Who the limits of each client count: the signed-in user, or the caller's network."""
        settings = handlers.settings()
        if settings.signs_in:
            return str(self.owner)
        return network_of(address_of(self._event, settings.proxy_secret))

    def zip_url(self, status: Status) -> str | None:
        """No archive: S3 can't make one."""
        return None

    def check_email(self, choices: Choices | None, songs: int) -> None:
        requested_notification(choices, handlers.settings().notify_rights)

    def count_started(self, songs: int) -> None:
        handlers.count("SongsAsked", songs)


def handler_of(function: str) -> Handler:
    """The Lambda handler of all routes that `function` answers."""
    routes = {route.key: route for route in ROUTES if route.function == function}

    def handler(event: Event, _context: Any) -> dict[str, Any]:
        started, key = time.perf_counter(), event["routeKey"]
        answer = _answer(routes.get(key), event)
        seconds = round(time.perf_counter() - started, 4)
        logger.info("answered", route=key, status=answer["statusCode"], seconds=seconds)
        return answer

    return handlers.watched(handler)


def _answer(route: Route | None, event: Event) -> dict[str, Any]:
    try:
        if route is None:
            raise Refused(make_problem(404, NO_ROUTE))
        call = FunctionCall(event)
        if route.function in LIMITED:
            _check_spending()
        if route.owner:
            _ = call.owner  # 401 comes before 422
        request = [] if not route.request else [_request(route.place, route.request, event)]
        if route.use is not None:
            route.count(handlers.use_limits(), call.client, handlers.settings().max_batch, *request)
        return _json(route.status, route.handler(call, *request).model_dump_json(), "application/json")
    except Refused as refused:
        return _problem(refused.problem, refused.headers)
    except UnbraidError as error:
        return _problem(of_error(error), retry_after(error))
    except (BotoCoreError, ClientError):
        logger.exception("a service of AWS failed")
        handlers.count("Faults")
        return _problem(make_problem(503, BUSY))
    except Exception:
        logger.exception("internal error")
        handlers.count("Faults")
        return _problem(make_problem(500, INTERNAL_ERROR))


def _check_spending() -> None:
    """Raise Busy if this month's spending limit is reached."""
    settings = handlers.settings()
    if settings.at_most_usd is not None and settings.table is not None:
        from unbraid.aws.spending import Stopped

        Stopped(settings.table).check(time.time())


def _request(place: Place, schema: type[BaseModel], event: Event) -> BaseModel:
    """Parse the request. Raises Refused (400, 413, 422)."""
    if place == "body":
        fields = _body(event)
    else:
        fields = event.get("pathParameters" if place == "path" else "queryStringParameters") or {}
    try:
        return schema.model_validate(fields)
    except ValidationError as error:
        wrong = [
            {**one, "loc": (place, *one["loc"])}
            for one in error.errors(include_url=False, include_input=False)
        ]
        raise Refused(of_fields(wrong)) from None


def _body(event: Event) -> Any:
    """The JSON of the body; None: not JSON. Raises Refused (400, 413)."""
    # Forms, which any page may send to any server, don't count as JSON.
    media_type = event.get("headers", {}).get("content-type", "").partition(";")[0].strip().lower()
    main, _, sub = media_type.partition("/")
    text: str = event.get("body") or ""
    data = base64.b64decode(text) if event.get("isBase64Encoded") else text.encode()
    if len(data) > MAX_BODY_BYTES:
        raise Refused(make_problem(413, TOO_LARGE))
    if main != "application" or not (sub == "json" or sub.endswith("+json")):
        return None
    try:
        return json.loads(data)
    except json.JSONDecodeError:
        return None
    except (UnicodeDecodeError, RecursionError):
        raise Refused(make_problem(400, UNREADABLE)) from None


def _problem(problem: Problem, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    wait = {"retry-after": str(RETRY_AFTER_S)} if problem.status == 503 else {}
    body = problem.model_dump_json(exclude_none=True)
    return _json(problem.status, body, MEDIA_TYPE, {**wait, **(headers or {})})


def _json(
    status: int, body: str, media_type: str, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": media_type, **HEADERS, **(headers or {})},
        "body": body,
        "isBase64Encoded": False,
    }
