"""API Gateway's WebSocket API, built from a template, and its management API (`@connections`).

Follows https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api.html. Pages connect to
`ws://HOST/STAGE`, and functions post to `http://HOST/STAGE/@connections/ID`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from tests.simulators.cloudformation import Template
from tests.simulators.lambda_functions import InvocationResult, LambdaFunctions
from tests.simulators.lambda_permissions import may_invoke

MAX_MESSAGE_BYTES = 128 << 10
ROUTE_KEYS = ("$connect", "$disconnect", "$default")


@dataclass
class Connection:
    """An open connection."""

    id: str
    socket: WebSocket
    since: float = field(default_factory=time.time)


class WebSocketApi:
    """The WebSocket API of a template, as an ASGI application."""

    def __init__(self, template: Template, functions: LambdaFunctions) -> None:
        apis = template.of_type("AWS::ApiGatewayV2::Api")
        ((logical, properties),) = (
            (key, api) for key, api in apis.items() if api["ProtocolType"] == "WEBSOCKET"
        )
        assert properties["RouteSelectionExpression"]
        self._id = template.name(logical)
        self._functions = functions
        stages = template.of_type("AWS::ApiGatewayV2::Stage").values()
        (stage,) = (stage for stage in stages if stage["ApiId"] == self._id)
        self.stage = stage["StageName"]
        integrations = template.of_type("AWS::ApiGatewayV2::Integration")
        self._routes: dict[str, str | None] = {}
        self._two_way_routes: set[str] = set()
        for route in template.of_type("AWS::ApiGatewayV2::Route").values():
            if route["ApiId"] != self._id:
                continue
            target = route["Target"].removeprefix("integrations/")
            (integration,) = (one for key, one in integrations.items() if template.name(key) == target)
            # arn:aws:apigateway:…:lambda:path/2015-03-31/functions/ARN/invocations
            function = integration["IntegrationUri"].partition("/functions/")[2].removesuffix("/invocations")
            key = route["RouteKey"]
            assert key in ROUTE_KEYS, key
            allowed = may_invoke(template, function, self._id, self.stage, key)
            self._routes[key] = function if allowed else None
            if "RouteResponseSelectionExpression" in route:
                self._two_way_routes.add(key)
        self.connections: dict[str, Connection] = {}
        self.posts: dict[int, int] = defaultdict(int)
        """How often the management API answered with each status."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._serve(WebSocket(scope, receive, send))
        else:
            response = await self._manage(Request(scope, receive))
            self.posts[response.status_code] += 1
            await response(scope, receive, send)

    def drop_connections(self) -> None:
        """Forget all connections, as when browsers vanish without closing them. Posts are then answered with 410."""
        self.connections.clear()

    async def _serve(self, socket: WebSocket) -> None:
        if socket.url.path != f"/{self.stage}":
            await socket.send_denial_response(_message_response(403, "Forbidden"))
            return
        connection = Connection(secrets.token_urlsafe(12) + "=", socket)
        subprotocol = None
        if "$connect" in self._routes:
            answer = await self._invoke("$connect", connection, "CONNECT")
            response = answer.payload if not answer.failed else None
            if not isinstance(response, dict) or not isinstance(response.get("statusCode"), int):
                await socket.send_denial_response(_message_response(502, "Internal server error"))
                return
            if not 200 <= response["statusCode"] < 300:
                await socket.send_denial_response(Response(status_code=response["statusCode"]))
                return
            headers = {name.lower(): value for name, value in (response.get("headers") or {}).items()}
            subprotocol = headers.get("sec-websocket-protocol")
        self.connections[connection.id] = connection
        code, reason = 1006, "Connection Closed Abnormally"
        try:
            await socket.accept(subprotocol)
            while True:
                text = await socket.receive_text()
                if len(text) > MAX_MESSAGE_BYTES:
                    await socket.close(1009)
                    break
                if "$default" not in self._routes:
                    message = {
                        "message": "Forbidden",
                        "connectionId": connection.id,
                        "requestId": _request_id(),
                    }
                    await socket.send_text(json.dumps(message))
                    continue
                answer = await self._invoke("$default", connection, "MESSAGE", body=text)
                if answer.failed:
                    message = {"message": "Internal server error", "connectionId": connection.id}
                    await socket.send_text(json.dumps(message | {"requestId": _request_id()}))
                elif (
                    "$default" in self._two_way_routes
                    and isinstance(answer.payload, dict)
                    and answer.payload.get("body")
                ):
                    await socket.send_text(answer.payload["body"])
        except WebSocketDisconnect as disconnect:
            code, reason = disconnect.code, disconnect.reason or ""
        finally:
            self.connections.pop(connection.id, None)
            if "$disconnect" in self._routes:
                await self._invoke("$disconnect", connection, "DISCONNECT", code=code, reason=reason)

    async def _invoke(
        self,
        key: str,
        connection: Connection,
        kind: str,
        body: str | None = None,
        code: int = 0,
        reason: str = "",
    ) -> InvocationResult:
        function = self._routes[key]
        if function is None:
            return InvocationResult(None, failed=True)
        now = time.time()
        host = f"{self._id}.execute-api.eu-central-1.amazonaws.com"
        context: dict[str, Any] = {
            "routeKey": key,
            "eventType": kind,
            "extendedRequestId": _request_id(),
            "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "messageDirection": "IN",
            "stage": self.stage,
            "connectedAt": int(connection.since * 1000),
            "requestTimeEpoch": int(now * 1000),
            "identity": {
                "sourceIp": "127.0.0.1",
                "userAgent": connection.socket.headers.get("user-agent", ""),
            },
            "requestId": _request_id(),
            "domainName": host,
            "connectionId": connection.id,
            "apiId": self._id,
        }
        event: dict[str, Any] = {"requestContext": context, "isBase64Encoded": False}
        if kind == "MESSAGE":
            context["messageId"] = _request_id()
            event["body"] = body
        else:
            event |= _headers(connection.socket, host)
        if kind == "DISCONNECT":
            context |= {"disconnectStatusCode": code, "disconnectReason": reason}
        return await run_in_threadpool(self._functions.invoke, function, event)

    async def _manage(self, request: Request) -> Response:
        before, _, found = request.url.path.rpartition("/@connections/")
        if before != f"/{self.stage}" or not found:
            return _message_response(403, "Forbidden")
        if not request.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 "):
            return _message_response(403, "Missing Authentication Token")
        connection = self.connections.get(found)
        if connection is None:
            return _error(410, "GoneException", "")
        match request.method:
            case "POST":
                body = await request.body()
                if len(body) > MAX_MESSAGE_BYTES:
                    return _error(413, "PayloadTooLargeException", "Payload too large")
                # The server sends one message at a time. A connection that is closing counts as closed.
                try:
                    await asyncio.wait_for(connection.socket.send_text(body.decode()), 5)
                except (RuntimeError, WebSocketDisconnect, TimeoutError):
                    return _error(410, "GoneException", "")
                return Response(status_code=200)
            case "DELETE":
                await connection.socket.close(1000)
                return Response(status_code=204)
        return _message_response(403, "Forbidden")


