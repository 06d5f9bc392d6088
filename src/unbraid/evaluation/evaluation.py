"""Score contenders on the songs of a reference, with one report for each song."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from unbraid.errors import InputError, ModelError, SettingError
from unbraid.evaluation import contenders
from unbraid.evaluation.bsseval import load_library
from unbraid.evaluation.contenders import Contender
from unbraid.evaluation.multitrack import find_songs, load
from unbraid.evaluation.report import SongReport
from unbraid.evaluation.score import score_song


class Evaluation:
    """Contenders to score against the songs at `reference`.

    `estimate` is a folder of stems. `model` is the name or folder of a model, which is run on the songs' mixtures.
    `baselines` adds the methods that need no training. At least one of the three is required. `Separator` documents the
    other options. Raises SettingError, ModelError, or InputError if a folder has no songs.
    """

    def __init__(
        self,
        reference: Path,
        estimate: Path | None = None,
        *,
        model: str | None = None,
        baselines: bool = False,
        bsseval: bool = False,
        notice: Callable[[str], object] | None = None,
        downloading: Callable[[int, int], object] | None = None,
        combine: str | None = None,
        weights: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        if (estimate, model) == (None, None) and not baselines:
            raise SettingError("There is nothing to score. Give --estimate, --model or --baselines.")
        if model is None and (combine, weights) != (None, None):
            raise SettingError("--combine and --weights are for an ensemble. Name its models: --model a+b.")
        if bsseval:
            load_library()
        self._bsseval = bsseval
        self._paths = find_songs(reference)
        self._contenders: list[Contender] = []
        if estimate is not None:
            self._contenders.append(contenders.folder(estimate, len(self._paths)))
        if model is not None:
            scored = contenders.model(
                model, notice=notice, downloading=downloading, combine=combine, weights=weights
            )
            if scored.name in contenders.COLUMNS:
                raise ModelError(
                    "has the name of another column of the table. Rename the model folder.",
                    subject=scored.name,
                )
            self._contenders.append(scored)
        if baselines:
            self._contenders += contenders.baselines()

    @property
    def songs(self) -> Sequence[str]:
        """Names of the songs, sorted."""
        return tuple(self._paths)

    def score(self, song: str) -> SongReport:
        """Score each contender on one of `songs`. The report lists failures in `errors`."""
        report = SongReport(song)
        try:
            reference = load(self._paths[song])
        except InputError as error:
            report.errors.append(error.message)
            return report
        report.duration_s = round(reference.samples / reference.sample_rate, 3)
        report.sample_rate = reference.sample_rate
        warnings = list(reference.warnings)
        for contender in self._contenders:
            try:
                estimate = contender.separate(reference)
                score = score_song(reference, estimate, self._bsseval)
            except InputError as error:
                report.errors.append(error.message)
                continue
            report.scores[contender.name] = score
            warnings += (*estimate.warnings, *score.warnings)
        report.warnings = list(dict.fromkeys(warnings))
        report.errors = list(dict.fromkeys(report.errors))
        return report
