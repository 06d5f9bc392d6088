"""The table of `speed.py` from what was measured: medians, ratios of pairs, and whether they suffice."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engines import NATIVE
from process import Cost

FIRST, SECOND = 0, 1  # of the contenders: ours, and the one that the thresholds are about


@dataclass(frozen=True, slots=True)
class Segment:
    """What one segment cost in a process that is warm."""

    wall_s: float
    cpu_s: float


@dataclass(slots=True)
class Measured:
    """One contender's figures; runs are in the order in which they took turns with the others'."""

    name: str
    songs: list[Cost] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    at_once: int = 1
    """Segments that it computes side by side; the costs are those of one."""
    engine: str = "–"
    """What computes the network, as the process that did it says."""
    load_s: list[float] = field(default_factory=list)
    uncached_load_s: float | None = None
    first_output_s: list[float] = field(default_factory=list)
    installed_mb: int | None = None
    failed: str | None = None
    """Why the rest wasn't measured."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What all figures are about."""

    song_s: float
    segment_s: float
    segment_gflop: float | None
    peak_gflops: float | None
    """Of floats."""
    same_network: bool
    """Whether all contenders run the same network, so that segments can be compared."""
    integer_peak: float | None = None
    """The same of products of 16-bit integers."""
    gflop_as_floats: float = 0.0
    """Those of `segment_gflop` that the native engine doesn't compute on integers."""

    def least_s(self, engine: str) -> float | None:
        """How long the operations of a segment take at the machine's peak; None: it isn't known."""
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
    """What has to hold; None asks for nothing."""

    at_least: float | None = None
    """Ratio of wall times, the second contender's by ours, the median of the pairs."""
    at_most_mb: float | None = None
    real_time: float | None = None
    first_output_s: float | None = None


def spread(values: Sequence[float], digits: int) -> str:
    """Median, and least to most where there are several."""
    if not values:
        return "–"
    middle = f"{statistics.median(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def ratios(theirs: Sequence[float], ours: Sequence[float]) -> list[float]:
    """Theirs by ours, run by run, as they took turns."""
    return [their / our for their, our in zip(theirs, ours, strict=False)]


def table(measured: Sequence[Measured], scene: Scene) -> list[list[str]]:
    """Rows of cells, the heading first; a column for each contender."""
    ours = measured[FIRST]

    def row(name: str, cell: Callable[[Measured], str]) -> list[str]:
        return [name, *map(cell, measured)]

    def against(values: Callable[[Measured], list[float]]) -> Callable[[Measured], str]:
        """Cells of ratios; where ours stands, nothing."""
        return lambda one: "1" if one is ours else spread(ratios(values(one), values(ours)), 2)

    rows = [
        ["", *(one.name for one in measured)],
        row("engine", lambda one: one.engine),
        row("song, wall, s", lambda one: spread([cost.wall_s for cost in one.songs], 1)),
        row("song, wall, as many times ours", against(lambda one: [cost.wall_s for cost in one.songs])),
        row("song, CPU, s", lambda one: spread([cost.cpu_s for cost in one.songs], 1)),
        row("song, CPU, as many times ours", against(lambda one: [cost.cpu_s for cost in one.songs])),
        row(
            "song, times real time", lambda one: spread([scene.song_s / cost.wall_s for cost in one.songs], 2)
        ),
        row("peak memory, MB", lambda one: spread([cost.peak_bytes / 1e6 for cost in one.songs], 0)),
        row("load, s", lambda one: spread(one.load_s, 2)),
        row("load with nothing cached, s", lambda one: _number(one.uncached_load_s, 2)),
        row("first output, s", lambda one: spread(one.first_output_s, 2)),
        row("installed, MB", lambda one: _number(one.installed_mb, 0)),
    ]
    for name, values in (
        ("one segment, wall", lambda one: [cost.wall_s for cost in one.segments]),
        ("one segment, CPU", lambda one: [cost.cpu_s for cost in one.segments]),
    ):
        rows.append(row(f"{name}, s", lambda one, values=values: spread(values(one), 3)))
        if scene.same_network:
            rows.append(row(f"{name}, as many times ours", against(values)))
    if scene.segment_gflop:
        work = scene.segment_gflop

        def rates(one: Measured) -> list[float]:
            return [work / cost.wall_s for cost in one.segments] if scene.same_network or one is ours else []

        def shares(one: Measured) -> list[float]:
            least_s = scene.least_s(one.engine)
            return [100 * least_s / work * rate for rate in rates(one)] if least_s else []

        rows.append(row("one segment, G operations/s", lambda one: spread(rates(one), 0)))
        rows.append(row("share of the peak, %", lambda one: spread(shares(one), 0)))
    return rows


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def text(rows: Sequence[Sequence[str]]) -> str:
    """For a terminal, in columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        f"{row[0]:{widths[0]}}"
        + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    )


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """For a page."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def broken(measured: Sequence[Measured], scene: Scene, thresholds: Thresholds) -> list[str]:
    """The thresholds that don't hold, one line each. What couldn't be measured doesn't hold, ours in any case."""
    ours = measured[FIRST]
    walls = [cost.wall_s for cost in ours.songs]
    lines = [f"{ours.name} failed: {ours.failed}"] if ours.failed else []
    if thresholds.at_least is not None:
        theirs = [cost.wall_s for cost in measured[SECOND].songs] if len(measured) > SECOND else []
        pairs = ratios(theirs, walls)
        if not pairs or statistics.median(pairs) < thresholds.at_least:
            lines.append(f"{spread(pairs, 2)} times as fast, not {thresholds.at_least:g}")
    if thresholds.at_most_mb is not None:
        peaks = [cost.peak_bytes / 1e6 for cost in ours.songs]
        if not peaks or max(peaks) > thresholds.at_most_mb:
            lines.append(f"{spread(peaks, 0)} MB, not {thresholds.at_most_mb:g}")
    if thresholds.real_time is not None:
        speeds = [scene.song_s / wall for wall in walls]
        if not speeds or statistics.median(speeds) < thresholds.real_time:
            lines.append(f"{spread(speeds, 1)} times real time, not {thresholds.real_time:g}")
    if thresholds.first_output_s is not None:
        firsts = ours.first_output_s
        if not firsts or statistics.median(firsts) > thresholds.first_output_s:
            lines.append(f"first output after {spread(firsts, 2)} s, not {thresholds.first_output_s:g}")
    return lines