def _headers(socket: HTTPConnection, host: str) -> dict[str, Any]:
    multi: dict[str, list[str]] = defaultdict(list)
    for name, value in socket.headers.items():
        # The service keeps the spelling of header names, which browsers capitalise.
        multi["-".join(part.capitalize() for part in name.split("-"))].append(value)
    multi["Sec-WebSocket-Protocol"] = multi.pop("Sec-Websocket-Protocol", [])
    multi |= {"Host": [host], "X-Forwarded-Proto": ["https"], "X-Forwarded-Port": ["443"]}
    multi = defaultdict(list, {name: values for name, values in multi.items() if values})
    event: dict[str, Any] = {
        "headers": {name: values[-1] for name, values in multi.items()},
        "multiValueHeaders": dict(multi),
    }
    query: dict[str, list[str]] = defaultdict(list)
    for name, value in socket.query_params.multi_items():
        query[name].append(value)
    if query:
        event["queryStringParameters"] = {name: values[-1] for name, values in query.items()}
        event["multiValueQueryStringParameters"] = dict(query)
    return event


def _request_id() -> str:
    return secrets.token_urlsafe(11) + "="


def _message_response(status: int, message: str) -> Response:
    return Response(json.dumps({"message": message}), status, media_type="application/json")


def _error(status: int, kind: str, message: str) -> Response:
    response = _message_response(status, message)
    response.headers["x-amzn-errortype"] = kind
    return response
