"""Cold starts: functions import no heavy packages and none outside their bundle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.simulators import moto_server

from unbraid.aws import functions

FUNCTIONS = {file.stem for file in Path(functions.__file__).parent.glob("[a-z]*.py")}
HEAVY = {"numpy", "av", "openvino", "torch", "soxr", "fastapi", "starlette", "uvicorn", "sqlalchemy"}
OURS = {"unbraid.separation", "unbraid.local", "unbraid.web"}
# Checking tokens takes cryptography; only one function does, and only where people sign in.
LATER = {"jwt", "cryptography"}
# What the runtime says where functions run.
LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "unbraid-status",
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
    "LAMBDA_TASK_ROOT": "/var/task",
}
# Powertools' resolver: 25 ms of a processor for what API Gateway has done already.
ROUTER = "aws_lambda_powertools.event_handler"


@pytest.fixture(scope="module")
def started() -> list[str]:
    """What a process such as functions run in writes that has loaded all of them: its log, and what it has loaded."""
    imports = ", ".join(f"unbraid.aws.functions.{name}" for name in sorted(FUNCTIONS))
    code = f"""
import logging, sys, boto3, {imports}
logging.basicConfig()  # as the runtime has a handler of its own
logging.getLogger("unbraid.aws.email").warning("not sent to anna@example.org")
print(boto3.DEFAULT_SESSION is not None)
print(*sys.modules)
"""
    environment = {**os.environ, **moto_server.environment("http://127.0.0.1:9"), **LAMBDA}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_functions_import_no_heavy_packages(started: list[str]) -> None:
    loaded = set(started[-1].split())
    assert len(FUNCTIONS) == 13
    assert {f"unbraid.aws.functions.{name}" for name in FUNCTIONS} <= loaded
    assert loaded & (HEAVY | OURS | LATER | {ROUTER}) == set()
    assert {name for name in loaded if name.startswith("unbraid.audio.")} == {"unbraid.audio.formats"}


def test_creates_first_client_during_the_cold_start(started: list[str]) -> None:
    assert started[-2] == "True"


def test_all_loggers_of_the_package_share_one_log(started: list[str]) -> None:
    (line,) = started[:-2]
    assert json.loads(line)["message"] == "not sent to …"
