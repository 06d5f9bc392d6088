"""Model of the costs of songs in an AWS account. `cost.py` prints its tables; `cost_prices.py` has the prices.

Songs have 4 minutes and arrive at random, evenly over the month (a Poisson process). That is the worst case for an
instance that is billed while it waits for the next song.
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
"""Hours in a month."""
ORIGINAL_USD = 13.66 / 10
"""Cost of a song by the original project's own estimate, for ten songs a month."""

# Work. Measured: benchmarks/results/2026-11-23-htdemucs.md, 288 s of song in 138 s on two cores.
CPU_S_PER_S = 138 / 288
"""Seconds of work for one second of song, with htdemucs on two AVX-512 cores."""
SPREAD_SLOWDOWN = 1.25
"""Estimated slowdown because work is spread over more cores."""
LAMBDA_SLOWDOWN = 1.25
"""Estimated slowdown on Lambda: its processors are slower, and may lack AVX-512."""
GPU_S_PER_S = 5 / 180
"""Reported for htdemucs_6s on an RTX 3090 with TensorRT: 3 minutes in about 5 s (NVIDIA/TensorRT-RTX, issue 29)."""
PYTORCH_SLOWDOWN = 2.0
"""Estimated ratio of PyTorch's time to TensorRT's."""
BANDWIDTH_GB_S = {"RTX 3090": 936, "T4": 320, "A10G": 600, "L4": 300}
"""Memory bandwidth of the cards, from their data sheets. It limits such a network."""
OTHER_S = 12
"""Estimated seconds for each song besides separating: download, decoding, writing stems and waveforms, upload.

The bundled model takes 9 s for 288 s of song, network and files together."""

# Idle and start-up time
IDLE_S = 15 * 60
"""Target tracking removes an instance after 15 datapoints, one a minute, below the target."""
BILLED_START_S = 180
"""Estimate: billed part of the start-up time, from the instance's start to the first song."""
START_S = {
    "the queue's figures reach CloudWatch, once a minute": (30, 90),
    "the alarm sees them, and scaling begins": (30, 90),
    "an instance is found and started": (120, 240),
    "it fetches and unpacks the image": (60, 150),
    "the container loads the model": (20, 60),
}
"""Estimates, lowest and highest. They have not been measured with this stack."""
BUSY = 0.7
"""Estimated share of time in which instances work, if many songs keep several of them running."""

# Transfer and requests of a song
INPUT_GB, STEMS_GB, LISTENED_GB = 0.0096, 2 * 240 * 44_100 * 4 / 1e9, 0.048
"""An MP3 of 320 kbit/s; two stems as WAV; the same two as FLAC chunks for the player."""
STORED_MONTHS = 7 / 30.4
"""Months until files are deleted: a week."""
PROGRESS_INTERVAL_S = 0.8
"""Interval at which progress is written during a separation."""
UPDATE_UNITS = 9
"""Write units of one update: an item of up to 3 KB in the table, and its move in the index by state."""
CALLS = 30
"""Calls of the HTTP API: upload, process, some status calls and their preflights, and the history."""
MINUTES = 15
"""Minutes that a page keeps its WebSocket open."""
FUNCTION_GB, FUNCTION_S = 0.5, 0.15

# Fixed costs, without any song. Sizes are estimates.
ALARMS = {"gpu": 10, "cpu": 5}
"""Including those that scale the endpoint."""
METRICS = 6
"""Metrics of songs, by function. AWS bills only hours in which a metric is sent, and metrics of faults are rare."""
IMAGES_GB = {"gpu": 2 * 4.6, "cpu": 2 * 0.5}
LOGS_GB = 0.2
UPKEEPS = 60 * HOURS + HOURS
"""Calls of the upkeep function, which recovers lost songs and deletes expired ones."""
BUILD_MIN = 25


@dataclass(frozen=True, slots=True)
class Machine:
    """An instance or a function that separates songs, one at a time."""

    name: str
    rate: float
    """Seconds of work for one second of song."""
    lambda_gb: float = 0.0
    """Memory of a function in GB; 0: an instance, billed by the hour."""

    @property
    def song_s(self) -> float:
        """Seconds for one song, in total."""
        return OTHER_S + SONG_S * self.rate

    @property
    def busy_usd(self) -> float:
        """Cost of one song on a machine that is running and always busy."""
        if self.lambda_gb:
            disk = PRICES["Lambda disk"].usd * self.lambda_gb  # as large as the memory
            return self.song_s * (PRICES["Lambda x86"].usd * self.lambda_gb + disk)
        return self.song_s * PRICES[self.name].usd / 3600


