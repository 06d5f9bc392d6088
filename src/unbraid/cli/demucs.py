"""`unbraid demucs`: the command line of demucs 4.1.0 - its options, defaults and file layout - on Unbraid's engine.

What differs and why is in docs/demucs.md. Options, their short forms, defaults and choices are those of
`demucs.separate.get_parser` of that version.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from unbraid.cli.messages import say
from unbraid.cli.progress import Display
from unbraid.cli.running import run_cancellable
from unbraid.cli.stopping import Stop
from unbraid.errors import SettingError

MP3_PRESETS = range(2, 8)  # LAME's levels of effort


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "demucs",
        help="take the options of the demucs command, and write files where it does",
        description="Takes the options of demucs 4.1.0 and writes OUT/MODEL/SONG/STEM.wav as it does. Exit codes: 0 "
        "all done, 1 some song or the model failed (the other songs are done), 2 an option that is not there.",
        allow_abbrev=True,  # as the original: --two for --two-stems
    )
    parser.add_argument(
        "tracks", nargs="*", type=Path, default=[], metavar="SONG", help="sound or video files to separate"
    )
    _add_model_options(parser)
    _add_output_options(parser)
    _add_separation_options(parser)
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="also say which model is used, and how songs are cut"
    )
    parser.set_defaults(run=run)


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("-s", "--sig", metavar="SIGNATURE", help="the model with this signature")
    which.add_argument(
        "-n",
        "--name",
        default="htdemucs",
        metavar="MODEL",
        help="name or signature of a model, or the path of a model folder (default: %(default)s)",
    )
    parser.add_argument(
        "--repo",
        type=Path,
        metavar="DIR",
        help="take the model from this folder of .th or .safetensors files",
    )
    parser.add_argument(
        "--list-models",
        action="store_true",
        help="print the models that there are, or those in --repo, and end",
    )


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        default=Path("separated"),
        metavar="OUT",
        help="folder to write to, where each model gets a folder of its own (default: %(default)s)",
    )
    parser.add_argument(
        "--filename",
        default="{track}/{stem}.{ext}",
        metavar="TEMPLATE",
        help="names of the files below OUT/MODEL: {track} is the song's name and {trackext} its ending, {stem} the "
        "stem and {ext} the format (default: %(default)s)",
    )
    parser.add_argument(
        "--two-stems", dest="stem", metavar="STEM", help="only this stem and the rest of the song, no_STEM"
    )
    parser.add_argument(
        "--other-method",
        choices=("none", "add", "minus"),
        default="add",
        help="what the rest is: the sum of the other stems; the song less the stem, called minus_STEM; or not written "
        "(default: %(default)s)",
    )
    depth = parser.add_mutually_exclusive_group()
    depth.add_argument("--int24", action="store_true", help="24 bits a sample instead of 16 (WAV and FLAC)")
    depth.add_argument("--float32", action="store_true", help="32-bit float samples (WAV)")
    parser.add_argument(
        "--clip-mode",
        choices=("rescale", "clamp", "none"),
        default="rescale",
        help="for a stem louder than full scale: make it quieter, cut the peaks off, or nothing (default: %(default)s)",
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--flac", action="store_true", help="write FLAC instead of WAV")
    kind.add_argument("--mp3", action="store_true", help="write MP3 instead of WAV")
    parser.add_argument(
        "--mp3-bitrate", type=int, default=320, metavar="KBIT/S", help="of MP3 (default: %(default)s)"
    )
    parser.add_argument(
        "--mp3-preset",
        choices=MP3_PRESETS,
        type=int,
        default=2,
        help="taken, and not needed: how hard the MP3 encoder tries follows from the bit rate",
    )


def _add_separation_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-d",
        "--device",
        default="auto",
        metavar="DEVICE",
        help="what computes: cpu, cuda, mps (default: the best)",
    )
    parser.add_argument(
        "--shifts",
        type=int,
        default=1,
        metavar="N",
        help="average over N runs, each shifted by up to half a second; 0: one run, not shifted (default: %(default)s)",
    )
    parser.add_argument(
        "--overlap",
        type=float,
        default=0.25,
        metavar="SHARE",
        help="share of a segment that the next one covers again (default: %(default)s)",
    )
    cutting = parser.add_mutually_exclusive_group()
    cutting.add_argument(
        "--no-split",
        dest="split",
        action="store_false",
        help="taken, and not needed: songs are always cut, so that memory doesn't grow with them",
    )
    cutting.add_argument(
        "--segment", type=int, metavar="SECONDS", help="length of a segment (default: the model's)"
    )
    parser.add_argument(
        "-j",
        "--jobs",
        type=int,
        default=0,
        metavar="N",
        help="segments computed at once (default: two, which share the cores; on a graphics card 8)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Separate every song; the exit code. What a value makes impossible is 1, as it is for the original."""
    try:
        if arguments.list_models:
            from unbraid.cli.demucs_models import listing

            sys.stdout.write(listing(arguments.repo))
            return 0
        if not arguments.tracks:
            raise SettingError("which songs? Name their files: unbraid demucs SONG…")
        return run_cancellable(partial(_separate, arguments))
    except SettingError as error:
        say(error.message)
        return 1


def _separate(arguments: argparse.Namespace, display: Display, stop: Stop) -> int:
    from unbraid.cli.demucs_songs import separate_songs

    return 1 if separate_songs(arguments, display, stop) else 0
