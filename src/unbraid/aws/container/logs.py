"""What the container writes down: a line of JSON each, as the functions do, with nothing that leads to a song."""

from __future__ import annotations

import logging
import re

from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

# Ids are 32 letters of URLs or a little more, and keys and addresses hold them.
_PRIVATE = re.compile(
    r"s3://[^\s'\"\\]+|(?:inputs|outputs|requests)/[^\s'\"\\]+|(?<![\w-])[\w-]{32,}", re.ASCII
)


class _Lines(LambdaPowertoolsFormatter):
    """A record as one line. Messages of errors hold addresses, too, in several places of it."""

    def format(self, record: logging.LogRecord) -> str:
        return _PRIVATE.sub("…", super().format(record))


def set_up() -> None:
    """Log to standard error, which CloudWatch keeps."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines(service="container"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in ("uvicorn.error", "uvicorn.access", "botocore", "boto3", "s3transfer", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
