"""Print scores as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields

from unbraid.cli.messages import printable
from unbraid.evaluation.bsseval import BssEval
from unbraid.evaluation.multitrack import display_order
from unbraid.evaluation.report import SongReport, summaries
from unbraid.evaluation.score import SongScore

NOT_SCORED = "-"
SILENT = "silent"  # silent reference


def as_text(songs: Sequence[SongReport]) -> str:
    """Format tables of SDR, of BSSEval if it was computed, and of the levels where references are silent."""
    contenders = summaries(songs)
    if not contenders:
        return ""
    scored = [song for song in songs if song.scores]
    one = len(scored) == 1
    columns = display_order({stem for summary in contenders.values() for stem in summary.mean_sdr})
    title = f"{scored[0].name} ({scored[0].duration_s:.1f} s)" if one else f"{len(scored)} songs"
    rows: list[list[str]] = [["", *columns, "mean"]]
    for contender, summary in contenders.items():
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
        parts.append("\nSilent reference: level of the estimate relative to the mixture, in dB:\n")
        parts.append(_table(levels))
    if any(summary.median_bsseval for summary in contenders.values()):
        over_songs = "" if one else ", median of songs"
        parts.append(f"\nBSSEval v4 in dB, median over windows of 1 s{over_songs}\n")
        rows = [["", "", *(ratio.name.upper() for ratio in fields(BssEval))]]
        for contender, summary in contenders.items():
            for stem, ratios in summary.median_bsseval.items():
                rows.append([contender, stem, *(_number(value) for value in asdict(ratios).values())])
        parts.append(_table(rows))
    return "".join(parts)


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
    return NOT_SCORED if value is None else f"{value:.2f}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Align columns of text left and columns with numbers right."""
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
    return cell == NOT_SCORED or cell.removeprefix("-").replace(".", "", 1).isdigit()
