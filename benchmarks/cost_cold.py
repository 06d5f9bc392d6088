"""Cost and latency of one song when nothing is running, and of a song cut over many functions at once.

Each figure is a range. The lower end takes the lower end of every estimate, and a virtual processor of Lambda for a
whole core. The upper end takes the upper ends, and a virtual processor for one thread of a busy core.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cost_model import (
    HOURS,
    MACHINES,
    OTHER_S,
    SANDBOX_S,
    SONG_S,
    START_S,
    TASK_START_S,
    Machine,
    compute_usd,
    function,
    task,
)
from cost_prices import PRICES
from cost_speed import AVX2, LAMBDA, LAMBDA_BEST, LOAD, MB_PER_CPU, WORK, Processor

USD_LIMIT, COLD_LIMIT_S = 0.01, 15
"""Wanted: separating a song costs at most that many dollars, and takes at most so long when nothing is running."""
CALL_S = (0.5, 2)
"""Estimate: the call reaches the function, through the API and the queue."""
PING_MIN, PING_S = 5, 0.2
"""Calls that keep a sandbox, and their estimated billed seconds."""
SHORT_SONG_S = 180
SEGMENT_STEP_S = {"htdemucs": 7.8 * 0.75, "spleeter": 180 / 21}
"""Seconds of song for each segment, by model."""
READ_CORE_S = 0.3
"""Core seconds to decode the whole song for its length, mean and deviation: results of 2026-11-29, cut song."""
STITCH_S = OTHER_S + 2
"""Estimated seconds to fetch all pieces (100 MB at 45 MB/s), and what each song takes besides. Adding up and writing
take about as long as writing does in one function: the same results.
"""
AT_START = ("compiled at each start", LOAD["htdemucs"])
SMALL = ("compiled at each start", LOAD["spleeter"])
IN_IMAGE = ("compiled in the image", 1.75)
"""Load with a cached network: results of 2026-11-23, speed, taken as one core's."""
NATIVE = ("a C library for AVX2", 0.7)
"""Load of the C library with an empty cache: the same results. Measured with AVX-512 VNNI."""

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Cold:
    """One configuration: dollars and seconds for one song from nothing."""

    name: str
    model: str
    usd: Range
    cold_s: Range
    quiet_usd: float | None = None
    """Dollars a song at 1,000 songs a month, if idle time is billed."""

    @property
    def cheap(self) -> str:
        """Whether it costs at most USD_LIMIT."""
        highest = self.quiet_usd or self.usd[1]
        return _verdict((self.quiet_usd or self.usd[0], highest), USD_LIMIT)

    @property
    def quick(self) -> str:
        """Whether it takes at most COLD_LIMIT_S."""
        return _verdict(self.cold_s, COLD_LIMIT_S)


def _verdict(ends: Range, limit: float) -> str:
    return "yes" if ends[1] <= limit else "perhaps" if ends[0] <= limit else "no"


def of_function(memory_mb: int, model: str, song_s: float = SONG_S) -> Cold:
    """Return the figures of a single function."""
    usd, seconds = [], []
    for processor, call, sandbox in zip((LAMBDA_BEST, LAMBDA), CALL_S, SANDBOX_S, strict=True):
        machine = function(memory_mb, model, processor, sandbox)
        billed = machine.start_s + OTHER_S + song_s * machine.rate
        usd.append(machine.busy_usd * billed / machine.song_s)
        seconds.append(call + billed)
    name = function(memory_mb, model).name
    return Cold(name, model, (usd[0], usd[1]), (seconds[0], seconds[1]))


def warm_function(model: str) -> Cold:
    """Return the figures of a function of 10,240 MB whose sandbox is still there, with the model loaded."""
    usd, seconds = [], []
    for processor, call in zip((LAMBDA_BEST, LAMBDA), CALL_S, strict=True):
        machine = replace(function(10_240, model, processor), start_s=0)
        usd.append(machine.busy_usd)
        seconds.append(call + machine.song_s)
    return Cold("warm", model, (usd[0], usd[1]), (seconds[0], seconds[1]))


def ping_usd(memory_mb: int = 10_240) -> float:
    """Return the cost a month of a call every PING_MIN minutes that keeps a function warm."""
    calls = HOURS * 60 / PING_MIN
    return calls * (PING_S * PRICES["Lambda x86"].usd * memory_mb / 1024 + PRICES["Lambda calls"].usd)


