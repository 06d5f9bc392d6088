"""The logs of the functions and of the container: one JSON object a line, without anything private."""

from __future__ import annotations

import logging
from typing import Any

from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from unbraid.jobs.privacy import redact_record


class RedactedFormatter(LambdaPowertoolsFormatter):
    """Formats a record as one line of JSON, after `jobs.privacy` has redacted it."""

    def serialize(self, log: Any) -> str:
        return super().serialize(redact_record(log))


def set_up(service: str) -> None:
    """Log to standard error, which CloudWatch collects."""
    handler = logging.StreamHandler()
    handler.setFormatter(RedactedFormatter(service=service))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in ("uvicorn.error", "uvicorn.access", "botocore", "boto3", "s3transfer", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
