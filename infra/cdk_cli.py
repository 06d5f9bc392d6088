"""The CDK's own command line, in the version that package-lock.json names: uploads and deploys."""

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
# It tells AWS of its use, and everybody of versions of Node.js that will be too old one day.
QUIET = {"CDK_DISABLE_CLI_TELEMETRY": "true", "NODE_NO_WARNINGS": "1"}


def check_node() -> None:
    """Raises Stopped where there is no Node.js, which the CDK runs on, or an old one."""
    program = shutil.which("node")
    if program is not None:
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        found = re.match(r"v(\d+)\.(\d+)", version)
        if found and (int(found[1]), int(found[2])) >= LOWEST:
            return
    raise Stopped(
        f"Node.js {LOWEST[0]}.{LOWEST[1]} or newer is missing; the CDK runs on it: https://nodejs.org"
    )


def cdk(assembly: Path, account: Account, *arguments: str) -> None:
    """Run it over what was synthesised. Raises Stopped where it fails; it has said why."""
    if _cdk(account, *arguments, "--app", str(assembly)) != 0:
        raise Stopped(f"`cdk {arguments[0]}` failed: see its words above.")


def bootstrap(account: Account) -> None:
    """Set the CDK up in the account. Raises Stopped."""
    if _cdk(account, "bootstrap", f"aws://{account.number}/{account.region}") != 0:
        raise Stopped("`cdk bootstrap` failed: see its words above.")


def _cdk(account: Account, *arguments: str) -> int:
    return _run([str(installed()), *arguments, "--no-notices"], AWS_REGION=account.region, **QUIET)


def _run(command: Sequence[str], **more: str) -> int:
    """Its words go to standard error, as ours do; its exit code."""
    return subprocess.run(
        command,
        cwd=FOLDER,
        env={**os.environ, **more},
        stdout=sys.stderr,
        check=False,
    ).returncode


def installed() -> Path:
    """Where it is; installed first where it isn't. Raises Stopped."""
    program, lock = FOLDER / "node_modules/.bin/cdk", FOLDER / "package-lock.json"
    mark = FOLDER / "node_modules/.installed"
    if not (program.exists() and mark.exists() and mark.read_bytes() == lock.read_bytes()):
        say("installing the CDK's command line (once)")
        npm = shutil.which("npm")
        if npm is None:
            raise Stopped("npm, which comes with Node.js, is missing: https://nodejs.org")
        if _run([npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"]) != 0:
            raise Stopped("npm could not install the CDK's command line: see its words above.")
        mark.write_bytes(lock.read_bytes())
    return program
