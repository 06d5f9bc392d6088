"""Functions start quickly: what is heavy, or isn't in their bundle, is loaded by none of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from unbraid.aws import functions

FUNCTIONS = {file.stem for file in Path(functions.__file__).parent.glob("[a-z]*.py")}
HEAVY = {
    "numpy",
    "av",
    "openvino",
    "torch",
    "soxr",
    "fastapi",
    "starlette",
    "uvicorn",
    "sqlalchemy",
    "platformdirs",
}
# Checking tokens takes cryptography; only one function does, and only where people sign in.
LATER = {"jwt", "cryptography"}
ROUTER = "aws_lambda_powertools.event_handler"


def test_no_function_loads_what_is_heavy() -> None:
    imports = "; ".join(f"import unbraid.aws.functions.{name}" for name in FUNCTIONS)
    code = f"import sys; {imports}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert len(FUNCTIONS) == 13
    assert {f"unbraid.aws.functions.{name}" for name in FUNCTIONS} <= loaded
    assert (
        loaded & (HEAVY | LATER | {ROUTER, "unbraid.audio", "unbraid.separation", "unbraid.local"}) == set()
    )
    assert done.stderr == ""
