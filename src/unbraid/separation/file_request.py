"""What `Separator.separate_to_files` writes for any song: the stems, the format, and the recipe of the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from unbraid.audio.times import TimeRange
from unbraid.separation.pipeline import Pipeline
from unbraid.separation.recipe import Recipe, recipe_of
from unbraid.separation.second_passes import SecondPass
from unbraid.separation.song_files import FileOptions
from unbraid.separation.stems import StemChoice


@dataclass(frozen=True, slots=True)
class FileRequest:
    """Checked options of `Separator.separate_to_files` that don't depend on the song."""

    choice: StemChoice
    options: FileOptions
    complement: str
    prefix: str
    """Before the names of the stems: `STEM.` for the parts of a stem."""
    part: TimeRange | None
    audio_stream: int | None
    video: bool
    passes: Sequence[SecondPass]

    @property
    def names(self) -> list[str]:
        """Names of all stems and their parts."""
        parts = [name for second in self.passes for name in second.names]
        return [*(self.prefix + stem for stem in self.choice.names), *parts]

    def recipe(self, pipeline: Pipeline) -> Recipe:
        """Return the recipe of the files that `pipeline` makes."""
        return recipe_of(
            pipeline,
            stems=self.names,
            complement=None if self.complement == "rest" else self.complement,
            part=asdict(self.part) if self.part else None,
            **asdict(self.options),
            audio_stream=self.audio_stream,
            video=self.video or None,
            then={one.stem: asdict(recipe_of(one.pipeline)) for one in self.passes} or None,
        )
