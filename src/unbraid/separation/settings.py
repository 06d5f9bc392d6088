"""Check the settings of a separation, and plan the networks' runs over the song."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from unbraid.errors import SettingError
from unbraid.models import Model
from unbraid.models.folder import Member
from unbraid.models.mdx23c import is_mdx23c
from unbraid.models.mdx_settings import is_mdx_net
from unbraid.models.presets import PRESETS
from unbraid.models.questions import BALANCED
from unbraid.models.templates import default_segment
from unbraid.separation.audio_separator import MDX23C_OVERLAP, equal_parts
from unbraid.separation.numbers import real_number, whole_number
from unbraid.separation.overlap import Context
from unbraid.separation.runs import Run

# Longest random shift, as in Demucs.
LONGEST_SHIFT_S = 0.5

PUBLISHED: Literal["published"] = "published"
"""Segments as long as the model's authors set them."""

SegmentLength = float | Literal["published"] | None
"""Length of a segment in seconds; None: the published length, or a shorter one to save memory."""


AUDIO_SEPARATOR = "audio-separator"
"""The value of `chunks`."""


@dataclass(frozen=True, slots=True)
class Part:
    """One network of a model: its runs over a song, and the weight of its estimates."""

    model: Model
    length: int
    """Samples of a segment."""
    runs: tuple[Run, ...]
    weights: Mapping[str, float]
    """Weight of its estimates, for each source of the whole model."""
    reads_rest: bool = False
    """Whether it reads the song without the estimates of the networks before it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A model with the runs of its networks over a song; of an ensemble, the plans of its models."""

    model: Model
    parts: tuple[Part, ...] = ()
    models: tuple[Plan, ...] = ()

    @property
    def all_parts(self) -> tuple[Part, ...]:
        """The networks of the model, or of all models of an ensemble."""
        return (*self.parts, *(part for plan in self.models for part in plan.all_parts))


@dataclass(frozen=True, slots=True)
class Settings:
    """The user's settings. None: the value of `quality`, or else of the model."""

    overlap: float | None = None
    """Overlap of neighbouring segments, as a fraction of a segment."""
    segment_s: SegmentLength = None
    shifts: int | None = None
    seed: int = 0
    threads: int | None = None
    jobs: int | None = None
    quality: str = BALANCED
    chunks: str | None = None
    """`audio-separator`: segments and weights as there; None: Unbraid's."""

    def __post_init__(self) -> None:
        """Raise SettingError for settings that fit no model, before a model is downloaded."""
        if self.quality not in PRESETS:
            raise SettingError(f"There is no quality {self.quality!r}. Choose {', '.join(PRESETS)}.")
        if self.chunks is None:
            return
        if self.chunks != AUDIO_SEPARATOR:
            raise SettingError(f"There are no chunks {self.chunks!r}. Choose {AUDIO_SEPARATOR}.")
        if self.segment_s not in (None, PUBLISHED):
            raise SettingError(
                "The chunks of audio-separator have the published length. Leave out the segment length."
            )

    def plan(self, model: Model) -> Plan:
        """Return the networks of `model` with their runs. Raises SettingError.

        Each model of an ensemble has the runs that it has alone, with the same random shifts.
        """
        if model.ensemble is None:
            return Plan(model, self.parts(model))
        return Plan(model, models=tuple(self.plan(member.model) for member in model.ensemble.members))

    def parts(self, model: Model) -> tuple[Part, ...]:
        """Return the networks of `model`, which is no ensemble, with their runs. Raises SettingError."""
        if self.jobs is not None:
            whole_number(self.jobs, "The number of jobs", 1)
        if self.threads is not None:
            whole_number(self.threads, "The number of threads", 1)
        preset = PRESETS[self.quality]
        chosen = preset.overlap if self.overlap is None else self.overlap
        shifts = whole_number(
            preset.shifts if self.shifts is None else self.shifts, "The number of shifts", 0
        )
        members = model.members or (
            Member(model, {name: float(name != model.rest) for name in model.sources}),
        )
        # As in Demucs, every network draws its own shifts. Unneeded networks draw too, so that the shifts of the others
        # don't depend on the chosen stems.
        draw = random.Random(whole_number(self.seed, "The seed"))
        parts = []
        for member in members:
            overlap = self._default_overlap(member.model) if chosen is None else chosen
            length = self._length(member.model, overlap)
            if self.chunks is None:
                runs = _runs(member.model, length, overlap, shifts, draw)
            else:
                runs = (_run_of_audio_separator(member.model, length, overlap, shifts),)
            parts.append(Part(member.model, length, runs, member.weights, member.reads_rest))
        return tuple(parts)

    def _default_overlap(self, model: Model) -> float:
        return MDX23C_OVERLAP if self.chunks is not None and is_mdx23c(model) else model.overlap

    def _length(self, model: Model, overlap: float) -> int:
        """Return the segment length in samples."""
        if not 0 <= real_number(overlap, "The overlap") < 1:
            raise SettingError(f"The overlap must be from 0 to below 1, not {overlap}.")
        if self.segment_s is None:
            length = default_segment(model)
        elif self.segment_s == PUBLISHED:
            length = model.segment
        else:
            seconds = real_number(self.segment_s, "The segment length")
            if not math.isfinite(seconds):
                raise SettingError(f"The segment length must be a number of seconds, not {seconds}.")
            length = int(seconds * model.sample_rate)
        shortest = model.n_fft or 1
        if length < shortest:
            raise SettingError(
                f"{model.name} needs segments of {shortest / model.sample_rate:.2g} s or more, not {self.segment_s}."
            )
        if model.fixed_length and length > model.segment:
            raise SettingError(
                f"{model.name} allows segments of at most {model.segment_s:.3g} s, not {self.segment_s}."
            )
        if int((1 - overlap) * length) < 1:
            raise SettingError(
                f"An overlap of {overlap} leaves less than one sample per segment. Choose a smaller one."
            )
        return length


