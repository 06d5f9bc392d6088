"""Calls of the HTTP API as API Gateway passes them on (payload format 2.0), and their answers.

API Gateway has found the route already, and has checked who calls where people sign in. So a table of a few routes is
all that is needed here; Powertools' resolver would take 25 ms of each cold start to do the same once more.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from unbraid.api import owners
from unbraid.api.problems import MEDIA_TYPE, Problem, described, of_error, of_fields
from unbraid.aws import handlers
from unbraid.aws.handlers import Event, Handler, logger
from unbraid.aws.settings import Settings
from unbraid.errors import UnbraidError
from unbraid.jobs.service import Service

Model = TypeVar("Model", bound=BaseModel)

LARGEST = 1 << 18  # bytes of a body, as in the web app; API Gateway takes 10 MB
TOO_LARGE = (
    f"The request is too large: at most {LARGEST >> 10} KB. Songs go to the link that POST /upload gives."
)
NOT_SIGNED_IN = "Please sign in."
NOT_READ = "The request can't be read."
NO_ROUTE = "There is nothing at this address."
FAULT = "Something went wrong here. Try again; if it stays so, tell whoever runs this app."
HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


class Refused(Exception):  # noqa: N818 - an answer
    """The call ends here, with this problem."""

    def __init__(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem.detail)
        self.problem, self.headers = problem, headers or {}


class Call:
    """One call of a route."""

    def __init__(self, event: Event) -> None:
        self._event = event

    @property
    def service(self) -> Service:
        """The service that is asked."""
        return handlers.service()

    @property
    def settings(self) -> Settings:
        """The deployment's."""
        return handlers.settings()

    @cached_property
    def owner(self) -> str | None:
        """Whose sessions are meant. Raises Refused (401) where people sign in and nobody has.

        API Gateway has checked the token. That there was one is looked at once more: a route without its authoriser
        would be open to everybody.
        """
        if not self.settings.signs_in:
            return owners.of_browser(self._event.get("headers", {}).get("x-browser-token"))
        claims = self._event["requestContext"].get("authorizer", {}).get("jwt", {}).get("claims", {})
        if claims.get("iss") != self.settings.oidc_issuer or not claims.get("sub"):
            raise Refused(described(401, NOT_SIGNED_IN), {"www-authenticate": "Bearer"})
        return owners.of_user(f"{claims['iss']} {claims['sub']}")

    def body(self, kind: type[Model]) -> Model:
        """What is asked for. Raises Refused (400, 413, 422)."""
        # Forms, which any page may send anywhere, are no JSON.
        media_type = self._event.get("headers", {}).get("content-type", "").partition(";")[0].strip().lower()
        main, _, sub = media_type.partition("/")
        text: str = self._event.get("body") or ""
        data = base64.b64decode(text) if self._event.get("isBase64Encoded") else text.encode()
        if len(data) > LARGEST:
            raise Refused(described(413, TOO_LARGE))
        is_json = main == "application" and (sub == "json" or sub.endswith("+json"))
        try:
            found = json.loads(data) if is_json else None
        except json.JSONDecodeError:
            found = None
        except (UnicodeDecodeError, RecursionError):
            raise Refused(described(400, NOT_READ)) from None
        return _checked(kind, found, "body")

    def query(self, kind: type[Model]) -> Model:
        """What stands after the `?`. Raises Refused (422)."""
        return _checked(kind, self._event.get("queryStringParameters") or {}, "query")

    def path(self, kind: type[Model]) -> Model:
        """What stands in the places of the route. Raises Refused (422)."""
        return _checked(kind, self._event.get("pathParameters") or {}, "path")


Route = Callable[[Call], BaseModel]


def answering(routes: Mapping[str, Route], status: int = 200) -> Handler:
    """A handler of these routes, by what API Gateway calls them (`POST /status`), which answer with `status`."""

    def handler(event: Event, _context: Any) -> dict[str, Any]:
        started, key = time.perf_counter(), event["routeKey"]
        answer = _answer(routes.get(key), event, status)
        seconds = round(time.perf_counter() - started, 4)
        logger.info("answered", route=key, status=answer["statusCode"], seconds=seconds)
        return answer

    return handlers.watched(handler)


def _answer(route: Route | None, event: Event, status: int) -> dict[str, Any]:
    try:
        if route is None:
            raise Refused(described(404, NO_ROUTE))
        return _json(status, route(Call(event)).model_dump_json(), "application/json")
    except Refused as refused:
        return _problem(refused.problem, refused.headers)
    except UnbraidError as error:
        return _problem(of_error(error))
    except Exception:
        logger.exception("fault")
        handlers.count("Faults")
        return _problem(described(500, FAULT))


def _problem(problem: Problem, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    return _json(problem.status, problem.model_dump_json(exclude_none=True), MEDIA_TYPE, headers or {})


def _json(
    status: int, body: str, media_type: str, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": media_type, **HEADERS, **(headers or {})},
        "body": body,
        "isBase64Encoded": False,
    }


def _checked(kind: type[Model], found: Any, place: str) -> Model:
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        wrong = [
            {**one, "loc": (place, *one["loc"])}
            for one in error.errors(include_url=False, include_input=False)
        ]
        raise Refused(of_fields(wrong)) from None
