"""Prove a new version of the function that separates songs before it gets any: it separates a second of sound."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from botocore.config import Config
from botocore.exceptions import ClientError

from unbraid.aws import clients
from unbraid.s3.errors import code_of

ALIAS = "live"
"""Alias of the function: the version that gets the songs."""
PROVE = {"task": "prove"}
"""Event for which the function separates a second of sound, and raises an exception if that fails."""

FAULTS, SERVICE = "Faults", "separate"
"""Metric of the songs that failed with an internal error, and its dimension `service`. The other one is `version`."""

POLL_S = 5.0
PENDING = "ResourceConflictException"
"""Lambda still prepares the version."""


class ProofError(Exception):
    """The version failed. The message has the error that it reported."""


def prove(version: str, wait_s: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Let a version, an ARN, separate a second of sound within `wait_s`. Raises ProofError and ClientError."""
    ends = time.monotonic() + wait_s
    # One attempt: a version that starts only sometimes is no proof.
    config = Config(connect_timeout=5, read_timeout=wait_s, retries={"total_max_attempts": 1})
    function = clients.client("lambda", config=config)
    while True:
        try:
            answer = function.invoke(FunctionName=version, Payload=json.dumps(PROVE))
            break
        except ClientError as error:
            if code_of(error) != PENDING or time.monotonic() > ends:
                raise
            sleep(POLL_S)
    if "FunctionError" in answer:
        raise ProofError(answer["Payload"].read(1000).decode(errors="replace"))
