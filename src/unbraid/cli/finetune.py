"""`unbraid finetune`: teach a model from your own stems."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unbraid.cli.finetune_aws import add_options, check_options
from unbraid.cli.finetune_aws import run as run_in_aws
from unbraid.cli.messages import say
from unbraid.cli.streams import write_result

if TYPE_CHECKING:
    from unbraid.finetuning.check import Check
    from unbraid.finetuning.songs import Song

MOST_MINUTES = 60 * 24 * 30


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "finetune",
        help="teach a model from your own stems",
        description="Teach a model from songs whose stems you have. The result is a model with the name NAME. "
        "`--check` only says which songs can be used, and what to expect from them.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "songs",
        type=Path,
        metavar="STEMS",
        help="folder of songs: each is a folder of stems (vocals.wav, drums.wav, …) or a .stem.mp4 file",
    )
    parser.add_argument("-o", "--output", metavar="NAME", help="name of the new model")
    parser.add_argument(
        "--check", action="store_true", help="only check the songs: nothing is learnt or written"
    )
    parser.add_argument(
        "--from",
        dest="base",
        metavar="MODEL",
        help="model to begin with: lite, spleeter, a model that you taught, or on a graphics card htdemucs or a "
        "Roformer (default: spleeter for vocals and no_vocals, lite for all other stems)",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--minutes", type=_minutes, metavar="N", help="train for about N minutes (default: 30)"
    )
    length.add_argument(
        "--until-best",
        action="store_true",
        help="train until the score on the held-out songs no longer rises",
    )
    length.add_argument("--steps", type=_steps, metavar="N", help="train for exactly N steps")
    parser.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="seed of all random numbers (default: 0)"
    )
    add_options(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.set_defaults(run=run)


def _minutes(text: str) -> float:
    try:
        if 0 < (number := float(text)) <= MOST_MINUTES:
            return number
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"has to be a number above 0, at most {MOST_MINUTES} (a month)")


def _steps(text: str) -> int:
    return _whole(text, 1)


def _seed(text: str) -> int:
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    try:
        if (number := int(text)) >= least:
            return number
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"has to be a whole number, {least} or more")


def run(arguments: argparse.Namespace) -> int:
    """Check the songs or teach a model. Return 1 if nothing can be learnt from them, or if the result isn't better."""
    from unbraid.cli.finetune_report import check_lines
    from unbraid.errors import SettingError
    from unbraid.finetuning.check import check_songs
    from unbraid.finetuning.description import as_dict

    check_options(arguments)
    if arguments.check:
        check = check_songs(arguments.songs, seen=None if arguments.json else _seen)
        if arguments.json:
            write_result(json.dumps(as_dict(check)) + "\n")
        else:
            write_result("".join(f"{line}\n" for line in check_lines(check)))
        return 1 if check.problem else 0
    if not arguments.output:
        raise SettingError("Name the new model with -o NAME, or use --check.")
    return run_in_aws(arguments) if arguments.aws else _teach(arguments)


def _seen(number: int, songs: int, song: Song) -> None:
    if sys.stderr.isatty():
        say(f"{song.name} ({number} of {songs})")


def _teach(arguments: argparse.Namespace) -> int:
    from unbraid.cli.downloads import DownloadDisplay
    from unbraid.cli.finetune_report import check_lines, event_line, result_dict, result_lines
    from unbraid.finetuning.description import as_dict
    from unbraid.finetuning.finetune import Request, finetune

    request = Request(
        arguments.songs,
        arguments.output,
        base=arguments.base,
        minutes=arguments.minutes,
        steps=arguments.steps,
        until_best=arguments.until_best,
        seed=arguments.seed,
        device=arguments.device,
    )

    def checked(check: Check) -> None:
        if arguments.json:
            write_result(json.dumps({"event": "check", **as_dict(check)}) + "\n")
        else:
            for line in check_lines(check):
                say(line)

    def event(happened: Mapping[str, Any]) -> None:
        if arguments.json:
            write_result(json.dumps(happened) + "\n")
        elif line := event_line(happened, terminal=sys.stderr.isatty()):
            say(line)

    display = DownloadDisplay(arguments.base or "model")
    result = finetune(
        request,
        event,
        seen=None if arguments.json else _seen,
        checked=checked,
        notice=display.notice,
        downloading=display.update,
    )
    if arguments.json:
        write_result(json.dumps({"event": "end", **result_dict(result)}) + "\n")
    else:
        write_result("".join(f"{line}\n" for line in result_lines(result)))
    return 0 if result.better else 1
