"""The JSON object that `unbraid separate --json` prints for each song, and which files count as songs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from unbraid.audio.named import is_named_audio
from unbraid.cli.messages import message_of
from unbraid.errors import Cancelled, NotAudio, UnbraidError

if TYPE_CHECKING:
    from unbraid.separation import Result

DONE, SKIPPED, NOT_AUDIO, FAILED, CANCELLED = "done", "skipped", "not_audio", "failed", "cancelled"

# Name of the event that ends a song, by its status.
_EVENTS = {DONE: "finished", NOT_AUDIO: SKIPPED}


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

    OTHERS: ClassVar = (SKIPPED, NOT_AUDIO, FAILED, CANCELLED)
    """All statuses but DONE."""

    @property
    def event(self) -> str:
        """Name of the event: finished, skipped, failed or cancelled."""
        return _EVENTS.get(self.status, self.status)

    @classmethod
    def of(cls, song: str, outcome: Result | UnbraidError, *, is_only: bool = False) -> Report:
        """Report the result or the error of `song`. `is_only`: whether the user named no other file."""
        if isinstance(outcome, Cancelled):
            return cls(song, CANCELLED)
        if isinstance(outcome, NotAudio) and not is_only and not is_named_audio(song):
            return cls(song, NOT_AUDIO, error=message_of(outcome))
        if isinstance(outcome, UnbraidError):
            return cls(song, FAILED, error=message_of(outcome))
        return cls(
            song,
            SKIPPED if outcome.skipped else DONE,
            model=outcome.model,
            files={stem: str(path) for stem, path in outcome.files.items()},
            duration_s=round(outcome.duration_s, 6),
            seconds=round(outcome.seconds, 3),
            realtime_factor=None if outcome.skipped else round(outcome.duration_s / outcome.seconds, 2),
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
