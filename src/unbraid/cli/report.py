"""The JSON object that `unbraid separate --json` prints for each song."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from unbraid.cli.messages import message_of
from unbraid.errors import Cancelled, UnbraidError

if TYPE_CHECKING:
    from unbraid.separation import Result

DONE, FAILED, CANCELLED = "done", "failed", "cancelled"


@dataclass(frozen=True)
class Report:
    """The JSON object of one song."""

    input: str
    status: str
    model: str | None = None
    files: dict[str, str] = field(default_factory=dict)
    duration_s: float | None = None
    seconds: float | None = None
    realtime_factor: float | None = None
    gain: float | None = None
    bpm: float | None = None
    key: str | None = None
    beats: list[float] = field(default_factory=list)
    then: dict[str, dict[str, object]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    error: str | None = None

    @classmethod
    def of(cls, song: str, outcome: Result | UnbraidError) -> Report:
        """Report the result or the error of `song`."""
        if isinstance(outcome, Cancelled):
            return cls(song, CANCELLED)
        if isinstance(outcome, UnbraidError):
            return cls(song, FAILED, error=message_of(outcome))
        return cls(
            song,
            DONE,
            model=outcome.model,
            files={stem: str(path) for stem, path in outcome.files.items()},
            duration_s=round(outcome.duration_s, 6),
            seconds=round(outcome.seconds, 3),
            realtime_factor=round(outcome.duration_s / outcome.seconds, 2),
            gain=round(outcome.gain, 6),
            bpm=outcome.bpm,
            key=outcome.key,
            beats=[round(float(beat), 3) for beat in outcome.beats],
            then={
                stem: {"model": second.model, "gain": round(second.gain, 6)}
                for stem, second in outcome.then.items()
            },
            warnings=[str(warning) for warning in outcome.warnings],
        )
