"""What came of each song, of all songs together, and both as one object for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from unbraid.evaluation.score import SongScore, Summary, summarise


@dataclass
class SongReport:
    """One song: a score by each contender that could do it."""

    name: str
    duration_s: float = 0.0
    sample_rate: int = 0
    scores: dict[str, SongScore] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def as_object(songs: Sequence[SongReport]) -> dict[str, Any]:
    """Everything, for JSON; undefined values are null. See docs/evaluate.md."""
    return {
        "songs": [
            {
                "song": song.name,
                "duration_s": song.duration_s,
                "sample_rate": song.sample_rate,
                "scores": {name: asdict(score) for name, score in song.scores.items()},
                "warnings": song.warnings,
                "errors": song.errors,
            }
            for song in songs
        ],
        "summary": {name: asdict(summary) for name, summary in summaries(songs).items()},
    }


def summaries(songs: Sequence[SongReport]) -> Mapping[str, Summary]:
    """For each contender, in the order of their first score, what came of all songs that it could do."""
    contenders = dict.fromkeys(name for song in songs for name in song.scores)
    return {
        name: summarise([song.scores[name] for song in songs if name in song.scores]) for name in contenders
    }
