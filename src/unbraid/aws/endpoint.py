"""Dispatch songs to an asynchronous SageMaker endpoint, which starts instances when songs wait and stops them after."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from unbraid.aws import clients
from unbraid.aws.dispatches import Dispatch, request_of
from unbraid.errors import Unavailable
from unbraid.jobs.messages import NOT_DEPLOYED
from unbraid.jobs.session import Session
from unbraid.s3.errors import code_of

JSON = "application/json"

# SageMaker's maximum (API reference of InvokeEndpointAsync): an hour for one song, after six hours of waiting.
INVOCATION_TIMEOUT_S = 3600
REQUEST_TTL_S = 21600


class Endpoint:
    """A Dispatcher to the endpoint `endpoint`, which reads its requests from `bucket`."""

    def __init__(self, endpoint: str, bucket: str) -> None:
        self._endpoint, self._bucket = endpoint, bucket

    @cached_property
    def _s3(self) -> Any:
        return clients.client("s3")

    @cached_property
    def _runtime(self) -> Any:
        return clients.client("sagemaker-runtime")

    def dispatch(self, session: Session) -> None:
        """Invoke the endpoint. Raises Unavailable if it doesn't exist (yet), and botocore's errors."""
        name = str(Dispatch.of(session))
        key = f"requests/{session.id}/{name}.json"
        body = json.dumps(request_of(session, self._bucket)).encode()
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=JSON)
        try:
            self._runtime.invoke_endpoint_async(
                EndpointName=self._endpoint,
                InputLocation=f"s3://{self._bucket}/{key}",
                ContentType=JSON,
                Accept=JSON,
                InferenceId=name,
                InvocationTimeoutSeconds=INVOCATION_TIMEOUT_S,
                RequestTTLSeconds=REQUEST_TTL_S,
            )
        except ClientError as error:
            if code_of(error) == "ValidationError" and "not found" in str(error):
                raise Unavailable(NOT_DEPLOYED) from error
            raise


class NoEndpoint:
    """A Dispatcher for deployments without an endpoint and without a queue."""

    def dispatch(self, session: Session) -> None:
        """Raise Unavailable."""
        raise Unavailable(NOT_DEPLOYED)
