"""`unbraid deploy`: the whole application into one's own AWS account."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from unbraid.errors import SettingError

CHECKOUT = Path(__file__).parents[3]


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "deploy",
        help="put the app into your own AWS account",
        description="Shows what would change in your AWS account, asks, and deploys: the API, the page, and machines "
        "that separate songs and are only there while they do.",
        epilog="What was chosen is kept in infra/deploy.toml for the next time. docs/aws.md is the manual.",
        allow_abbrev=False,
    )
    # No defaults here: what isn't said may be in the file.
    parser.add_argument(
        "--site", metavar="URL", help="where the page is, if not on CloudFront in the account"
    )
    parser.add_argument(
        "--compute",
        choices=("gpu", "cpu"),
        help="what separates: an endpoint with a graphics card, or a function",
    )
    parser.add_argument(
        "--instance", metavar="TYPE", help="the endpoint's kind of machine (default: ml.g4dn.xlarge)"
    )
    parser.add_argument(
        "--at-most", type=int, metavar="N", help="machines, or functions, at the same time (default: 2)"
    )
    parser.add_argument(
        "--sign-in", action=argparse.BooleanOptionalAction, help="let only those in who you have invited"
    )
    parser.add_argument(
        "--sender", metavar="ADDRESS", help="where letters come from (default: there are none)"
    )
    parser.add_argument("--alarms", metavar="ADDRESS", help="who is told of alarms and of what is spent")
    parser.add_argument(
        "--budget", type=int, metavar="USD", help="a month's spending that is told of (default: 20)"
    )
    parser.add_argument("--yes", action="store_true", help="don't ask")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--synth-only", action="store_true", help="write the template and what it needs to a folder"
    )
    what.add_argument("--destroy", action="store_true", help="delete all of it from the account")
    parser.add_argument(
        "-o", "--out", metavar="DIR", help="folder for --synth-only to write to (default: cdk.out)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Deploy in an environment that has the CDK; its exit code. Raises SettingError."""
    if not (CHECKOUT / "infra" / "deploy.py").is_file():
        raise SettingError(
            "What is deployed is in the repository alone, not in the package: clone it and run ./unbraid deploy there."
        )
    if arguments.out is not None and not arguments.synth_only:
        raise SettingError("-o says where --synth-only writes to; say that too.")
    given = {
        name: value for name, value in vars(arguments).items() if name != "run" and value not in (None, False)
    }
    if arguments.sign_in is False:
        given["sign_in"] = False
    if arguments.synth_only:
        given["out"] = str(Path(arguments.out or "cdk.out").absolute())
    python = environment()
    command = [str(python), "-m", "infra.deploy", json.dumps(given)]
    # From the checkout, whose folder infra is a package. What PYTHONPATH had could come before its own.
    variables = {**os.environ, "PYTHONPATH": str(CHECKOUT / "src")}
    try:
        return subprocess.run(command, cwd=CHECKOUT, env=variables, check=False).returncode
    except KeyboardInterrupt:
        return 130  # it has heard it too, and said so


def environment() -> Path:
    """The Python of infra/.venv, which is made on first use and when its lock file has changed. Raises SettingError."""
    place, lock = CHECKOUT / "infra" / ".venv", CHECKOUT / "requirements" / "deploy.lock"
    python, copy = place / "bin" / "python", place / lock.name
    if not (python.exists() and copy.is_file() and copy.read_bytes() == lock.read_bytes()):
        install = CHECKOUT / "requirements" / "install.py"
        if subprocess.run([sys.executable, "-I", install, place, lock], check=False).returncode != 0:
            raise SettingError("Without its environment it can't deploy: see the words above.")
    return python
