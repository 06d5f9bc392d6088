"""Scores as tables for people and as one object for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from unbraid.evaluation.bsseval import BssEval
from unbraid.evaluation.multitrack import display_order
from unbraid.evaluation.score import SongScore, Summary, summarise

NOTHING = "-"  # not scored
SILENT = "silent"  # the reference is


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
        "summary": {name: asdict(summary) for name, summary in _summaries(songs).items()},
    }


def as_text(songs: Sequence[SongReport]) -> str:
    """Tables of SDR, of BSSEval where it was asked for, and the levels where references are silent."""
    summaries = _summaries(songs)
    if not summaries:
        return ""
    scored = [song for song in songs if song.scores]
    one = len(scored) == 1
    columns = display_order({stem for summary in summaries.values() for stem in summary.mean_sdr})
    title = f"{scored[0].name} ({scored[0].duration_s:.1f} s)" if one else f"{len(scored)} songs"
    rows: list[list[str]] = [["", *columns, "mean"]]
    for contender, summary in summaries.items():
        if one:
            rows.append([contender, *_sdr_cells(scored[0].scores[contender], columns)])
            continue
        rows.append([contender])
        rows += [
            [f"  {song.name}", *_sdr_cells(song.scores[contender], columns)]
            for song in scored
            if contender in song.scores
        ]
        rows.append(
            ["  mean of songs", *(_number(summary.mean_sdr.get(c)) for c in columns), _number(summary.mean)]
        )
        rows.append(
            ["  median", *(_number(summary.median_sdr.get(c)) for c in columns), _number(summary.median)]
        )
    parts = [f"SDR in dB over the whole song (Music Demixing Challenge): {title}\n", _table(rows)]
    levels = list(_levels(scored))
    if levels:
        parts.append("\nThe reference is silent; level of the estimate against the mixture, in dB:\n")
        parts.append(_table(levels))
    if any(summary.median_bsseval for summary in summaries.values()):
        of = "" if one else ", median of songs"
        parts.append(f"\nBSSEval v4 in dB, median over windows of 1 s{of}\n")
        rows = [["", "", *(ratio.name.upper() for ratio in fields(BssEval))]]
        for contender, summary in summaries.items():
            for stem, ratios in summary.median_bsseval.items():
                rows.append([contender, stem, *(_number(value) for value in asdict(ratios).values())])
        parts.append(_table(rows))
    return "".join(parts)


def _summaries(songs: Sequence[SongReport]) -> Mapping[str, Summary]:
    contenders = dict.fromkeys(name for song in songs for name in song.scores)
    return {
        name: summarise([song.scores[name] for song in songs if name in song.scores]) for name in contenders
    }


def _sdr_cells(score: SongScore, columns: Sequence[str]) -> list[str]:
    cells = []
    for name in columns:
        stem = score.stems.get(name)
        cells.append(SILENT if stem and stem.sdr is None else _number(stem.sdr if stem else None))
    return [*cells, _number(score.mean_sdr)]


def _levels(songs: Sequence[SongReport]) -> Iterator[list[str]]:
    for song in songs:
        for contender, score in song.scores.items():
            for name, stem in score.stems.items():
                if stem.level_db is not None:
                    yield [contender, song.name, name, _number(stem.level_db)]


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Columns of text to the left, those of numbers (all that have a number anywhere) to the right."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(max(len(row) for row in rows))]
    numeric = [any(_is_number(row[i]) for row in rows if i < len(row)) for i in range(len(widths))]
    numeric[0] = False
    lines = []
    for row in rows:
        cells = [cell.rjust(widths[i]) if numeric[i] else cell.ljust(widths[i]) for i, cell in enumerate(row)]
        lines.append("  ".join(cells).rstrip() + "\n")
    return "".join(lines)


def _is_number(cell: str) -> bool:
    return cell == NOTHING or cell.removeprefix("-").replace(".", "", 1).isdigit()


def printable(text: str) -> str:
    """`text` on one line, with control characters and undecodable bytes spelt out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
