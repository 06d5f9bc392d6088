"""Minutes and dollars of the checklist in docs/aws-first-run.md. `cost.py --write` writes its table."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cost_model import BUILD_MIN, HOURS, IMAGE_GB, function
from cost_prices import PRICES
from cost_text import marked

MEMORY_MB = 10_240
"""The worst case of the cost. A new account gets less memory, for about half the price."""
SONGS = 2
"""The same song twice: from cold, and warm."""
RUN_H = 0.5
ASSETS_GB = 0.03
"""Source of the image and code of the functions, in the bucket of the CDK."""
ALARMS = 8
"""With `--canary`."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the checklist, by the heading of its section."""

    name: str
    minutes: int
    usd: float = 0.0


def steps() -> list[Step]:
    """Return the steps. The minutes are estimates."""
    fast = function(MEMORY_MB, "spleeter", sandbox_s=5)
    sound = replace(fast, rate=0.0)
    image = IMAGE_GB["cpu"] * PRICES["ECR storage"].usd * RUN_H / HOURS
    return [
        Step("Set the account", 1),
        Step("Check what it allows", 1),
        Step("Deploy", 7),
        Step("Wait for the image", BUILD_MIN["cpu"], BUILD_MIN["cpu"] * PRICES["CodeBuild"].usd + image),
        Step("Separate a song, twice", 2, SONGS * fast.busy_usd),
        Step("Separate a second of sound", 1, sound.busy_usd),
        Step("Note the figures", 1),
        Step("Remove everything", 3),
        Step("See that nothing is left", 1),
    ]


def table() -> str:
    """Return the table of the page."""
    rows = [
        f"| {number} | {one.name} | {one.minutes} | {_usd(one.usd)} |"
        for number, one in enumerate(steps(), 1)
    ]
    every = steps()
    total = f"| | in total | {sum(one.minutes for one in every)} | {_usd(sum(one.usd for one in every))} |"
    return "\n".join(["| step | what | minutes | dollars |", "| --- | --- | --- | --- |", *rows, total])


def statement() -> str:
    """Return what may come on top, and what remains."""
    fixed = PRICES["CloudWatch dashboards"].usd + ALARMS * PRICES["CloudWatch alarms"].usd
    left = ASSETS_GB * PRICES["S3 storage"].usd
    return marked(
        "first run",
        [
            f"""These are list prices, with functions of {MEMORY_MB:,} MB. The dashboard and the {ALARMS} alarms are
            within the free allowances of every account. If other applications use those up, and AWS bills the whole
            month, they cost {fixed:.2f} dollars. The files of the CDK that remain cost {left:.4f} dollars a month."""
        ],
    )


def _usd(amount: float) -> str:
    return f"{amount:.4f}" if 0 < amount < 0.01 else f"{amount:.2f}"
