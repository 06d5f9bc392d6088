"""`unbraid evaluate`: compare stems with the true stems."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from unbraid.cli.ensembles import add_ensemble_options, weights_by_stem
from unbraid.cli.messages import say
from unbraid.cli.streams import write_result


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "evaluate",
        help="compare stems with the true stems",
        description="Print the signal-to-distortion ratio (SDR) of each stem in dB, as defined by the Music Demixing "
        "Challenge: over the whole song and both channels. Higher is better.",
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
        "--estimate", type=Path, metavar="DIR", help="folder of the stems to score, with the same file names"
    )
    parser.add_argument(
        "-m", "--model", metavar="MODEL", help="also separate the songs with this model and score the result"
    )
    add_ensemble_options(parser)
    parser.add_argument(
        "--baselines",
        action="store_true",
        help="also score methods without training: the mixture, the centre of the stereo image, repetition, percussion",
    )
    parser.add_argument(
        "--bsseval",
        action="store_true",
        help="also print BSSEval v4 scores; needs pip install '.[evaluate]' in your own environment",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object instead of a table")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score all songs and print the scores. Return 1 if a song can't be scored; standard error names it."""
    from unbraid.cli.downloads import DownloadDisplay
    from unbraid.cli.score_table import as_text
    from unbraid.evaluation.evaluation import Evaluation
    from unbraid.evaluation.report import to_dict
    from unbraid.models.auto import is_choice

    display = DownloadDisplay("model" if is_choice(arguments.model or "") else arguments.model or "")
    try:
        evaluation = Evaluation(
            arguments.reference,
            arguments.estimate,
            model=arguments.model,
            baselines=arguments.baselines,
            bsseval=arguments.bsseval,
            combine=arguments.combine,
            weights=weights_by_stem(arguments.weights),
            notice=display.notice,
            downloading=display.update,
        )
    finally:
        display.clear()
    reports = []
    for number, song in enumerate(evaluation.songs, 1):
        if len(evaluation.songs) > 1:
            say(f"{song} ({number} of {len(evaluation.songs)})")
        report = evaluation.score(song)
        for line in (*report.warnings, *report.errors):
            say(line)
        reports.append(report)
    if arguments.json:
        write_result(json.dumps(to_dict(reports), allow_nan=False) + "\n")
    else:
        write_result(as_text(reports))
    return 1 if any(report.errors for report in reports) else 0
