"""Model of the costs of songs in an AWS account. `cost.py` prints its tables; `cost_prices.py` has the prices.

Songs have 4 minutes and arrive at random, evenly over the month (a Poisson process). That is the worst case for an
instance that is billed while it waits for the next song.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from cost_prices import PRICES
from cost_speed import C7I, C8G, LAMBDA, LOAD, MB_PER_CPU, Processor, card

SONG_S = 240
VOLUMES = (10, 1_000, 100_000)
"""Songs a month."""
HOURS = 730
"""Hours in a month."""
ORIGINAL_HOURS, ORIGINAL_HOUR_USD = 2.5, 0.7364
"""Hours of `ml.g4dn.xlarge` that the original project counts for ten songs, and its price for an hour."""
ORIGINAL_OTHER_USD = 0.51
"""Everything else in that project's list for ten songs: about 2.35 dollars in total, less the instance."""
ORIGINAL_STATED_USD = 13.66
"""The total that it states. Its own figures don't add up to it."""
ORIGINAL_USD = (ORIGINAL_HOURS * ORIGINAL_HOUR_USD + ORIGINAL_OTHER_USD) / 10
"""Cost of a song by that project's own figures, added up correctly."""
OTHER_S = 5
"""Estimated seconds for each song besides the measured time: download, the player's sound, upload.

Stems and the player's sound are 0.13 GB, about 3 s at 45 MB/s; FLAC of two stems takes about 2 s.
"""

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
SANDBOX_S = (1, 5)
"""Estimate: a function's sandbox starts and reads what it needs of the image. Billed."""
TASK_START_S = (53, 62)
"""Fargate creates a task and pulls an image of 413 MB, ten times: elasticscale.com, 2024-04-10. Partly billed."""
TASK_CPUS, TASK_GB = 4, 8
SPOT_DISCOUNT = 0.6
"""Quoted: 0.5 to 0.7."""
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
PIECES = 26
"""Pieces of the stems that can be heard while a song of four minutes is separated: one file and one update each."""
USE_COUNTS = 2
"""Write units that count a song's upload and start in the limits of its client."""
RANGES = 120
"""Ranges that the player reads: chunks of 5 s."""
CALLS = 30
"""Calls of the HTTP API: upload, process, some status calls and their preflights, and the history."""
MINUTES = 15
"""Minutes that a page keeps its WebSocket open."""
FUNCTION_GB, FUNCTION_S = 0.5, 0.15

# Fixed costs, without any song. Sizes are estimates.
ALARMS = {"gpu": 10, "cpu": 7}
"""Including those that scale the endpoint."""
METRICS = 6
"""Metrics of songs, by function. AWS bills only hours in which a metric is sent, and metrics of faults are rare."""
IMAGES = 2
"""Images that a build keeps: the new one and the one that runs."""
IMAGE_GB = {"gpu": 4.7, "cpu": 0.6}
"""From the sizes of the contents, with the models `htdemucs` and `spleeter`."""
LOGS_GB = 0.2
UPKEEPS = 60 * HOURS + HOURS
"""Calls of the upkeep function, which recovers lost songs and deletes expired ones."""
BUILD_MIN = {"gpu": 25, "cpu": 12}
"""Estimates: the image for functions has neither PyTorch nor CUDA."""


@dataclass(frozen=True, slots=True)
class Machine:
    """An instance or a function that separates songs, one at a time."""

    name: str
    rate: float
    """Seconds of work for one second of song."""
    model: str = "htdemucs"
    lambda_gb: float = 0.0
    """Memory of a function in GB; 0: an instance, billed by the hour."""
    start_s: float = 0.0
    """Billed seconds before each song: a function starts and loads its model."""
    task: bool = False
    """A Fargate Spot task with TASK_CPUS and TASK_GB, billed while it starts and works."""

    @property
    def song_s(self) -> float:
        """Billed seconds for one song, in total."""
        return self.start_s + OTHER_S + SONG_S * self.rate

    @property
    def busy_usd(self) -> float:
        """Cost of one song on a machine that is running and always busy."""
        if self.task:
            hour = TASK_CPUS * PRICES["Fargate processor"].usd + TASK_GB * PRICES["Fargate memory"].usd
            return self.song_s * hour * (1 - SPOT_DISCOUNT) / 3600
        if self.lambda_gb:
            disk = PRICES["Lambda disk"].usd * self.lambda_gb  # as large as the memory
            return self.song_s * (PRICES["Lambda x86"].usd * self.lambda_gb + disk)
        return self.song_s * PRICES[self.name].usd / 3600

    @property
    def on_demand(self) -> bool:
        """Whether each song is billed alone, without idle time."""
        return self.task or self.lambda_gb > 0