def of_endpoint(machine: Machine) -> Cold:
    """Return the figures of an endpoint that has scaled to zero."""
    low, high = map(sum, zip(*START_S.values(), strict=True))
    cost = compute_usd(machine, 1_000) / 1_000
    busy = machine.busy_usd
    return Cold(
        machine.name, machine.model, (busy, busy), (low + machine.song_s, high + machine.song_s), cost
    )


def of_task() -> Cold:
    """Return the figures of a Fargate Spot task."""
    ends = [task(one, start) for one, start in zip((LAMBDA_BEST, LAMBDA), TASK_START_S, strict=True)]
    usd = (ends[0].busy_usd, ends[1].busy_usd)
    return Cold(ends[0].name, "htdemucs", usd, (CALL_S[0] + ends[0].song_s, CALL_S[1] + ends[1].song_s))


def configurations() -> Sequence[Cold]:
    """Return the configurations to choose from, for a song of SONG_S."""
    instances = [of_endpoint(machine) for machine in MACHINES if not machine.on_demand]
    functions = [of_function(mb, model) for model in ("htdemucs", "spleeter") for mb in (10_240, 3_008)]
    return [*instances, of_task(), *functions]


@dataclass(frozen=True, slots=True)
class Fan:
    """A song cut over functions. Each one reads the whole song, and the last to finish stitches."""

    memory_mb: int
    functions: int
    loading: tuple[str, float]
    """How the network gets ready, and its core seconds."""
    model: str = "htdemucs"

    @property
    def segments(self) -> int:
        """Segments of the function with the most of them."""
        return math.ceil(all_segments(self.model) / self.functions)

    def one(self, processor: Processor, sandbox_s: float) -> float:
        """Return the billed seconds of one function, without stitching."""
        cpus = self.memory_mb / MB_PER_CPU
        alone = processor.load_s(self.loading[1] + READ_CORE_S) / min(cpus, 1)
        work = WORK[self.model, AVX2] * SEGMENT_STEP_S[self.model]
        segment = work / (cpus * processor.cores) * processor.slowdown
        return sandbox_s + alone + self.segments * segment

    def figures(self) -> Cold:
        """Return dollars and seconds for a song of SHORT_SONG_S."""
        usd, seconds = [], []
        gb_s = PRICES["Lambda x86"].usd * self.memory_mb / 1024
        for processor, call, sandbox in zip((LAMBDA_BEST, LAMBDA), CALL_S, SANDBOX_S, strict=True):
            one = self.one(processor, sandbox)
            usd.append((one * self.functions + STITCH_S) * gb_s + self.functions * PRICES["Lambda calls"].usd)
            seconds.append(call + one + STITCH_S)
        return Cold(
            f"{self.functions} x {self.memory_mb:,} MB, {self.loading[0]}",
            self.model,
            (usd[0], usd[1]),
            (seconds[0], seconds[1]),
        )


def all_segments(model: str = "htdemucs") -> int:
    """Return the segments of a song of SHORT_SONG_S."""
    return math.ceil(SHORT_SONG_S / SEGMENT_STEP_S[model])


def uncut() -> Sequence[Cold]:
    """Return the same song in one function, for comparison."""
    return [of_function(10_240, model, SHORT_SONG_S) for model in ("spleeter", "htdemucs")]


def fans() -> Sequence[Fan]:
    """Return the ways to cut a song that the page compares.

    A new account has 10 functions at once, the API's included: 6 are left for songs.
    """
    whole, small = all_segments(), all_segments("spleeter")
    return [
        Fan(3_008, 6, SMALL, "spleeter"),
        Fan(3_008, small, SMALL, "spleeter"),
        Fan(10_240, 4, SMALL, "spleeter"),
        Fan(3_008, 6, AT_START),
        Fan(1_769, whole, AT_START),
        Fan(3_008, whole, AT_START),
        Fan(1_769, whole, IN_IMAGE),
        Fan(3_008, whole, IN_IMAGE),
        Fan(1_769, whole, NATIVE),
        Fan(3_008, whole, NATIVE),
        Fan(10_240, whole, NATIVE),
    ]
