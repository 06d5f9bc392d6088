"""Amazon API Gateway's HTTP API as a template describes it: its routes, authoriser, CORS, throttling and functions.

After https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api.html; events have payload format 2.0.
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
from tests.e2e.aws.functions import Functions
from tests.e2e.aws.jwt_authorizer import JwtAuthorizer, Refused
from tests.e2e.aws.permissions import may_invoke
from tests.e2e.aws.template import ACCOUNT, Template

MOST_BYTES = 10 << 20
_TEXT = re.compile(r"text/.*|application/(json|javascript|xml|.*\+json|.*\+xml)")


@dataclass
class Throttle:
    """A bucket of tokens: so many calls at once, and so many a second."""

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
    """An ASGI application."""

    def __init__(self, template: Template, functions: Functions) -> None:
        apis = template.of_type("AWS::ApiGatewayV2::Api")
        ((logical, said),) = ((key, api) for key, api in apis.items() if api["ProtocolType"] == "HTTP")
        self._id = template.name(logical)
        self._functions = functions
        self._cors: dict[str, Any] = said.get("CorsConfiguration", {})
        stages = template.of_type("AWS::ApiGatewayV2::Stage").values()
        (self._stage,) = (stage for stage in stages if stage["ApiId"] == self._id)
        assert self._stage["StageName"] == "$default", "addresses have no stage in them"
        assert self._stage.get("AutoDeploy"), "or no route is ever deployed"
        self._authorizers = {
            template.name(key): JwtAuthorizer(found)
            for key, found in template.of_type("AWS::ApiGatewayV2::Authorizer").items()
            if found["ApiId"] == self._id
        }
        self.routes = list(self._routes_of(template))
        usual = self._stage.get("DefaultRouteSettings", {})
        own = self._stage.get("RouteSettings", {})
        self.throttles = {
            route.key: Throttle(settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"])
            for route in self.routes
            if "ThrottlingRateLimit" in (settings := usual | own.get(route.key, {}))
        }
        self.answered: dict[str, int] = defaultdict(int)

    def _routes_of(self, template: Template) -> Any:
        integrations = template.of_type("AWS::ApiGatewayV2::Integration")
        for said in template.of_type("AWS::ApiGatewayV2::Route").values():
            if said["ApiId"] != self._id:
                continue
            to = said["Target"].removeprefix("integrations/")
            (integration,) = (one for key, one in integrations.items() if template.name(key) == to)
            assert integration["IntegrationType"] == "AWS_PROXY"
            assert integration["PayloadFormatVersion"] == "2.0"
            method, _, path = said["RouteKey"].partition(" ")
            pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
            pattern = re.sub(r"\{(\w+)\+\}", r"(?P<\1>.+)", pattern)
            function = integration["IntegrationUri"]
            kind = said.get("AuthorizationType", "NONE")
            assert kind in ("NONE", "JWT"), kind
            yield Route(
                said["RouteKey"],
                method,
                re.compile(pattern),
                function,
                integration.get("TimeoutInMillis", 30_000) / 1000,
                said["AuthorizerId"] if kind == "JWT" else None,
                tuple(said.get("AuthorizationScopes", ())),
                may_invoke(template, function, self._id, self._stage["StageName"], f"{method}{path}"),
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method == "OPTIONS" and "access-control-request-method" in request.headers:
            response = self._preflight(request)
        else:
            response = await self._answered(request)
            response.headers.update(self._cors_headers(request))
        self.answered[f"{request.method} {request.url.path} {response.status_code}"] += 1
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

    async def _answered(self, request: Request) -> Response:
        path = request.url.path
        of_path = [(route, found) for route in self.routes if (found := route.pattern.fullmatch(path))]
        here = [one for one in of_path if one[0].method in (request.method, "ANY")]
        if not here:
            return _said(404, "Not Found")
        route, found = here[0]
        if route.key in self.throttles and not self.throttles[route.key].take():
            return _said(429, "Too Many Requests")
        authorized = None
        if route.authorizer is not None:
            try:
                authorized = await run_in_threadpool(
                    self._authorizers[route.authorizer].claims, request.headers, route.scopes
                )
            except Refused as refused:
                return _said(refused.status, refused.message)
        body = await request.body()
        if len(body) > MOST_BYTES:
            return _said(413, "Request Entity Too Large")
        if not route.allowed:
            return _said(500, "Internal Server Error")
        event = self._event(request, route, body, found.groupdict(), authorized)
        started = time.monotonic()
        answer = await run_in_threadpool(self._functions.invoke, route.function, event)
        if time.monotonic() - started > route.timeout_s:
            return _said(503, "Service Unavailable")
        return _said(500, "Internal Server Error") if answer.failed else _response(answer.payload)

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
            "x-forwarded-for": source,
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


def _said(status: int, message: str) -> Response:
    """The service's own words."""
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}
    return Response(json.dumps({"message": message}), status, headers, "application/json")


def _response(answer: Any) -> Response:
    """What the function's answer comes to; one without a status is all body."""
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return Response(json.dumps(answer), 200, {}, "application/json")
    body, headers = answer.get("body", ""), answer.get("headers") or {}
    well = isinstance(answer["statusCode"], int) and isinstance(body, str | None)
    if not well or not all(isinstance(value, str | int | float | bool) for value in headers.values()):
        return _said(500, "Internal Server Error")
    content = base64.b64decode(body or "") if answer.get("isBase64Encoded") else (body or "").encode()
    response = Response(content, answer["statusCode"])
    for name, value in headers.items():
        # CORS is the gateway's business: what the function says of it is left out.
        if not name.lower().startswith("access-control-") and name.lower() != "content-length":
            response.headers[name] = str(value)
    for cookie in answer.get("cookies") or ():
        response.headers.append("set-cookie", cookie)
    if "content-type" not in response.headers:
        response.headers["content-type"] = "text/plain;charset=utf-8"
    return response
