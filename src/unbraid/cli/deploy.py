"""`unbraid deploy`: put the application into an AWS account."""

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
        description="Show what would change in your AWS account, ask for confirmation, and deploy the API, the web "
        "page and machines that run only while songs are separated.",
        epilog="Your choices are saved in infra/deploy.toml (or deploy-NAME.toml) for the next time. docs/aws.md is "
        "the manual.",
        allow_abbrev=False,
    )
    # No defaults here: infra/deploy.toml may set the options that are absent.
    parser.add_argument(
        "--name",
        help="name of the deployment and beginning of all its names in AWS, for a second one beside the first "
        "(default: unbraid)",
    )
    parser.add_argument("--site", metavar="URL", help="address of the web page, such as on Netlify")
    parser.add_argument(
        "--cloudfront",
        action=argparse.BooleanOptionalAction,
        help="put the web page on CloudFront in this account (default: no)",
    )
    parser.add_argument(
        "--compute",
        choices=("cpu", "gpu"),
        help="separate songs in functions (cpu, the default) or on an endpoint with a graphics card (gpu)",
    )
    parser.add_argument(
        "--instance",
        metavar="TYPE",
        help="instance type of the endpoint of --compute gpu (default: ml.g4dn.xlarge)",
    )
    parser.add_argument(
        "--at-most", type=int, metavar="N", help="maximum number of machines or functions (default: 2)"
    )
    parser.add_argument(
        "--memory",
        type=int,
        metavar="MB",
        help="memory of the functions of --compute cpu (default: 10240, or what the account allows)",
    )
    parser.add_argument(
        "--keep-warm",
        action=argparse.BooleanOptionalAction,
        help="call the function of --compute cpu every 5 minutes, so that most songs don't wait for its start "
        "(default: no)",
    )
    parser.add_argument(
        "--models",
        nargs="+",
        metavar="NAME",
        help="models in the image, beside lite, by name or as model folders (default: spleeter spleeter_lite, and "
        "htdemucs with --compute gpu)",
    )
    parser.add_argument(
        "--model",
        action="append",
        metavar="NAME",
        help="add this model to those in the image, such as one that you taught; repeat it for several",
    )
    parser.add_argument(
        "--sign-in",
        action=argparse.BooleanOptionalAction,
        help="allow only users that you invited (default: everyone)",
    )
    parser.add_argument(
        "--sender", metavar="ADDRESS", help="sender of e-mails about finished songs (default: no e-mails)"
    )
    parser.add_argument("--alarms", metavar="ADDRESS", help="e-mail address for alarms and budget notices")
    parser.add_argument(
        "--budget",
        type=int,
        metavar="USD",
        help="monthly budget; a notice is sent when it is reached (default: 20)",
    )
    parser.add_argument(
        "--at-most-usd",
        type=int,
        metavar="USD",
        help="stop separating songs for the rest of a month in which the machines cost this much (default: never)",
    )
    parser.add_argument(
        "--usd-per-hour",
        type=float,
        metavar="USD",
        help="price of a machine, for --at-most-usd (default: the price in N. Virginia)",
    )
    parser.add_argument(
        "--songs-per-hour",
        type=int,
        metavar="N",
        help="songs that each user or network address may upload, and start, in an hour (default: 200)",
    )
    parser.add_argument(
        "--webhooks",
        action=argparse.BooleanOptionalAction,
        help="send signed requests to users' programs when songs are done; needs --sign-in (default: no)",
    )
    parser.add_argument(
        "--canary",
        action=argparse.BooleanOptionalAction,
        help="separate a second of sound every hour (--compute gpu: every day), and raise an alarm if that fails "
        "(default: no)",
    )
    parser.add_argument("--yes", action="store_true", help="deploy without asking")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--synth-only", action="store_true", help="only write the template and its files to a folder"
    )
    what.add_argument(
        "--check",
        action="store_true",
        help="only ask AWS what the account lacks, and print what to do; nothing is created",
    )
    what.add_argument("--destroy", action="store_true", help="delete the application from the account")
    what.add_argument(
        "--redrive",
        action="store_true",
        help="repeat the messages that failed and are in the dead-letter queue",
    )
    parser.add_argument("-o", "--out", metavar="DIR", help="output folder of --synth-only (default: cdk.out)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Deploy with the Python environment of the CDK and return its exit code. Raises SettingError."""
    if not (CHECKOUT / "infra" / "deploy.py").is_file():
        raise SettingError(
            "deploy works only in a clone of the repository. Clone it and run ./unbraid deploy there."
        )
    if arguments.out is not None and not arguments.synth_only:
        raise SettingError("-o is the output folder of --synth-only. Add --synth-only.")
    options = {
        name: value for name, value in vars(arguments).items() if name != "run" and value not in (None, False)
    }
    # The others are actions or unset. These are choices, whose "no" overrides a saved "yes".
    choices = ("sign_in", "cloudfront", "webhooks", "canary", "keep_warm")
    options |= {name: False for name in choices if getattr(arguments, name) is False}
    for option in ("models", "model"):
        if getattr(arguments, option) is not None:
            options[option] = [_place(name) for name in getattr(arguments, option)]
    if arguments.synth_only:
        options["out"] = str(Path(arguments.out or "cdk.out").absolute())
    python = environment()
    command = [str(python), "-m", "infra.deploy", json.dumps(options)]
    # The working directory is the checkout, because infra is a package there. The user's PYTHONPATH is replaced:
    # its modules could hide the CDK's.
    variables = {**os.environ, "PYTHONPATH": str(CHECKOUT / "src")}
    try:
        return subprocess.run(command, cwd=CHECKOUT, env=variables, check=False).returncode
    except KeyboardInterrupt:
        return 130  # the child process received Ctrl-C too and printed a message


def _place(name: str) -> str:
    """Return the absolute path of a model that the user taught, or of a model folder. Other names stay.

    The command runs in another folder, so a relative path would not be found there.
    """
    from unbraid.models.folder import DESCRIPTION
    from unbraid.models.own import find_own

    if (own := find_own(name)) is not None:
        return str(own)
    return str(Path(name).absolute()) if (Path(name) / DESCRIPTION).is_file() else name


def environment() -> Path:
    """Return the Python of infra/.venv. Make it on first use and when its lock file changed. Raises SettingError."""
    folder, lock = CHECKOUT / "infra" / ".venv", CHECKOUT / "requirements" / "deploy.lock"
    python, copy = folder / "bin" / "python", folder / lock.name
    if not (python.exists() and copy.is_file() and copy.read_bytes() == lock.read_bytes()):
        install = CHECKOUT / "requirements" / "install.py"
        if subprocess.run([sys.executable, "-I", install, folder, lock], check=False).returncode != 0:
            raise SettingError("deploy could not install its Python packages. See the messages above.")
    return python
