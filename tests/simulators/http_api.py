"""API Gateway's HTTP API, built from a template: routes, JWT authorizer, CORS, throttling and function integrations.

Follows https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api.html. Events have payload format 2.0.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from tests.simulators.cloudformation import ACCOUNT, Template
from tests.simulators.jwt_authorizer import AuthorizationFailed, JwtAuthorizer
from tests.simulators.lambda_functions import LambdaFunctions
from tests.simulators.lambda_permissions import may_invoke

MAX_BODY_BYTES = 10 << 20
_TEXT = re.compile(r"text/.*|application/(json|javascript|xml|.*\+json|.*\+xml)")


@dataclass
class Throttle:
    """A token bucket: at most `burst` calls at once and `rate` calls a second."""

    rate: float
    burst: float
    _left: float = field(init=False)
    _at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._left = self.burst

    def take(self) -> bool:
        now = time.monotonic()
        self._left = min(self.burst, self._left + (now - self._at) * self.rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


@dataclass(frozen=True)
class Route:
    """A route of the template, and the function behind it."""

    key: str
    method: str
    pattern: re.Pattern[str]
    function: str
    timeout_s: float
    authorizer: str | None
    scopes: tuple[str, ...]
    allowed: bool
    """Whether a permission of the template lets the API invoke the function."""


class HttpApi:
    """The HTTP API of a template, as an ASGI application."""

    def __init__(self, template: Template, functions: LambdaFunctions) -> None:
        apis = template.of_type("AWS::ApiGatewayV2::Api")
        ((logical, properties),) = ((key, api) for key, api in apis.items() if api["ProtocolType"] == "HTTP")
        self._id = template.name(logical)
        self._functions = functions
        self._cors: dict[str, Any] = properties.get("CorsConfiguration", {})
        stages = template.of_type("AWS::ApiGatewayV2::Stage").values()
        (self._stage,) = (stage for stage in stages if stage["ApiId"] == self._id)
        assert self._stage["StageName"] == "$default", "only the $default stage has URLs without a stage name"
        assert self._stage.get("AutoDeploy"), "without AutoDeploy no route is deployed"
        self._authorizers = {
            template.name(key): JwtAuthorizer(found)
            for key, found in template.of_type("AWS::ApiGatewayV2::Authorizer").items()
            if found["ApiId"] == self._id
        }
        self.routes = list(self._routes_of(template))
        defaults = self._stage.get("DefaultRouteSettings", {})
        overrides = self._stage.get("RouteSettings", {})
        self.throttles = {
            route.key: Throttle(settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"])
            for route in self.routes
            if "ThrottlingRateLimit" in (settings := defaults | overrides.get(route.key, {}))
        }

    def _routes_of(self, template: Template) -> Any:
        integrations = template.of_type("AWS::ApiGatewayV2::Integration")
        for route in template.of_type("AWS::ApiGatewayV2::Route").values():
            if route["ApiId"] != self._id:
                continue
            target = route["Target"].removeprefix("integrations/")
            (integration,) = (one for key, one in integrations.items() if template.name(key) == target)
            assert integration["IntegrationType"] == "AWS_PROXY"
            assert integration["PayloadFormatVersion"] == "2.0"
            method, _, path = route["RouteKey"].partition(" ")
            pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
            pattern = re.sub(r"\{(\w+)\+\}", r"(?P<\1>.+)", pattern)
            function = integration["IntegrationUri"]
            kind = route.get("AuthorizationType", "NONE")
            assert kind in ("NONE", "JWT"), kind
            yield Route(
                route["RouteKey"],
                method,
                re.compile(pattern),
                function,
                integration.get("TimeoutInMillis", 30_000) / 1000,
                route["AuthorizerId"] if kind == "JWT" else None,
                tuple(route.get("AuthorizationScopes", ())),
                may_invoke(template, function, self._id, self._stage["StageName"], f"{method}{path}"),
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method == "OPTIONS" and "access-control-request-method" in request.headers:
            response = self._preflight(request)
        else:
            response = await self._respond(request)
            response.headers.update(self._cors_headers(request))
        await response(scope, receive, send)

    def _allowed_origin(self, request: Request) -> str | None:
        origin: str | None = request.headers.get("origin")
        allowed = self._cors.get("AllowOrigins", [])
        if origin is None or not (origin in allowed or "*" in allowed):
            return None
        return "*" if "*" in allowed else origin

    def _preflight(self, request: Request) -> Response:
        origin = self._allowed_origin(request)
        if origin is None:
            return Response(status_code=204)
        headers = {
            "access-control-allow-origin": origin,
            "access-control-allow-methods": ",".join(self._cors.get("AllowMethods", [])),
            "access-control-allow-headers": ",".join(self._cors.get("AllowHeaders", [])),
            "access-control-max-age": str(self._cors.get("MaxAge", 0)),
        }
        return Response(status_code=204, headers=headers)

    def _cors_headers(self, request: Request) -> dict[str, str]:
        origin = self._allowed_origin(request)
        if origin is None:
            return {}
        exposed = self._cors.get("ExposeHeaders")
        return {"access-control-allow-origin": origin} | (
            {"access-control-expose-headers": ",".join(exposed)} if exposed else {}
        )

    async def _respond(self, request: Request) -> Response:
        path = request.url.path
        matches = [(route, found) for route in self.routes if (found := route.pattern.fullmatch(path))]
        matches = [one for one in matches if one[0].method in (request.method, "ANY")]
        if not matches:
            return _message_response(404, "Not Found")
        route, found = matches[0]
        if route.key in self.throttles and not self.throttles[route.key].take():
            return _message_response(429, "Too Many Requests")
        authorized = None
        if route.authorizer is not None:
            try:
                authorized = await run_in_threadpool(
                    self._authorizers[route.authorizer].claims, request.headers, route.scopes
                )
            except AuthorizationFailed as refused:
                return _message_response(refused.status, refused.message)
        body = await request.body()
        if len(body) > MAX_BODY_BYTES:
            return _message_response(413, "Request Entity Too Large")
        if not route.allowed:
            return _message_response(500, "Internal Server Error")
        event = self._event(request, route, body, found.groupdict(), authorized)
        started = time.monotonic()
        answer = await run_in_threadpool(self._functions.invoke, route.function, event)
        if time.monotonic() - started > route.timeout_s:
            return _message_response(503, "Service Unavailable")
        return _message_response(500, "Internal Server Error") if answer.failed else _response(answer.payload)

    def _event(
        self, request: Request, route: Route, body: bytes, parameters: dict[str, str], authorized: Any
    ) -> dict[str, Any]:
        joined: dict[str, list[str]] = defaultdict(list)
        for name, value in request.headers.items():
            joined[name].append(value)
        cookies = [cookie.strip() for one in joined.pop("cookie", []) for cookie in one.split(";")]
        query: dict[str, list[str]] = defaultdict(list)
        for name, value in request.query_params.multi_items():
            query[name].append(value)
        now, host = time.time(), f"{self._id}.execute-api.eu-central-1.amazonaws.com"
        source = request.client.host if request.client else ""
        extra = {
            "x-forwarded-for": ", ".join(filter(None, (request.headers.get("x-forwarded-for"), source))),
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
            "host": host,
        }
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": route.key,
            "rawPath": request.url.path,
            "rawQueryString": request.url.query,
            "headers": {name: ",".join(values) for name, values in joined.items()} | extra,
            "requestContext": {
                "accountId": ACCOUNT,
                "apiId": self._id,
                "domainName": host,
                "domainPrefix": self._id,
                "http": {
                    "method": request.method,
                    "path": request.url.path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": source,
                    "userAgent": request.headers.get("user-agent", ""),
                },
                "requestId": uuid4().hex[:15] + "=",
                "routeKey": route.key,
                "stage": self._stage["StageName"],
                "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
                "timeEpoch": int(now * 1000),
            },
            "isBase64Encoded": False,
        }
        if cookies:
            event["cookies"] = cookies
        if query:
            event["queryStringParameters"] = {name: ",".join(values) for name, values in query.items()}
        if parameters:
            event["pathParameters"] = parameters
        if authorized is not None:
            event["requestContext"]["authorizer"] = {"jwt": authorized}
        if body:
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            text = bool(_TEXT.fullmatch(kind)) and _is_text(body)
            event["body"] = body.decode() if text else base64.b64encode(body).decode()
            event["isBase64Encoded"] = not text
        return event


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _message_response(status: int, message: str) -> Response:
    """A response of API Gateway itself."""
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}
    return Response(json.dumps({"message": message}), status, headers, "application/json")


def _response(answer: Any) -> Response:
    """Convert the function's answer to a response. An answer without `statusCode` is the body."""
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return Response(json.dumps(answer), 200, {}, "application/json")
    body, headers = answer.get("body", ""), answer.get("headers") or {}
    valid = isinstance(answer["statusCode"], int) and isinstance(body, str | None)
    if not valid or not all(isinstance(value, str | int | float | bool) for value in headers.values()):
        return _message_response(500, "Internal Server Error")
    content = base64.b64decode(body or "") if answer.get("isBase64Encoded") else (body or "").encode()
    response = Response(content, answer["statusCode"])
    for name, value in headers.items():
        # API Gateway sets the CORS headers itself and drops those of the function.
        if not name.lower().startswith("access-control-") and name.lower() != "content-length":
            response.headers[name] = str(value)
    for cookie in answer.get("cookies") or ():
        response.headers.append("set-cookie", cookie)
    if "content-type" not in response.headers:
        response.headers["content-type"] = "text/plain;charset=utf-8"
    return response
