"""What the container writes down: a line of JSON each, as the functions do, with nothing that leads to a song."""

from __future__ import annotations

import logging
import re

from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

# Ids are 32 letters of URLs or a little more, and keys and addresses hold them.
_PRIVATE = re.compile(r"s3://[^\s'\"]+|(?:inputs|outputs|requests)/[^\s'\"]+|(?<![\w-])[\w-]{32,}", re.ASCII)


class _Lines(LambdaPowertoolsFormatter):
    """A record as one line."""

    def format(self, record: logging.LogRecord) -> str:
        record.msg, record.args = _PRIVATE.sub("…", record.getMessage()), None
        return super().format(record)

    def formatException(self, ei: object) -> str:  # noqa: N802 - the library's name
        return _PRIVATE.sub("…", super().formatException(ei))  # type: ignore[arg-type]


def set_up() -> None:
    """Log to standard error, which CloudWatch keeps."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines(service="container"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in ("uvicorn.error", "uvicorn.access", "botocore", "boto3", "s3transfer", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
