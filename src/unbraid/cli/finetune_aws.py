"""`unbraid finetune --aws`: teach in the user's AWS account, and show it."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from unbraid.cli.finetune_report import check_lines, event_line, result_dict, result_lines
from unbraid.cli.messages import rough_time, say
from unbraid.cli.streams import write_result
from unbraid.errors import SettingError, Unavailable

if TYPE_CHECKING:
    from unbraid.aws.training.deployment import Deployment
    from unbraid.aws.training.material import File
    from unbraid.aws.training.state import State

OPTIONS = (
    "deployment",
    "instance",
    "at_most_hours",
    "on_demand",
    "usd_per_hour",
    "keep_image",
    "yes",
    "stop",
)
"""Options that only work with --aws."""
MOST_HOURS = 120  # unbraid.aws.training.job has the reason


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options for AWS."""
    group = parser.add_argument_group(
        "in AWS",
        "Teach in the app that `unbraid deploy` has put into your AWS account. See docs/finetune.md.",
    )
    group.add_argument(
        "--aws",
        action="store_true",
        help="teach on a machine in AWS. Says first what it costs, and asks. The same command continues to watch it",
    )
    group.add_argument(
        "--stop", action="store_true", help="stop that training, and delete everything of it in AWS"
    )
    group.add_argument(
        "--instance",
        metavar="TYPE",
        help="instance type (default: ml.c7i.2xlarge for lite and spleeter, ml.g4dn.xlarge, which has a graphics card, "
        "for others)",
    )
    group.add_argument(
        "--at-most-hours",
        type=_hours,
        metavar="N",
        help="time limit of the machine, which limits the cost (default: half as long again as --minutes, and half an "
        "hour; otherwise 6)",
    )
    group.add_argument(
        "--on-demand",
        action="store_true",
        help="use an ordinary machine; a spot machine costs less, but may have to wait and may be interrupted",
    )
    group.add_argument(
        "--usd-per-hour", type=_usd, metavar="USD", help="price of the machine (default: AWS's list price)"
    )
    group.add_argument(
        "--keep-image",
        action="store_true",
        help="keep the image with PyTorch in AWS for the next time, for up to a month",
    )
    group.add_argument("--deployment", metavar="NAME", help="name of the deployment (default: unbraid)")
    group.add_argument("--yes", action="store_true", help="start without asking")


