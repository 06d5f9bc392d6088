"""An evaluation: the songs of a reference, and each contender scored on them, one report a song."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from unbraid.errors import InputError, SettingError
from unbraid.evaluation import contenders
from unbraid.evaluation.bsseval import load_library
from unbraid.evaluation.contenders import Contender
from unbraid.evaluation.multitrack import find_songs, load
from unbraid.evaluation.report import SongReport
from unbraid.evaluation.score import score_song


class Evaluation:
    """Who is to be scored against the songs at `reference`; songs are scored one by one.

    `estimate` is a folder of stems, `model` a name or the path of a model folder, to be run on the songs' mixtures;
    at least one of those and `baselines` is needed. `notice` and `downloading` are as `Separator` has them. Raises
    SettingError, ModelError, and InputError for `reference` and `estimate` as a whole.
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
    ) -> None:
        if estimate is None and model is None and not baselines:
            raise SettingError("There is nothing to score. Give --estimate, --model or --baselines.")
        if bsseval:
            load_library()
        self._bsseval = bsseval
        self._places = find_songs(reference)
        self._contenders: list[Contender] = []
        if estimate is not None:
            self._contenders.append(contenders.folder(estimate, len(self._places)))
        if model is not None:
            self._contenders.append(contenders.model(model, notice=notice, downloading=downloading))
        if baselines:
            self._contenders += contenders.baselines()

    @property
    def songs(self) -> Sequence[str]:
        """Names of the songs, in the order of their names."""
        return tuple(self._places)

    def score(self, song: str) -> SongReport:
        """Each contender on one of `songs`; what can't be scored is told in the report's `errors`."""
        report = SongReport(song)
        try:
            reference = load(self._places[song])
        except InputError as error:
            report.errors.append(error.message)
            return report
        report.duration_s = round(reference.samples / reference.sample_rate, 3)
        report.sample_rate = reference.sample_rate
        notes = list(reference.warnings)
        for contender in self._contenders:
            try:
                estimate = contender.separate(reference)
                score = score_song(reference, estimate, self._bsseval)
            except InputError as error:
                report.errors.append(error.message)
                continue
            report.scores[contender.name] = score
            notes += (*estimate.warnings, *score.warnings)
        report.warnings = list(dict.fromkeys(notes))
        report.errors = list(dict.fromkeys(report.errors))
        return report
