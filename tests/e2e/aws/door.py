"""The one door to the AWS APIs: every call of the functions, the container and the browser comes through here.

Signatures of links are checked, and whether the caller's role may do what it asks; faults are answered here; what
remains goes to the endpoint's stand-in, to the functions, or to moto, which checks none of that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import urllib3
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from tests.e2e.aws.bucket_cors import BucketCors
from tests.e2e.aws.endpoint import AsyncEndpoint
from tests.e2e.aws.faults import Faults, refusal
from tests.e2e.aws.functions import Functions
from tests.e2e.aws.links import refused_link
from tests.e2e.aws.requested import Asked, asked, bucket_and_key, caller
from tests.e2e.aws.rights import Rights, secret_of

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "server", "date"}


class Door:
    """An ASGI application. `upstream` is moto's address."""

    def __init__(self, upstream: str, rights: Rights, buckets: Mapping[str, BucketCors]) -> None:
        self._upstream, self._rights, self._buckets = upstream, rights, buckets
        self._http = urllib3.PoolManager(retries=False, maxsize=16, timeout=60)
        self.endpoint: AsyncEndpoint | None = None
        self.functions: Functions | None = None
        self.faults = Faults()
        self.denied: list[tuple[str, Asked]] = []
        """What roles asked for without the right to it."""
        self.put: list[str] = []
        """Keys of files that were put into S3, one for each time."""
        self.letters: list[dict[str, Any]] = []
        """What SES was to send."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method == "OPTIONS":
            bucket, _ = bucket_and_key(request.url.path)
            response = self._buckets[bucket].preflight(request.headers)
        else:
            response = await self._answer(request, await request.body())
        await response(scope, receive, send)

    async def _answer(self, request: Request, body: bytes) -> Response:
        who = caller(request.headers, request.query_params)
        if who is None:
            return refusal("s3", 403, "AccessDenied", "Access Denied")
        key, service = who
        role = self._rights.role(key)
        if role is None:
            return refusal(service, 403, "InvalidAccessKeyId", "The access key does not exist.")
        path = request.scope["raw_path"].decode().partition("?")[0]
        query = dict(request.query_params)
        if "X-Amz-Signature" in query:
            said = refused_link(request, {key: secret_of(key)})
            if said is not None:
                return self._for_page(request, refusal("s3", 403, *said))
        wanted = asked(service, request.method, path, query, request.headers, body)
        for one in wanted:
            if not self._rights.allows(role, one.action, one.resource, one.context):
                self.denied.append((role, one))
                code = "AccessDenied" if service == "s3" else "AccessDeniedException"
                message = f"{role} is not authorized to perform: {one.action} on resource: {one.resource}"
                return self._for_page(
                    request, refusal(service, 403 if service == "s3" else 400, code, message)
                )
        await self.faults.waited(service, wanted)
        fault = self.faults.answer(service, wanted)
        if fault is not None:
            return self._for_page(request, fault)
        if service == "sagemaker":
            assert self.endpoint is not None
            return await self.endpoint.take(request)
        if service == "lambda":
            return self._invoke(request, path, body)
        response = await run_in_threadpool(self._forward, request, path, body)
        if service == "s3" and response.status_code == 404:
            bucket, name = bucket_and_key(path)
            # Who may not list a bucket isn't told what is not in it.
            if name and not self._rights.allows(role, "s3:ListBucket", f"arn:aws:s3:::{bucket}"):
                response = refusal("s3", 403, "AccessDenied", "Access Denied")
        if service == "ses" and response.status_code == 200:
            self.letters.append(json.loads(body))
        if service != "s3":
            return response
        if request.method == "PUT" and response.status_code == 200:
            self.put.append(bucket_and_key(path)[1])
        return self._for_page(request, response)

    def _for_page(self, request: Request, response: Response) -> Response:
        bucket, _ = bucket_and_key(request.url.path)
        if bucket in self._buckets:
            response.headers.update(self._buckets[bucket].of_answer(request.method, request.headers))
        return response

    def _invoke(self, request: Request, path: str, body: bytes) -> Response:
        assert self.functions is not None
        name = unquote(path).split("/")[3]
        assert request.headers.get("x-amz-invocation-type") == "Event", "nobody waits for another function"
        if name not in self.functions:
            return refusal("lambda", 404, "ResourceNotFoundException", name)
        self.functions.invoke_later(name, json.loads(body or b"{}"))
        return Response(status_code=202)

    def _forward(self, request: Request, path: str, body: bytes) -> Response:
        query = request.url.query
        headers = {
            name: value
            for name, value in request.headers.items()
            if name not in ("host", "connection", "expect")
        }
        answer = self._http.request(
            request.method,
            f"{self._upstream}{path}{'?' + query if query else ''}",
            body=body,
            headers=headers,
            redirect=False,
            decode_content=False,
        )
        response = Response(answer.data, answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in _HOP and not name.lower().startswith("access-control-"):
                response.headers[name] = value
        if request.method == "HEAD" and "content-length" in answer.headers:
            response.headers["content-length"] = answer.headers["content-length"]
        return response
