"""Songs go to an asynchronous endpoint of SageMaker, which starts instances when there are any and ends them after."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from unbraid.aws import clients
from unbraid.aws.dispatches import Dispatch, request_of
from unbraid.errors import JobError
from unbraid.jobs.session import Session

JSON = "application/json"

# The most that SageMaker allows (API reference of InvokeEndpointAsync): a song may be worked on for an hour, and wait
# for six before.
INVOCATION_TIMEOUT_S = 3600
REQUEST_TTL_S = 21600

NOBODY = (
    "Nothing here can separate songs yet. Whoever runs this app has to finish its deployment; then try again."
)


class Endpoint:
    """A Dispatcher to the endpoint of that name, which reads its request in the bucket."""

    def __init__(self, endpoint: str, bucket: str) -> None:
        self._endpoint, self._bucket = endpoint, bucket

    @cached_property
    def _s3(self) -> Any:
        return clients.client("s3")

    @cached_property
    def _runtime(self) -> Any:
        return clients.client("sagemaker-runtime")

    def dispatch(self, session: Session) -> None:
        """Raises JobError where there is no such endpoint (yet), and what botocore raises."""
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
            if clients.code_of(error) == "ValidationError" and "not found" in str(error):
                raise JobError(NOBODY) from error
            raise


class Nobody:
    """A Dispatcher where nothing is set that separates songs."""

    def dispatch(self, session: Session) -> None:
        """Raises JobError."""
        raise JobError(NOBODY)
