"""Run the CDK's command line, in the version that package-lock.json pins."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.account import Account
from infra.console import Stopped, say

FOLDER = Path(__file__).parent
LOWEST = (18, 18)
# No telemetry, and no warnings about Node.js versions.
QUIET = {"CDK_DISABLE_CLI_TELEMETRY": "true", "NODE_NO_WARNINGS": "1"}


def check_node() -> None:
    """Check that Node.js, which the CDK runs on, is recent enough. Raises Stopped."""
    program = shutil.which("node")
    if program is not None:
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        found = re.match(r"v(\d+)\.(\d+)", version)
        if found and (int(found[1]), int(found[2])) >= LOWEST:
            return
    raise Stopped(
        f"Node.js {LOWEST[0]}.{LOWEST[1]} or newer is missing. The CDK needs it. Install it: https://nodejs.org"
    )


def cdk(assembly: Path, account: Account, *arguments: str) -> None:
    """Run `cdk` on a synthesised assembly. Raises Stopped if it fails; its own output says why."""
    if _cdk(account, *arguments, "--app", str(assembly)) != 0:
        raise Stopped(f"`cdk {arguments[0]}` failed. Its output is above.")


def deploy(assembly: Path, account: Account, stack: str, *arguments: str) -> None:
    """Deploy one stack of an assembly. Parameters that `arguments` don't name keep their values. Raises Stopped."""
    cdk(assembly, account, "deploy", stack, "--exclusively", "--require-approval", "never", *arguments)


def bootstrap(account: Account) -> None:
    """Run `cdk bootstrap` in the account. Raises Stopped."""
    if _cdk(account, "bootstrap", f"aws://{account.number}/{account.region}") != 0:
        raise Stopped("`cdk bootstrap` failed. Its output is above.")


def _cdk(account: Account, *arguments: str) -> int:
    return _run([str(installed()), *arguments, "--no-notices"], AWS_REGION=account.region, **QUIET)


def _run(command: Sequence[str], **more: str) -> int:
    """Run a command with its output on standard error, and return its exit code."""
    return subprocess.run(
        command,
        cwd=FOLDER,
        env={**os.environ, **more},
        stdout=sys.stderr,
        check=False,
    ).returncode


def installed() -> Path:
    """Return the path of `cdk`, and install it first if it is missing. Raises Stopped."""
    program, lock = FOLDER / "node_modules/.bin/cdk", FOLDER / "package-lock.json"
    mark = FOLDER / "node_modules/.installed"
    if not (program.exists() and mark.exists() and mark.read_bytes() == lock.read_bytes()):
        say("installing the CDK's command line (once)")
        npm = shutil.which("npm")
        if npm is None:
            raise Stopped("npm, a part of Node.js, is missing. Install it: https://nodejs.org")
        if _run([npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"]) != 0:
            raise Stopped("npm could not install the CDK's command line. Its output is above.")
        mark.write_bytes(lock.read_bytes())
    return program
