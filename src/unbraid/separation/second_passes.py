"""Second passes: separate a stem that was just written into parts, beside the stem and before the song is published."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unbraid.audio.stem_names import COMPLEMENT_PREFIX, has_parts, single_stems
from unbraid.audio.tags.model import Tags
from unbraid.errors import SettingError
from unbraid.models import Model
from unbraid.models.auto import FIRST_CHOICE
from unbraid.models.catalog import catalog
from unbraid.models.speed import speed_of
from unbraid.separation.output import HiddenFolder
from unbraid.separation.pipeline import Pipeline
from unbraid.separation.progress import CancelToken, Progress, ProgressCallback, Reporter
from unbraid.separation.song import FileSong
from unbraid.separation.song_files import FileOptions, WrittenStems, write_stems
from unbraid.separation.stems import StemChoice, choose_parts

JOINT = "."
"""Between the name of a stem and that of its part: `vocals.lead_vocals`."""


@dataclass(frozen=True, slots=True)
class SecondPass:
    """A stem, and the model that separates it further."""

    stem: str
    pipeline: Pipeline
    choice: StemChoice

    @property
    def prefix(self) -> str:
        """Beginning of the names of the parts."""
        return self.stem + JOINT

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parts. What the model leaves over is the last one, and isn't written if it is silent."""
        return tuple(self.prefix + name for name in self.choice.names)


def second_pass(stem: str, pipeline: Pipeline) -> SecondPass:
    """Plan a second pass. Raises SettingError if the model can't split the stem."""
    check_sources(stem, pipeline.model)
    return SecondPass(stem, pipeline, choose_parts(pipeline.model.sources, pipeline.model.rest))


def check_sources(stem: str, model: Model) -> None:
    """Raise SettingError if `stem` is the only stem of `model`."""
    if not has_parts(stem, model.sources):
        raise SettingError(f"{model.name} has only the stem {stem} itself. Choose a model with other stems.")


def check_stem(stem: str, written: Collection[str], sources: Sequence[str]) -> None:
    """Raise SettingError unless `stem` is among the stems that are written, of a model with `sources`."""
    if stem in written:
        return
    single = single_stems(sources)
    if stem in {*sources, *(COMPLEMENT_PREFIX + source for source in single)}:
        base = stem.removeprefix(COMPLEMENT_PREFIX)
        choices = [name for name in dict.fromkeys((stem, base)) if name in single]
        if stem in sources:
            choices.append("all")
        raise SettingError(f"The stem {stem} isn't written. Choose the stems {' or '.join(choices)}.")
    raise SettingError(f"There is no stem {stem!r} in this model. Choose {', '.join(written)}.")


def run_second_pass(
    second: SecondPass,
    stem: Path,
    options: FileOptions,
    folder: HiddenFolder,
    reporter: Reporter,
    tags: Tags | None,
) -> WrittenStems:
    """Separate the file `stem` into parts in `folder.stems`, exactly as if it were a song of its own."""
    return write_stems(
        second.pipeline,
        FileSong(stem),
        second.choice,
        options,
        folder,
        reporter,
        prefix=second.prefix,
        tags=tags,
    )


def split_reporters(
    model: Model,
    passes: Sequence[SecondPass],
    single: bool,
    progress: ProgressCallback | None,
    cancel: CancelToken | None,
) -> Iterator[Reporter]:
    """Yield a reporter for each pass over a song. Together they count from 0 to 1.

    The share of a pass is the expected time of its model. `model`, the first one, separates a `single` stem or all.
    """
    costs = [_cost(model, single=single), *(_cost(second.pipeline.model, single=False) for second in passes)]
    begin = 0.0
    for cost in costs:
        share = cost / sum(costs)
        yield Reporter(progress and _within(progress, begin, share), cancel)
        begin += share


def _within(progress: ProgressCallback, begin: float, share: float) -> ProgressCallback:
    def report(update: Progress) -> None:
        fraction = min(1.0, begin + share * update.fraction)
        progress(Progress(fraction, update.seconds_done, update.seconds_total, update.stage))

    return report


def _cost(model: Model, *, single: bool) -> float:
    """Expected seconds of work for a second of the song, relative to other models. Unknown models count as htdemucs."""
    speed = speed_of(model) or catalog()[FIRST_CHOICE].speed
    return speed.one_stem if single else speed.all_stems