def _hours(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= MOST_HOURS:
        return int(text)
    raise argparse.ArgumentTypeError(f"has to be a whole number from 1 to {MOST_HOURS}")


def _usd(text: str) -> float:
    with suppress(ValueError):
        if 0 < (number := float(text)) < math.inf:
            return number
    raise argparse.ArgumentTypeError("has to be a number above 0")


def check_options(arguments: argparse.Namespace) -> None:
    """Raise SettingError if there are options for AWS without --aws."""
    for name in OPTIONS:
        if getattr(arguments, name) and not arguments.aws:
            raise SettingError(f"--{name.replace('_', '-')} needs --aws.")
    if arguments.aws and arguments.device != "auto":
        raise SettingError("--device is for this machine. With --aws, choose an --instance.")


def run(arguments: argparse.Namespace) -> int:
    """Teach in AWS, or watch or stop that. Return 1 if nothing can be learnt, or if the result isn't better."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise SettingError("--aws needs boto3. Install it with: pip install 'unbraid[aws]'") from error
    from boto3.exceptions import Boto3Error

    from unbraid.aws.training.state import alone

    def waiting() -> None:
        raise SettingError(f"Another command is watching the training of {arguments.output} already.")

    try:
        with alone(arguments.output, waiting):
            return _stop(arguments) if arguments.stop else _teach(arguments)
    except (BotoCoreError, Boto3Error, ClientError) as error:
        raise Unavailable(
            f"AWS reported an error: {error}. The same command tries again; with --stop, it deletes what is in AWS."
        ) from error


def _stop(arguments: argparse.Namespace) -> int:
    from unbraid.aws.training.deployment import Deployment
    from unbraid.aws.training.run import Training
    from unbraid.aws.training.state import load_state

    state = load_state(arguments.output)
    if state is None:
        raise SettingError(f"This machine knows no training of {arguments.output} in AWS.")
    Training(arguments.output, state, Deployment.open(state.deployment), _event(arguments)).cancel()
    return 0


def _teach(arguments: argparse.Namespace) -> int:
    from unbraid.aws.training.deployment import NAME, Deployment
    from unbraid.aws.training.plan import unfinished
    from unbraid.aws.training.run import Training
    from unbraid.aws.training.state import load_state
    from unbraid.finetuning.finetune import check_free
    from unbraid.finetuning.teachable import check_base

    name = arguments.output
    check_free(name)
    if arguments.base is not None:
        check_base(arguments.base)
    state, files = load_state(name), None
    deployment = Deployment.open(arguments.deployment or (NAME if state is None else state.deployment))
    if state is not None:
        state.check_place(deployment)
    if state is None or not state.running:
        state, files = _prepared(arguments, deployment, state)
    elif _settings(arguments) != state.settings:
        raise unfinished(name)
    event = _event(arguments)
    training = Training(name, state, deployment, event)
    try:
        if files is not None:
            training.start(files)
        result = training.follow()
    except KeyboardInterrupt:
        say(
            "The training goes on in AWS. The same command shows it again; with --stop, it ends it."
            if state.running
            else "Stopped. The same command continues; with --stop, it deletes what is in AWS."
        )
        return 130
    if arguments.json:
        write_result(json.dumps({"event": "end", **result_dict(result)}) + "\n")
    else:
        write_result("".join(f"{line}\n" for line in result_lines(result)))
    return 0 if result.better else 1


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what the training depends on, beside the songs."""
    from unbraid.aws.training.plan import settings_of

    return settings_of(arguments.minutes, arguments.steps, arguments.until_best, arguments.seed)


def _prepared(
    arguments: argparse.Namespace, deployment: Deployment, before: State | None
) -> tuple[State, list[File]]:
    """Check the songs, say what the training costs, and ask. Return its state and files.

    `before`: a training that has no job at the moment, and continues. Raises SettingError, InputError and ModelError.
    """
    from unbraid.aws.training.plan import Wishes, plan
    from unbraid.cli.downloads import DownloadDisplay
    from unbraid.finetuning.check import check_songs, require
    from unbraid.finetuning.description import as_dict
    from unbraid.finetuning.finetune import Request, base_of
    from unbraid.models import find_model

    name = arguments.output
    check = check_songs(arguments.songs, seen=None if arguments.json else _seen)
    if arguments.json:
        write_result(json.dumps({"event": "check", **as_dict(check)}) + "\n")
    else:
        for line in check_lines(check):
            say(line)
    require(check)
    base = base_of(Request(arguments.songs, name, base=arguments.base), check)
    display = DownloadDisplay(base)
    model = find_model(base, progress=display.update, notice=display.notice)
    wishes = Wishes(
        arguments.instance,
        arguments.at_most_hours,
        not arguments.on_demand,
        arguments.usd_per_hour,
        arguments.keep_image,
    )
    state, files, offer = plan(name, deployment, check, base, model, _settings(arguments), wishes, before)
    _ask(offer.as_dict(), list(offer.lines()), arguments)
    state.save(name)
    return state, files


def _seen(number: int, songs: int, song: Any) -> None:
    if sys.stderr.isatty():
        say(f"{song.name} ({number} of {songs})")


def _ask(offer: Mapping[str, Any], lines: list[str], arguments: argparse.Namespace) -> None:
    """Show an offer, and ask whether to start. Raises SettingError if the answer isn't yes."""
    if arguments.json:
        write_result(json.dumps({"event": "offer", **offer}) + "\n")
    else:
        for line in lines:
            say(line)
    if arguments.yes:
        return
    if not sys.stdin.isatty():
        raise SettingError("There is no terminal to answer on. Add --yes to start without a question.")
    say("Start? Type yes to continue:")
    if sys.stdin.readline().strip() != "yes":
        raise SettingError("Nothing was started or uploaded.")


def _event(arguments: argparse.Namespace) -> Callable[[Mapping[str, Any]], None]:
    def show(happened: Mapping[str, Any]) -> None:
        if arguments.json:
            write_result(json.dumps(happened) + "\n")
        elif line := _line(happened) or event_line(happened, terminal=sys.stderr.isatty()):
            say(line)

    return show


def _line(event: Mapping[str, Any]) -> str | None:
    """Return the line for an event that only trainings in AWS have."""
    from unbraid.aws.training import run
    from unbraid.aws.training.material import GB
    from unbraid.aws.training.phases import PHASES

    kind = event["event"]
    if kind == run.UPLOAD:
        if event["bytes"] < event["of"] and not sys.stderr.isatty():
            return None
        return f"uploaded: {event['bytes'] / GB:.2f} of {event['of'] / GB:.2f} GB"
    if kind == run.BUILD:
        return f"building the image: {event['phase']}"
    if kind == run.PHASE:
        return PHASES.get(event["phase"])
    if kind == run.BILLED:
        return f"AWS bills {rough_time(event['seconds'])} of the machine: {event['usd']:.2f} dollars."
    if kind == run.DELETED:
        return f"Songs, checkpoints and results in AWS were deleted (objects: {event['objects']})."
    return None