def function(
    memory_mb: int, model: str, processor: Processor = LAMBDA, sandbox_s: float | None = None
) -> Machine:
    """Return a function with so much memory. Every song is taken for a cold start, the worst case."""
    start = (sum(SANDBOX_S) / 2 if sandbox_s is None else sandbox_s) + processor.load_s(LOAD[model])
    rate = processor.rate(model, memory_mb / MB_PER_CPU)
    return Machine(f"Lambda, {memory_mb:,} MB", rate, model, memory_mb / 1024, start)


def task(processor: Processor = LAMBDA, start_s: float | None = None) -> Machine:
    """Return a Fargate Spot task."""
    start = (sum(TASK_START_S) / 2 if start_s is None else start_s) + processor.load_s(LOAD["htdemucs"])
    rate = processor.rate("htdemucs", TASK_CPUS)
    return Machine(f"Fargate Spot, {TASK_CPUS} vCPU", rate, start_s=start, task=True)


GPU = Machine("ml.g4dn.xlarge", card("T4"))
FUNCTION = function(10_240, "htdemucs")
FAST_FUNCTION = function(10_240, "spleeter")
MACHINES = (
    GPU,
    Machine("ml.g5.xlarge", card("A10G")),
    Machine("ml.g6.xlarge", card("L4")),
    Machine("ml.c7i.xlarge", C7I.rate("htdemucs", 4)),
    Machine("ml.c7i.2xlarge", C7I.rate("htdemucs", 8)),
    Machine("ml.c8g.xlarge", C8G.rate("htdemucs", 4)),
    task(),
    FUNCTION,
    function(3_008, "htdemucs"),
    Machine("ml.c7i.xlarge", C7I.rate("spleeter", 4), "spleeter"),
    FAST_FUNCTION,
    function(3_008, "spleeter"),
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
    if machine.on_demand:
        return songs * machine.busy_usd
    return hours(machine, songs) * PRICES[machine.name].usd


def requests(machine: Machine, songs: float) -> dict[str, float]:
    """Return the units of usage-based costs in a month, except separating."""
    updates = machine.song_s / PROGRESS_INTERVAL_S + PIECES
    messages = MINUTES * 3  # from the page, through its WebSocket
    calls = CALLS + updates + messages + 10  # `push` is called for each change, at worst
    return {
        "HTTP API": songs * CALLS,
        "WebSocket messages": songs * (updates + messages * 2 + 10),
        "WebSocket minutes": songs * MINUTES,
        "Lambda calls": songs * calls,
        "Lambda arm64": songs * calls * FUNCTION_GB * FUNCTION_S,
        "DynamoDB writes": songs * ((updates + 10) * UPDATE_UNITS + USE_COUNTS),
        "DynamoDB reads": songs * (updates + CALLS) * 2,
        "S3 writes": songs * (20 + PIECES),
        "S3 reads": songs * (RANGES + 2 * PIECES),
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
    kind = "cpu" if machine.on_demand else "gpu"
    return {
        "ECR storage": IMAGES * IMAGE_GB[kind],
        "CloudWatch alarms": ALARMS[kind],
        "CloudWatch dashboards": 1,
        "CloudWatch metrics": METRICS,
        "CloudWatch logs": LOGS_GB,
        "Lambda calls": UPKEEPS,
        "Lambda arm64": UPKEEPS * FUNCTION_GB * FUNCTION_S,
        "X-Ray traces": UPKEEPS,
        "DynamoDB reads": UPKEEPS * 3,
        "DynamoDB recovery": 0.01,
        "CodeBuild": BUILD_MIN[kind],
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