def relative_work(parts: Sequence[Part]) -> float:
    """Return the work of networks with their runs, relative to one run of each with the overlap of its model."""
    work = [sum((1 - part.model.overlap) / (1 - run.overlap) for run in part.runs) for part in parts]
    return sum(work) / len(work)


def _runs(model: Model, length: int, overlap: float, shifts: int, draw: random.Random) -> tuple[Run, ...]:
    """Return one run over the song for each shift, or a single run without shifts."""
    context: Context = "around"
    if model.fixed_length == "inside":
        context = "inside"
    elif model.fixed_length is False:
        context = "none"
    if not shifts:
        return (Run(length, overlap, 0, context),)
    longest = int(LONGEST_SHIFT_S * model.sample_rate)
    # Demucs puts `longest` zeros before the song and starts reading at a random position among them.
    return tuple(Run(length, overlap, longest - draw.randint(0, longest), context) for _ in range(shifts))


def _run_of_audio_separator(model: Model, length: int, overlap: float, shifts: int) -> Run:
    """Return the pass of audio-separator over the song. Raises SettingError if the model has none."""
    if shifts:
        raise SettingError(
            "audio-separator has no random shifts. Use --shifts 0 with --chunks audio-separator."
        )
    if is_mdx_net(model) and model.n_fft is not None:
        return Run(length, overlap, model.n_fft // 2, chunks="mdx")
    if not is_mdx23c(model):
        raise SettingError(
            f"--chunks audio-separator is for MDX-Net and MDX23C, and {model.name} is neither. Leave it out."
        )
    stride = equal_parts(length, overlap)
    if stride is None:
        raise SettingError(
            f"audio-separator computes a whole number of estimates for each sample of MDX23C, so the overlap must be "
            f"one such as 0, 0.5, 0.75 or 0.875, not {overlap}."
        )
    return Run(length, overlap, length - stride, chunks="mdx23c")
