"""The result of separating a song into files."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unbraid.analysis import Music
from unbraid.errors import SongWarning

VIDEO = "video"  # key of the video in Result.files


@dataclass(frozen=True, slots=True)
class SecondResult:
    """How one stem was separated further."""

    model: str
    """Name of the second model."""
    gain: float
    """Factor that all parts of the stem were multiplied by to prevent clipping; 1 if none would clip."""

    @property
    def lowered_db(self) -> float:
        """`gain` in dB as a positive number; 0 if no part would clip."""
        return lowered_db(self.gain)


@dataclass(frozen=True, slots=True)
class Result:
    """The stems of one song on disk, and how they were made."""

    files: dict[str, Path]
    """Stem name -> file; with `video=True` also "video" -> the video with the accompaniment as its sound.
    A part of a stem has the name "STEM.PART"."""
    duration_s: float
    """Length of the song."""
    sample_rate: int
    """Sample rate of the files in Hz."""
    warnings: tuple[SongWarning, ...]
    """Problems of the song that didn't stop the work; `str()` gives a line for each."""
    seconds: float
    """Working time, from the first reading of the song until its files are in place.

    The wait for other songs doesn't count. Time in which a Separator works on two songs counts half for each.
    """
    model: str
    """Name of the model."""
    gain: float
    """Factor that all stems were multiplied by to prevent clipping; 1 if none would clip."""
    then: dict[str, SecondResult] = field(default_factory=dict)
    """The stems that were separated further."""
    skipped: bool = False
    """Whether the song was skipped because these files were there already. `seconds` is 0 then."""
    music: Music = field(default_factory=Music)
    """Tempo, beats and key, heard in the stems. The tags of the song may have others."""

    @property
    def bpm(self) -> float | None:
        """Tempo in beats per minute; None if there is no clear beat."""
        return self.music.bpm

    @property
    def key(self) -> str | None:
        """The key, such as `A minor`; None if there is no clear one."""
        return self.music.key

    @property
    def beats(self) -> NDArray[np.float64]:
        """Times of the beats in seconds, (beats,)."""
        return self.music.beats

    @property
    def lowered_db(self) -> float:
        """`gain` in dB as a positive number; 0 if no stem would clip."""
        return lowered_db(self.gain)


def lowered_db(gain: float) -> float:
    """Return `gain` in dB as a positive number."""
    return max(0.0, -20 * math.log10(gain))
