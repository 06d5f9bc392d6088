"""Functions start quickly: what is heavy, or isn't in their bundle, is loaded by none of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.aws import moto_server

from unbraid.aws import functions

FUNCTIONS = {file.stem for file in Path(functions.__file__).parent.glob("[a-z]*.py")}
HEAVY = {"numpy", "av", "openvino", "torch", "soxr", "fastapi", "starlette", "uvicorn", "sqlalchemy"}
OURS = {"unbraid.audio", "unbraid.separation", "unbraid.local", "unbraid.web"}
# Checking tokens takes cryptography; only one function does, and only where people sign in.
LATER = {"jwt", "cryptography"}
# What the runtime says where functions run.
LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "unbraid-status",
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
    "LAMBDA_TASK_ROOT": "/var/task",
}
# Powertools' resolver: 0.1 s for what API Gateway has done already.
ROUTER = "aws_lambda_powertools.event_handler"


def started(code: str) -> subprocess.CompletedProcess[str]:
    """A process such as functions run in, that runs this."""
    environment = {**os.environ, **moto_server.environment("http://127.0.0.1:9"), **LAMBDA}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)


def test_no_function_loads_what_is_heavy() -> None:
    imports = ", ".join(f"unbraid.aws.functions.{name}" for name in sorted(FUNCTIONS))
    done = started(f"import sys, boto3, {imports}; print(boto3.DEFAULT_SESSION is not None, *sys.modules)")
    ready, *modules = done.stdout.split()
    assert ready == "True"  # its first client is made while it has a whole processor
    assert len(FUNCTIONS) == 13
    assert {f"unbraid.aws.functions.{name}" for name in FUNCTIONS} <= set(modules)
    assert set(modules) & (HEAVY | OURS | LATER | {ROUTER}) == set()
    assert done.stderr == ""


def test_all_of_the_package_writes_into_the_same_log() -> None:
    said = "not sent to anna@example.org"
    code = f"import logging, unbraid.aws.handlers; logging.getLogger('unbraid.aws.letters').warning({said!r})"
    done = started(f"import logging; logging.basicConfig(); {code}")
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["message"] == "not sent to …"
    assert done.stderr == ""