def card(name: str) -> float:
    """Estimate the seconds of work for one second of song on a graphics card, from the published figure."""
    return GPU_S_PER_S * BANDWIDTH_GB_S["RTX 3090"] / BANDWIDTH_GB_S[name] * PYTORCH_SLOWDOWN


def cores(count: int) -> float:
    """Estimate the seconds of work for one second of song on `count` cores, from the measured figure."""
    return CPU_S_PER_S * 2 / count * SPREAD_SLOWDOWN


GPU = Machine("ml.g4dn.xlarge", card("T4"))
FUNCTION = Machine("Lambda, 10 GB", cores(6) * LAMBDA_SLOWDOWN, 10)
MACHINES = (
    GPU,
    Machine("ml.g5.xlarge", card("A10G")),
    Machine("ml.g6.xlarge", card("L4")),
    Machine("ml.c7i.xlarge", cores(4)),
    Machine("ml.c7i.2xlarge", cores(8)),
    FUNCTION,
)


def hours(machine: Machine, songs: float) -> float:
    """Return the billed hours of instances in a month.

    Each song keeps an instance running for its working time and the idle time after it. If songs arrive at random, an
    instance is running at any moment with the probability 1 - exp(-songs per hour * hours), the busy share of an M/D/∞
    queue. A song that arrives at any other moment starts an instance.
    """
    running_h = (machine.song_s + IDLE_S) / 3600
    none_running = math.exp(-songs / HOURS * running_h)
    one = HOURS * (1 - none_running) + songs * none_running * BILLED_START_S / 3600
    return max(one, songs * machine.song_s / 3600 / BUSY)


def compute_usd(machine: Machine, songs: float) -> float:
    """Return the cost of separating in a month, without the free allowance of functions."""
    if machine.lambda_gb:
        return songs * machine.busy_usd
    return hours(machine, songs) * PRICES[machine.name].usd


def requests(machine: Machine, songs: float) -> dict[str, float]:
    """Return the units of usage-based costs in a month, except separating."""
    updates = machine.song_s / PROGRESS_INTERVAL_S
    messages = MINUTES * 3  # from the page, through its WebSocket
    calls = CALLS + updates + messages + 10  # `push` is called for each change, at worst
    return {
        "HTTP API": songs * CALLS,
        "WebSocket messages": songs * (updates + messages * 2 + 10),
        "WebSocket minutes": songs * MINUTES,
        "Lambda calls": songs * calls,
        "Lambda arm64": songs * calls * FUNCTION_GB * FUNCTION_S,
        "DynamoDB writes": songs * (updates + 10) * UPDATE_UNITS,
        "DynamoDB reads": songs * (updates + CALLS) * 2,
        "S3 writes": songs * 20,
        "S3 reads": songs * 120,  # the player downloads chunks of 5 s
        "SNS": songs * 2,
        "SQS": songs * 4 if machine.lambda_gb else 0,
        "CloudWatch logs": songs * 40e-6,
        # Lambda traces one call a second, and one in twenty of the others.
        "X-Ray traces": min(songs * calls, HOURS * 3600 + songs * calls / 20),
        "S3 storage": songs * (INPUT_GB + STEMS_GB + LISTENED_GB) * STORED_MONTHS,
        "Transfer out": songs * (STEMS_GB + LISTENED_GB),
    }


def fixed(machine: Machine) -> dict[str, float]:
    """Return the units of fixed costs in a month, with one deployment."""
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
    """Return the cost of the units; with `free`, after the free allowances of every account."""
    return sum(
        max(count - (PRICES[name].free if free else 0.0), 0.0) * PRICES[name].usd
        for name, count in units.items()
    )


def total_usd(machine: Machine, songs: float, free: bool = False) -> float:
    """Return the total cost in a month."""
    units = fixed(machine)
    for name, count in requests(machine, songs).items():
        units[name] = units.get(name, 0.0) + count
    separating = compute_usd(machine, songs)
    if free and machine.lambda_gb:
        gb_s = songs * machine.song_s * machine.lambda_gb
        separating -= min(PRICES["Lambda x86"].free, gb_s) * PRICES["Lambda x86"].usd
    return separating + usd(units, free)


def break_even(first: Machine, second: Machine) -> float | None:
    """Return the songs a month from which `second` is cheaper than `first`. None: over a million, or never."""
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
