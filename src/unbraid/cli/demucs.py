"""`unbraid demucs`: the options, defaults and file layout of demucs 4.1.0.

Options, short forms, defaults and choices follow `demucs.separate.get_parser` of that version. docs/demucs.md lists
the differences and their reasons.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from unbraid.cli.messages import say
from unbraid.cli.progress import Display
from unbraid.cli.running import run_cancellable
from unbraid.cli.stopping import Stop
from unbraid.cli.streams import write_result
from unbraid.errors import SettingError

MP3_PRESETS = range(2, 8)  # LAME's quality settings


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "demucs",
        help="separate songs with the options and folders of demucs",
        description="Separate songs with the options of demucs 4.1.0, and write OUT/MODEL/SONG/STEM.wav. Exit codes: 0 "
        "all songs are done; 1 a song or the model failed (the other songs are done); 2 unknown option.",
        allow_abbrev=True,  # demucs accepts --two for --two-stems
    )
    parser.add_argument(
        "tracks", nargs="*", type=Path, default=[], metavar="SONG", help="audio or video file"
    )
    _add_model_options(parser)
    _add_output_options(parser)
    _add_separation_options(parser)
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="also print the model, the segment length, the overlap and the shifts",
    )
    parser.set_defaults(run=run)


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    model = parser.add_mutually_exclusive_group()
    model.add_argument("-s", "--sig", metavar="SIGNATURE", help="signature of the model")
    model.add_argument(
        "-n",
        "--name",
        default="htdemucs",
        metavar="MODEL",
        help="name or signature of the model, or the path of a model folder (default: %(default)s)",
    )
    parser.add_argument(
        "--repo",
        type=Path,
        metavar="DIR",
        help="folder of .th or .safetensors files to load the model from",
    )
    parser.add_argument(
        "--list-models",
        action="store_true",
        help="list the models, or those in --repo, and exit",
    )


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        default=Path("separated"),
        metavar="OUT",
        help="output folder; each model gets its own folder in it (default: %(default)s)",
    )
    parser.add_argument(
        "--filename",
        default="{track}/{stem}.{ext}",
        metavar="TEMPLATE",
        help="file names in OUT/MODEL: {track} is the song's name, {trackext} its extension, {stem} the stem and {ext} "
        "the extension of the format (default: %(default)s)",
    )
    parser.add_argument(
        "--two-stems", dest="stem", metavar="STEM", help="write this stem and the rest of the song (no_STEM)"
    )
    parser.add_argument(
        "--other-method",
        choices=("none", "add", "minus"),
        default="add",
        help="the rest of the song for --two-stems: the sum of the other stems (add), the song minus the stem, named "
        "minus_STEM (minus), or no file (none) (default: %(default)s)",
    )
    depth = parser.add_mutually_exclusive_group()
    depth.add_argument("--int24", action="store_true", help="24-bit samples instead of 16-bit (WAV and FLAC)")
    depth.add_argument("--float32", action="store_true", help="32-bit float samples (WAV)")
    parser.add_argument(
        "--clip-mode",
        choices=("rescale", "clamp", "none"),
        default="rescale",
        help="what to do with a stem louder than full scale: lower it (rescale), clip the peaks (clamp) or nothing "
        "(none) (default: %(default)s)",
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--flac", action="store_true", help="write FLAC instead of WAV")
    kind.add_argument("--mp3", action="store_true", help="write MP3 instead of WAV")
    parser.add_argument(
        "--mp3-bitrate",
        type=_kbit_s,
        default=320,
        metavar="KBIT/S",
        help="MP3 bit rate: 320 or 320k (default: %(default)s)",
    )
    parser.add_argument(
        "--mp3-preset",
        choices=MP3_PRESETS,
        type=int,
        default=2,
        help="accepted and ignored: the bit rate sets the quality of the MP3 encoder",
    )


def _add_separation_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-d",
        "--device",
        default="auto",
        metavar="DEVICE",
        help="cpu, cuda, cuda:1 (the second card) or mps (default: a graphics card if available, else cpu)",
    )
    parser.add_argument(
        "--shifts",
        type=int,
        default=1,
        metavar="N",
        help="average N runs, each shifted by up to 0.5 s; 0: one run without a shift (default: %(default)s)",
    )
    parser.add_argument(
        "--overlap",
        type=float,
        default=0.25,
        metavar="SHARE",
        help="overlap of neighbouring segments, as a fraction of a segment (default: %(default)s)",
    )
    splitting = parser.add_mutually_exclusive_group()
    splitting.add_argument(
        "--no-split",
        dest="split",
        action="store_false",
        help="accepted and ignored: songs are always split, which keeps memory constant",
    )
    splitting.add_argument(
        "--segment", type=float, metavar="SECONDS", help="segment length (default: the model's)"
    )
    parser.add_argument(
        "-j",
        "--jobs",
        type=int,
        default=0,
        metavar="N",
        help="segments computed at the same time (default: 2; 8 on a graphics card)",
    )


def _kbit_s(text: str) -> int:
    """Convert "320", or "320k" as in other programs, to kbit/s."""
    return int(text.removesuffix("k"))


_kbit_s.__name__ = "number of kbit/s"  # argparse: "invalid number of kbit/s value: 'x'"


def hint_for(unknown: Sequence[str]) -> str:
    """Return what to use instead of unknown options that `unbraid separate` has."""
    if not any(option.partition("=")[0] == "--format" for option in unknown):
        return ""
    return "; use --mp3 or --flac, or for a stem file: unbraid separate --format stem"


def run(arguments: argparse.Namespace) -> int:
    """Separate every song and return the exit code. An invalid value gives 1, as in demucs."""
    try:
        if arguments.list_models:
            from unbraid.cli.demucs_models import list_models

            write_result(list_models(arguments.repo))
            return 0
        if not arguments.tracks:
            raise SettingError("No song. Name a file: unbraid demucs SONG…")
        return run_cancellable(partial(_separate, arguments))
    except SettingError as error:
        say(error.message)
        return 1


def _separate(arguments: argparse.Namespace, display: Display, stop: Stop) -> int:
    from unbraid.cli.demucs_songs import separate_songs

    return 1 if separate_songs(arguments, display, stop) else 0
