"""Reports of scored songs, and their summary as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from unbraid.evaluation.score import SongScore, Summary, summarise


@dataclass
class SongReport:
    """Scores of one song by contender; contenders that failed are missing."""

    name: str
    duration_s: float = 0.0
    sample_rate: int = 0
    scores: dict[str, SongScore] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def to_dict(songs: Sequence[SongReport]) -> dict[str, Any]:
    """Convert reports and summary to JSON values, as docs/evaluate.md describes; undefined values are null."""
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
    """Summarise the scored songs of each contender, in the order of their first score."""
    contenders = dict.fromkeys(name for song in songs for name in song.scores)
    return {
        name: summarise([song.scores[name] for song in songs if name in song.scores]) for name in contenders
    }
