"""Table of `speed.py` from its measurements: medians, ratios within turns, and missed thresholds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engines import NATIVE
from process import Cost

OURS, REFERENCE = 0, 1  # columns of ours, and of the contender that `at_least` compares with


@dataclass(frozen=True, slots=True)
class Segment:
    """Cost of one segment in a warm process."""

    wall_s: float
    cpu_s: float


@dataclass(slots=True)
class Measured:
    """Figures of one contender, with runs in the order of the turns."""

    name: str
    songs: list[Cost] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    at_once: int = 1
    """Number of segments that it computes in parallel. Costs are for one segment."""
    engine: str = "–"
    """Engine that computed the network, as its process reports."""
    load_s: list[float] = field(default_factory=list)
    uncached_load_s: float | None = None
    first_output_s: list[float] = field(default_factory=list)
    installed_mb: int | None = None
    failed: str | None = None
    """Reason why the other figures are missing."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Song, network and machine of a run."""

    song_s: float
    segment_s: float
    segment_gflop: float | None
    peak_gflops: float | None
    """Peak of float32 products."""
    same_network: bool
    """Whether all contenders run the same network, so that their segments can be compared."""
    integer_peak: float | None = None
    """Peak of products of 16-bit integers."""
    gflop_as_floats: float = 0.0
    """Part of `segment_gflop` that the native engine computes on floats."""

    def least_s(self, engine: str) -> float | None:
        """Return the seconds that the operations of a segment need at the machine's peak. None: unknown."""
        if not self.segment_gflop or not self.peak_gflops:
            return None
        if engine != NATIVE:
            return self.segment_gflop / self.peak_gflops
        if not self.integer_peak:
            return None
        integers = self.segment_gflop - self.gflop_as_floats
        return integers / self.integer_peak + self.gflop_as_floats / self.peak_gflops


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Limits; None: no limit."""

    at_least: float | None = None
    """Lowest median ratio of the second contender's wall time to ours."""
    at_most_mb: float | None = None
    real_time: float | None = None
    first_output_s: float | None = None


def spread(values: Sequence[float], digits: int) -> str:
    """Format the median, with the lowest and highest of several values."""
    if not values:
        return "–"
    middle = f"{statistics.median(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def ratios(theirs: Sequence[float], ours: Sequence[float]) -> list[float]:
    """Return the ratios of theirs to ours, run by run."""
    return [their / our for their, our in zip(theirs, ours, strict=False)]


def table(measured: Sequence[Measured], setting: Setting) -> list[list[str]]:
    """Return rows of cells: the heading, then one row for each figure, with a column for each contender."""
    ours = measured[OURS]

    def row(name: str, cell: Callable[[Measured], str]) -> list[str]:
        return [name, *map(cell, measured)]

    def relative(values: Callable[[Measured], list[float]]) -> Callable[[Measured], str]:
        """Cells with ratios to ours."""
        return lambda one: "1" if one is ours else spread(ratios(values(one), values(ours)), 2)

    rows = [
        ["", *(one.name for one in measured)],
        row("engine", lambda one: one.engine),
        row("song, wall, s", lambda one: spread([cost.wall_s for cost in one.songs], 1)),
        row("song, wall, relative to ours", relative(lambda one: [cost.wall_s for cost in one.songs])),
        row("song, CPU, s", lambda one: spread([cost.cpu_s for cost in one.songs], 1)),
        row("song, CPU, relative to ours", relative(lambda one: [cost.cpu_s for cost in one.songs])),
        row(
            "song, times real time",
            lambda one: spread([setting.song_s / cost.wall_s for cost in one.songs], 2),
        ),
        row("peak memory, MB", lambda one: spread([cost.peak_bytes / 1e6 for cost in one.songs], 0)),
        row("load, s", lambda one: spread(one.load_s, 2)),
        row("load with an empty cache, s", lambda one: _number(one.uncached_load_s, 2)),
        row("first output, s", lambda one: spread(one.first_output_s, 2)),
        row("installed, MB", lambda one: _number(one.installed_mb, 0)),
    ]
    for name, values in (
        ("one segment, wall", lambda one: [cost.wall_s for cost in one.segments]),
        ("one segment, CPU", lambda one: [cost.cpu_s for cost in one.segments]),
    ):
        rows.append(row(f"{name}, s", lambda one, values=values: spread(values(one), 3)))
        if setting.same_network:
            rows.append(row(f"{name}, relative to ours", relative(values)))
    if setting.segment_gflop:
        work = setting.segment_gflop

        def rates(one: Measured) -> list[float]:
            return (
                [work / cost.wall_s for cost in one.segments] if setting.same_network or one is ours else []
            )

        def shares(one: Measured) -> list[float]:
            least_s = setting.least_s(one.engine)
            return [100 * least_s / work * rate for rate in rates(one)] if least_s else []

        rows.append(row("one segment, G operations/s", lambda one: spread(rates(one), 0)))
        rows.append(row("share of the peak, %", lambda one: spread(shares(one), 0)))
    return rows


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def text(rows: Sequence[Sequence[str]]) -> str:
    """Format rows as columns for a terminal."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        f"{row[0]:{widths[0]}}"
        + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    )


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Format rows as a Markdown table."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def missed_thresholds(measured: Sequence[Measured], setting: Setting, thresholds: Thresholds) -> list[str]:
    """Return the missed thresholds, one line each. Missing figures and any failure of ours count as missed."""
    ours = measured[OURS]
    walls = [cost.wall_s for cost in ours.songs]
    lines = [f"{ours.name} failed: {ours.failed}"] if ours.failed else []
    if thresholds.at_least is not None:
        theirs = [cost.wall_s for cost in measured[REFERENCE].songs] if len(measured) > REFERENCE else []
        pairs = ratios(theirs, walls)
        if not pairs or statistics.median(pairs) < thresholds.at_least:
            lines.append(f"{spread(pairs, 2)} times as fast, limit {thresholds.at_least:g}")
    if thresholds.at_most_mb is not None:
        peaks = [cost.peak_bytes / 1e6 for cost in ours.songs]
        if not peaks or max(peaks) > thresholds.at_most_mb:
            lines.append(f"{spread(peaks, 0)} MB, limit {thresholds.at_most_mb:g}")
    if thresholds.real_time is not None:
        speeds = [setting.song_s / wall for wall in walls]
        if not speeds or statistics.median(speeds) < thresholds.real_time:
            lines.append(f"{spread(speeds, 1)} times real time, limit {thresholds.real_time:g}")
    if thresholds.first_output_s is not None:
        firsts = ours.first_output_s
        if not firsts or statistics.median(firsts) > thresholds.first_output_s:
            lines.append(f"first output after {spread(firsts, 2)} s, limit {thresholds.first_output_s:g}")
    return lines
