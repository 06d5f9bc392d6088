"""What songs cost in one's own AWS account. `cost.py` makes tables of it; prices are in `cost_prices.py`.

Songs have 4 minutes and arrive at random, evenly over the month (a Poisson process): the worst there is for a machine
that is paid for while it waits for more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from cost_prices import PRICES

SONG_S = 240
VOLUMES = (10, 1_000, 100_000)
"""Songs a month."""
HOURS = 730
"""In a month."""
ORIGINAL_USD = 13.66 / 10
"""A song, as the original's own estimate has it for ten a month."""

# Work. Measured: benchmarks/results/2026-11-23-htdemucs.md, 288 s of song in 138 s on two cores.
MEASURED = 138 / 288
"""Seconds for a second of song, htdemucs, two AVX-512 cores."""
SPREAD = 1.25
"""Estimate: what is lost when the work is spread over more cores."""
OLDER = 1.25
"""Estimate: Lambda's processors are slower, and may lack AVX-512."""
PUBLISHED = 5 / 180
"""Reported for htdemucs_6s on an RTX 3090 with TensorRT: 3 minutes in about 5 s (NVIDIA/TensorRT-RTX, issue 29)."""
PYTORCH = 2.0
"""Estimate: how much longer PyTorch takes than TensorRT."""
BANDWIDTH_GB_S = {"RTX 3090": 936, "T4": 320, "A10G": 600, "L4": 300}
"""Of the cards' memories, by their data sheets; such a network waits for its memory most of the time."""
AROUND_S = 12
"""Estimate for each song: fetching, decoding, writing stems and waveforms, sending them. The bundled model, network and
files together, takes 9 s for 288 s of song."""

# Waiting
IDLE_S = 15 * 60
"""Target tracking takes an instance away after 15 datapoints of a minute below the target."""
WOKEN_S = 180
"""Estimate: of the time that waking takes, what is paid: from the instance's start to the first song."""
WAKING_S = {
    "the queue's figures reach CloudWatch, once a minute": (30, 90),
    "the alarm sees them, and scaling begins": (30, 90),
    "an instance is found and started": (120, 240),
    "it fetches and unpacks the image": (60, 150),
    "the container loads the model": (20, 60),
}
"""Estimates, from and to; nobody has measured them with this stack."""
BUSY = 0.7
"""Estimate: the share of time in which instances work when many songs keep several of them up."""

# What a song moves and writes
INPUT_GB, STEMS_GB, LISTENED_GB = 0.0096, 2 * 240 * 44_100 * 4 / 1e9, 0.048
"""An MP3 of 320 kbit/s; two stems as WAV; both once more as FLAC chunks, for the player."""
KEPT_MONTHS = 7 / 30.4
BEAT_S = 0.8
"""Progress is written so often while a song is worked on."""
UNITS = 9
"""Write units of one: an item of up to 3 KB in the table, and moved within the index by state."""
CALLS = 30
"""Of the HTTP API: upload, process, some status calls and their preflights, a look at the history."""
MINUTES = 15
"""For which a page watches."""
FUNCTION_GB, FUNCTION_S = 0.5, 0.15

# What is there without any song. Sizes are estimates.
ALARMS = {"gpu": 10, "cpu": 5}
"""With those that scale the endpoint."""
METRICS = 6
"""Of songs, by function: AWS counts only hours in which one is sent, and those of faults are rare."""
IMAGES_GB = {"gpu": 2 * 4.6, "cpu": 2 * 0.5}
LOGS_GB = 0.2
UPKEEPS = 60 * HOURS + HOURS
"""Calls of the function that looks after lost and expired songs."""
BUILD_MIN = 25


@dataclass(frozen=True, slots=True)
class Machine:
    """Something that separates songs, one at a time."""

    name: str
    rate: float
    """Seconds for a second of song."""
    lambda_gb: float = 0.0
    """Memory of a function; 0: an instance, paid by the hour."""

    @property
    def song_s(self) -> float:
        """For one song, all in all."""
        return AROUND_S + SONG_S * self.rate

    @property
    def busy_usd(self) -> float:
        """One song on a machine that is up and does nothing else."""
        if self.lambda_gb:
            disk = PRICES["Lambda disk"].usd * self.lambda_gb  # as much as memory
            return self.song_s * (PRICES["Lambda x86"].usd * self.lambda_gb + disk)
        return self.song_s * PRICES[self.name].usd / 3600


def card(name: str) -> float:
    """Estimate for a graphics card, from the published figure."""
    return PUBLISHED * BANDWIDTH_GB_S["RTX 3090"] / BANDWIDTH_GB_S[name] * PYTORCH


def cores(count: int) -> float:
    """Estimate for so many cores, from the measured figure."""
    return MEASURED * 2 / count * SPREAD


