"""The work behind `unbraid evaluate`: song after song, each contender scored, one report at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from unbraid.errors import InputError, SettingError
from unbraid.evaluation import contenders
from unbraid.evaluation.bsseval import load_library
from unbraid.evaluation.contenders import Contender
from unbraid.evaluation.multitrack import find_songs, load
from unbraid.evaluation.report import SongReport, as_object, as_text, printable
from unbraid.evaluation.score import score_song


def run(
    reference: Path,
    estimate: Path | None,
    *,
    model: str | None = None,
    baselines: bool = False,
    bsseval: bool = False,
    as_json: bool = False,
) -> int:
    """Score against the songs at `reference`, print to standard output, and give the exit code.

    `estimate` is a folder of stems, `model` a name or the path of a model folder, to be run on the songs' mixtures;
    at least one of those and `baselines` is needed. Songs that can't be scored are named on standard error, the
    others are done, and the exit code is 1. Raises SettingError, ModelError, and InputError for `reference` and
    `estimate` as a whole.
    """
    if estimate is None and model is None and not baselines:
        raise SettingError("There is nothing to score. Give --estimate, --model or --baselines.")
    if bsseval:
        load_library()
    places = find_songs(reference)
    chosen: list[Contender] = []
    if estimate is not None:
        chosen.append(contenders.folder(estimate, len(places)))
    if model is not None:
        chosen.append(contenders.model(model))
    if baselines:
        chosen += contenders.baselines()
    reports: list[SongReport] = []
    for number, (name, place) in enumerate(places.items(), 1):
        if len(places) > 1:
            _say(f"{name} ({number} of {len(places)})")
        reports.append(_evaluate(name, place, chosen, bsseval))
        for line in (*reports[-1].warnings, *reports[-1].errors):
            _say(line)
    if as_json:
        sys.stdout.write(json.dumps(as_object(reports), allow_nan=False) + "\n")
    else:
        sys.stdout.write(as_text(reports))
    return 1 if any(report.errors for report in reports) else 0


def _evaluate(name: str, place: Path, chosen: Sequence[Contender], bsseval: bool) -> SongReport:
    report = SongReport(name)
    try:
        song = load(place)
    except InputError as error:
        report.errors.append(error.message)
        return report
    report.duration_s = round(song.samples / song.sample_rate, 3)
    report.sample_rate = song.sample_rate
    notes = list(song.warnings)
    for contender in chosen:
        try:
            estimate = contender.separate(song)
            score = score_song(song, estimate, bsseval)
        except InputError as error:
            report.errors.append(error.message)
            continue
        report.scores[contender.name] = score
        notes += (*estimate.warnings, *score.warnings)
    report.warnings = list(dict.fromkeys(notes))
    report.errors = list(dict.fromkeys(report.errors))
    return report


def _say(text: str) -> None:
    sys.stderr.write(f"unbraid: {printable(text)}\n")
    sys.stderr.flush()
