"""Functions start quickly: what is heavy, or isn't in their bundle, is loaded by none of them."""

from __future__ import annotations

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


def test_no_function_loads_what_is_heavy() -> None:
    imports = ", ".join(f"unbraid.aws.functions.{name}" for name in sorted(FUNCTIONS))
    code = f"import sys, boto3, {imports}; print(boto3.DEFAULT_SESSION is not None, *sys.modules)"
    environment = {**os.environ, **moto_server.environment("http://127.0.0.1:9"), **LAMBDA}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    ready, *modules = done.stdout.split()
    loaded = set(modules)
    assert ready == "True"  # its first client is made while it has a whole processor
    assert len(FUNCTIONS) == 13
    assert {f"unbraid.aws.functions.{name}" for name in FUNCTIONS} <= loaded
    assert loaded & (HEAVY | OURS | LATER | {ROUTER}) == set()
    assert done.stderr == ""
