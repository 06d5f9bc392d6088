"""Dispatch songs to an SQS queue that invokes a Lambda function, which has no graphics card."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from unbraid.aws import clients
from unbraid.aws.dispatches import request_of
from unbraid.jobs.session import Session


class Queue:
    """A Dispatcher to the queue at `url`."""

    def __init__(self, url: str, bucket: str) -> None:
        self._url, self._bucket = url, bucket

    @cached_property
    def _sqs(self) -> Any:
        return clients.client("sqs")

    def dispatch(self, session: Session) -> None:
        """Send the request to the queue. Raises botocore's errors."""
        self._sqs.send_message(QueueUrl=self._url, MessageBody=json.dumps(request_of(session, self._bucket)))
