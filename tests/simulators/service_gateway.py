"""The gateway through which functions, container and browser make all their calls of AWS APIs.

It checks the signatures of presigned URLs and the permissions of the caller's role, and injects faults. All other calls
go on to the simulated endpoint, to the functions, or to moto, which checks neither signatures nor permissions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import urllib3
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from tests.simulators.async_endpoint import AsyncEndpoint
from tests.simulators.bucket_cors import BucketCors
from tests.simulators.fault_injection import FaultInjector, error_response
from tests.simulators.iam_roles import IamRoles, secret_access_key
from tests.simulators.lambda_functions import LambdaFunctions
from tests.simulators.presigned_urls import Refused, verify
from tests.simulators.required_actions import RequiredAction, bucket_and_key, caller, required_actions

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "server", "date"}


class ServiceGateway:
    """An ASGI application. `upstream` is moto's URL."""

    def __init__(self, upstream: str, iam: IamRoles, buckets: Mapping[str, BucketCors]) -> None:
        self._upstream, self._iam, self._buckets = upstream, iam, buckets
        self._http = urllib3.PoolManager(retries=False, maxsize=16, timeout=60)
        self.endpoint: AsyncEndpoint | None = None
        self.functions: LambdaFunctions | None = None
        self.faults = FaultInjector()
        self.denied: list[tuple[str, RequiredAction]] = []
        """Role and action of every call that was denied."""
        self.uploaded_keys: list[str] = []
        """Keys of the objects uploaded to S3, in order. A key that is uploaded twice occurs twice."""
        self.emails: list[dict[str, Any]] = []
        """Requests to SES that sent an e-mail."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method == "OPTIONS":
            bucket, _ = bucket_and_key(request.url.path)
            response = self._buckets[bucket].preflight(request.headers)
        else:
            response = await self._answer(request, await request.body())
        await response(scope, receive, send)

    async def _answer(self, request: Request, body: bytes) -> Response:
        signer = caller(request.headers, request.query_params)
        if signer is None:
            return error_response("s3", 403, "AccessDenied", "Access Denied")
        key, service = signer
        role = self._iam.role(key)
        if role is None:
            return error_response(service, 403, "InvalidAccessKeyId", "The access key does not exist.")
        path = request.scope["raw_path"].decode().partition("?")[0]
        query = dict(request.query_params)
        if "X-Amz-Signature" in query:
            try:
                self._verify_url(request, path, key)
            except Refused as refused:
                return self._with_cors(
                    request, error_response("s3", 403, "SignatureDoesNotMatch", str(refused))
                )
        actions = required_actions(service, request.method, path, query, request.headers, body)
        for one in actions:
            if not self._iam.allows(role, one.action, one.resource, one.context):
                self.denied.append((role, one))
                code = "AccessDenied" if service == "s3" else "AccessDeniedException"
                message = f"{role} is not authorized to perform: {one.action} on resource: {one.resource}"
                return self._with_cors(
                    request, error_response(service, 403 if service == "s3" else 400, code, message)
                )
        await self.faults.wait_at_gates(service, actions)
        fault = self.faults.answer(service, actions)
        if fault is not None:
            return self._with_cors(request, fault)
        if service == "sagemaker":
            assert self.endpoint is not None
            return await self.endpoint.accept(request)
        if service == "lambda":
            return self._invoke(request, path, body)
        response = await run_in_threadpool(self._forward, request, path, body)
        if service == "s3" and response.status_code == 404:
            bucket, name = bucket_and_key(path)
            # Without the permission to list a bucket, S3 answers 403 for a missing object, not 404.
            if name and not self._iam.allows(role, "s3:ListBucket", f"arn:aws:s3:::{bucket}"):
                response = error_response("s3", 403, "AccessDenied", "Access Denied")
        if service == "ses" and response.status_code == 200:
            self.emails.append(json.loads(body))
        if service != "s3":
            return response
        if request.method == "PUT" and response.status_code == 200:
            self.uploaded_keys.append(bucket_and_key(path)[1])
        return self._with_cors(request, response)

    @staticmethod
    def _verify_url(request: Request, raw_path: str, key: str) -> None:
        # The path as it arrived: the same address written in another way has another signature.
        url = f"http://{request.headers['host']}{raw_path}?{request.url.query}"
        verify(request.method, url, request.headers, datetime.now(UTC), {key: secret_access_key(key)})

    def _with_cors(self, request: Request, response: Response) -> Response:
        bucket, _ = bucket_and_key(request.url.path)
        if bucket in self._buckets:
            response.headers.update(self._buckets[bucket].response_headers(request.method, request.headers))
        return response

    def _invoke(self, request: Request, path: str, body: bytes) -> Response:
        assert self.functions is not None
        name = unquote(path).split("/")[3]
        assert request.headers.get("x-amz-invocation-type") == "Event", "not asynchronous"
        if name not in self.functions:
            return error_response("lambda", 404, "ResourceNotFoundException", name)
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