GPU = Machine("ml.g4dn.xlarge", card("T4"))
FUNCTION = Machine("Lambda, 10 GB", cores(6) * OLDER, 10)
MACHINES = (
    GPU,
    Machine("ml.g5.xlarge", card("A10G")),
    Machine("ml.g6.xlarge", card("L4")),
    Machine("ml.c7i.xlarge", cores(4)),
    Machine("ml.c7i.2xlarge", cores(8)),
    FUNCTION,
)


def hours(machine: Machine, songs: float) -> float:
    """Of instances, that are paid for in a month.

    Each song keeps an instance up for its own time and the wait after it. With songs at random, the hour has at least
    one such time at any moment with the probability 1 - exp(-songs an hour * hours) (the busy share of an M/D/∞ queue),
    and a song that comes to none of them wakes one.
    """
    stays_h = (machine.song_s + IDLE_S) / 3600
    asleep = math.exp(-songs / HOURS * stays_h)
    one = HOURS * (1 - asleep) + songs * asleep * WOKEN_S / 3600
    return max(one, songs * machine.song_s / 3600 / BUSY)


def compute_usd(machine: Machine, songs: float) -> float:
    """For separating, in a month; the functions' free allowance is not taken off."""
    if machine.lambda_gb:
        return songs * machine.busy_usd
    return hours(machine, songs) * PRICES[machine.name].usd


def requests(machine: Machine, songs: float) -> dict[str, float]:
    """Units in a month of what is paid by use, besides separating."""
    beats = machine.song_s / BEAT_S
    questions = MINUTES * 3  # a page's, through its socket
    calls = CALLS + beats + questions + 10  # `tell` is called for each change, at worst
    return {
        "HTTP API": songs * CALLS,
        "WebSocket messages": songs * (beats + questions * 2 + 10),
        "WebSocket minutes": songs * MINUTES,
        "Lambda calls": songs * calls,
        "Lambda arm64": songs * calls * FUNCTION_GB * FUNCTION_S,
        "DynamoDB writes": songs * (beats + 10) * UNITS,
        "DynamoDB reads": songs * (beats + CALLS) * 2,
        "S3 writes": songs * 20,
        "S3 reads": songs * 120,  # the player fetches chunks of 5 s
        "SNS": songs * 2,
        "SQS": songs * 4 if machine.lambda_gb else 0,
        "CloudWatch logs": songs * 40e-6,
        # Lambda traces one call a second, and one of twenty beyond.
        "X-Ray traces": min(songs * calls, HOURS * 3600 + songs * calls / 20),
        "S3 storage": songs * (INPUT_GB + STEMS_GB + LISTENED_GB) * KEPT_MONTHS,
        "Transfer out": songs * (STEMS_GB + LISTENED_GB),
    }


def standing(machine: Machine) -> dict[str, float]:
    """Units in a month of what is there without any song, with one deployment."""
    kind = "cpu" if machine.lambda_gb else "gpu"
    return {
        "ECR storage": IMAGES_GB[kind],
        "CloudWatch alarms": ALARMS[kind],
        "CloudWatch dashboards": 1,
        "CloudWatch metrics": METRICS,
        "CloudWatch logs": LOGS_GB,
        "Lambda calls": UPKEEPS,
        "Lambda arm64": UPKEEPS * FUNCTION_GB * FUNCTION_S,
        "X-Ray traces": UPKEEPS,
        "DynamoDB reads": UPKEEPS * 3,
        "DynamoDB recovery": 0.01,
        "CodeBuild": BUILD_MIN,
    }


def usd(units: Mapping[str, float], free: bool) -> float:
    """What they cost; with `free`, after what every account has for nothing."""
    return sum(
        max(count - (PRICES[name].free if free else 0.0), 0.0) * PRICES[name].usd
        for name, count in units.items()
    )


def total_usd(machine: Machine, songs: float, free: bool = False) -> float:
    """All of it, in a month."""
    units = standing(machine)
    for name, count in requests(machine, songs).items():
        units[name] = units.get(name, 0.0) + count
    separating = compute_usd(machine, songs)
    if free and machine.lambda_gb:
        gb_s = songs * machine.song_s * machine.lambda_gb
        separating -= min(PRICES["Lambda x86"].free, gb_s) * PRICES["Lambda x86"].usd
    return separating + usd(units, free)


def even(first: Machine, second: Machine) -> float | None:
    """Songs a month from which `second` separates for less than `first`; None: for no number up to a million."""
    low, high = 1.0, 1e6
    if compute_usd(second, high) >= compute_usd(first, high):
        return None
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        if compute_usd(second, middle) < compute_usd(first, middle):
            high = middle
        else:
            low = middle
    return high
