"""`unbraid evaluate`: how close estimated stems come to the true ones."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "evaluate",
        help="score stems against the true ones",
        description="Prints the signal-to-distortion ratio of each stem in dB, as the Music Demixing Challenge defines "
        "it: over the whole song, both channels together. Higher is better.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--reference",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the true stems (vocals.wav, drums.wav, …), or a .stem.mp4 file",
    )
    parser.add_argument(
        "--estimate", type=Path, metavar="DIR", help="folder of the stems to score, named alike"
    )
    parser.add_argument(
        "-m", "--model", metavar="MODEL", help="also separate the songs with this model, and score that"
    )
    parser.add_argument(
        "--baselines",
        action="store_true",
        help="also score what needs no training: the mixture itself, the centre of the stereo image, repetition",
    )
    parser.add_argument(
        "--bsseval",
        action="store_true",
        help="also BSSEval v4 (needs the extra: pip install 'unbraid[evaluate]')",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object instead of a table")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score, print, and give the exit code."""
    from unbraid.evaluation.command import run as evaluate

    return evaluate(
        arguments.reference,
        arguments.estimate,
        model=arguments.model,
        baselines=arguments.baselines,
        bsseval=arguments.bsseval,
        as_json=arguments.json,
    )
