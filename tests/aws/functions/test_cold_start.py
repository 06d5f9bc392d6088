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
OWN = {"unbraid.separation", "unbraid.local", "unbraid.web"}
# Only one function checks tokens, and only if sign-in is configured, so it imports these later.
LATER = {"jwt", "cryptography"}
# Variables that the Lambda runtime sets.
LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "unbraid-status",
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
    "LAMBDA_TASK_ROOT": "/var/task",
}
# Powertools' resolver takes 25 ms of CPU time to import. API Gateway has resolved the route already.
ROUTER = "aws_lambda_powertools.event_handler"


@pytest.fixture(scope="module")
def output_of_imports() -> list[str]:
    """Lines that a Lambda-like process prints after importing all functions.

    They are its log, whether the default boto3 session exists, and the names of all loaded modules.
    """
    imports = ", ".join(f"unbraid.aws.functions.{name}" for name in sorted(FUNCTIONS))
    code = f"""
import logging, sys, boto3, {imports}
logging.basicConfig()  # the Lambda runtime installs a handler too
logging.getLogger("unbraid.aws.email").warning("not sent to anna@example.org")
print(boto3.DEFAULT_SESSION is not None)
print(*sys.modules)
"""
    environment = {**os.environ, **moto_server.environment("http://127.0.0.1:9"), **LAMBDA}
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    return ended.stdout.splitlines()


def test_functions_import_no_heavy_packages(output_of_imports: list[str]) -> None:
    loaded = set(output_of_imports[-1].split())
    assert len(FUNCTIONS) == 18
    assert {f"unbraid.aws.functions.{name}" for name in FUNCTIONS} <= loaded
    assert loaded & (HEAVY | OWN | LATER | {ROUTER}) == set()
    audio = {name for name in loaded if name.startswith("unbraid.audio.")}
    light = ("formats", "stem_names", "stem_words", "times")
    assert audio == {f"unbraid.audio.{name}" for name in light}


def test_creates_first_client_during_the_cold_start(output_of_imports: list[str]) -> None:
    assert output_of_imports[-2] == "True"


def test_all_loggers_of_the_package_share_one_log(output_of_imports: list[str]) -> None:
    (line,) = output_of_imports[:-2]
    assert json.loads(line)["message"] == "not sent to …"
