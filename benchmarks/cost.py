"""Print the tables of docs/aws-cost.md and docs/aws-first-run.md: costs of songs in an AWS account.

    python benchmarks/cost.py [--write]

`cost_model.py` has the arithmetic, `cost_speed.py` the speeds, `cost_cold.py` latency, and `cost_prices.py` the prices.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import cost_first_run
from cost_cold import configurations, fans, uncut
from cost_model import (
    FAST_FUNCTION,
    FUNCTION,
    GPU,
    MACHINES,
    ORIGINAL_USD,
    START_S,
    VOLUMES,
    Machine,
    compute_usd,
    fixed,
    requests,
    total_usd,
    usd,
)
from cost_prices import PAGE, PRICES, Price
from cost_text import between, money, statements

SEPARATE_ROWS = ("Transfer out", "S3 storage", "DynamoDB writes", "DynamoDB reads")
"""Requests that the table of parts shows separately."""


def only(songs: float, *names: str) -> dict[str, float]:
    """Return the units of the requests `names`, with the endpoint."""
    return {name: count for name, count in requests(GPU, songs).items() if name in names}


def rest(songs: float) -> dict[str, float]:
    """Return the units of all requests except SEPARATE_ROWS, with the endpoint."""
    return {name: count for name, count in requests(GPU, songs).items() if name not in SEPARATE_ROWS}


def images_usd(machine: Machine) -> float:
    """Return the cost of the images in a month."""
    return usd({"ECR storage": fixed(machine)["ECR storage"]}, False)


def amount(price: Price) -> tuple[str, str]:
    """Format a price and its unit; of a million units if one unit costs less than 0.001 dollars."""
    if price.usd >= 0.001:
        return f"{price.usd:.4g}", price.unit
    return f"{price.usd * 1e6:.4f}".rstrip("0").rstrip("."), f"million {price.unit}s"


def table(head: str, rows: list[list[str]]) -> str:
    """Format a table in Markdown. `head`: names of the columns, separated by `|`."""
    names = head.split("|")
    lines = ["| " + " | ".join(map(str.strip, names)) + " |", "| " + " | ".join(["---"] * len(names)) + " |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def tables() -> dict[str, str]:
    """Return all tables of the page, by name."""
    by_volume = [
        [
            f"{songs:,}",
            *(
                f"{money(total_usd(machine, songs, free))} ({money(total_usd(machine, songs, free) / songs)})"
                for machine in (GPU, FUNCTION, FAST_FUNCTION)
                for free in (False, True)
            ),
            f"{money(ORIGINAL_USD * songs)} ({money(ORIGINAL_USD)})",
        ]
        for songs in VOLUMES
    ]
    parts = [
        [what, *(money(part(songs)) for songs in VOLUMES)]
        for what, part in (
            ("separating, endpoint", lambda songs: compute_usd(GPU, songs)),
            ("separating, functions", lambda songs: compute_usd(FUNCTION, songs)),
            ("separating, functions with `spleeter`", lambda songs: compute_usd(FAST_FUNCTION, songs)),
            (
                "transfer out of stems and the player's sound",
                lambda songs: usd(only(songs, "Transfer out"), False),
            ),
            ("storage for a week", lambda songs: usd(only(songs, "S3 storage"), False)),
            ("DynamoDB", lambda songs: usd(only(songs, "DynamoDB writes", "DynamoDB reads"), False)),
            ("all other requests", lambda songs: usd(rest(songs), False)),
            ("images in ECR, endpoint", lambda _: images_usd(GPU)),
            ("images in ECR, functions", lambda _: images_usd(FUNCTION)),
            ("all other fixed costs, endpoint", lambda _: usd(fixed(GPU), False) - images_usd(GPU)),
            (
                "all other fixed costs, functions",
                lambda _: usd(fixed(FUNCTION), False) - images_usd(FUNCTION),
            ),
        )
    ]
    machines = [
        [
            machine.name,
            f"`{machine.model}`",
            f"{machine.rate:.2g}",
            f"{machine.song_s:.0f} s",
            money(machine.busy_usd),
            *(money(compute_usd(machine, songs) / songs) for songs in VOLUMES),
        ]
        for machine in MACHINES
    ]
    uncertainty = [
        [
            machine.name,
            f"`{machine.model}`",
            *(
                money(compute_usd(replace(machine, rate=machine.rate * factor), songs) / songs)
                for songs in VOLUMES[1:]
                for factor in (0.5, 1, 2)
            ),
        ]
        for machine in MACHINES
    ]
    cold = [
        [
            one.name,
            f"`{one.model}`",
            money(one.quiet_usd) if one.quiet_usd else between(one.usd),
            between(one.cold_s, "s"),
            one.cheap,
            one.quick,
        ]
        for one in configurations()
    ]
    cut = [
        [f"`{one.model}`", name, between(one.usd), between(one.cold_s, "s"), one.cheap, one.quick]
        for name, one in (
            *((f"1 x {one.name.removeprefix('Lambda, ')}", one) for one in uncut()),
            *((one.name, one) for one in (fan.figures() for fan in fans())),
        )
    ]
    start_up = [[what, f"{low} to {high} s"] for what, (low, high) in START_S.items()]
    low, high = map(sum, zip(*START_S.values(), strict=True))
    start_up.append(["in total", f"{low / 60:.0f} to {high / 60:.0f} minutes"])
    prices = [[name, *amount(price), f"<{PAGE}{price.page}>", price.seen] for name, price in PRICES.items()]
    return {
        "by volume": table(
            "songs a month | endpoint | after free allowances | functions | after free allowances "
            "| functions with `spleeter` | after free allowances | the original, added up",
            by_volume,
        ),
        "parts": table("what | 10 songs | 1,000 songs | 100,000 songs", parts),
        "machines": table(
            "machine | model | s for 1 s of song | billed s | busy all the time | at 10 songs | at 1,000 | at 100,000",
            machines,
        ),
        "uncertainty": table(
            "machine | model | 1,000 songs: twice as fast | as estimated | half as fast "
            "| 100,000: twice as fast | as estimated | half as fast",
            uncertainty,
        ),
        "cold": table(
            "nothing running | model | USD for separating | until the stems are stored | 0.01 USD | 15 s",
            cold,
        ),
        "pieces": table(
            "model | functions at once, and the network | USD for separating | until the stems are stored "
            "| 0.01 USD | 15 s",
            cut,
        ),
        "start-up": table("what | estimate", start_up),
        "prices": table("what | USD | for one | page | seen", prices),
    }


def write(page: Path, tables: Mapping[str, str], statements: Mapping[str, str]) -> None:
    """Replace the tables of the page, which are found by their heads, and the statements, by their marks."""
    text = page.read_text("utf-8")
    for new in tables.values():
        head = re.escape(new.split("\n", 1)[0])
        text = re.sub(rf"{head}\n(?:\|.*\n)+", lambda _, new=new: new + "\n", text)
    for new in statements.values():
        start, end = (re.escape(line) for line in (new.split("\n", 1)[0], new.rsplit("\n", 1)[1]))
        text = re.sub(rf"{start}\n.*?{end}", lambda _, new=new: new, text, flags=re.DOTALL)
    page.write_text(text, "utf-8")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="also replace the tables in the pages")
    docs = Path(__file__).parents[1] / "docs"
    first_run = {"first run": cost_first_run.table()}, {"first run": cost_first_run.statement()}
    if parser.parse_args().write:
        write(docs / "aws-cost.md", tables(), statements())
        write(docs / "aws-first-run.md", *first_run)
    for title, text in (tables() | statements()).items():
        print(f"\n{title}\n\n{text}")
    print(f"\nfirst run\n\n{cost_first_run.table()}")


if __name__ == "__main__":
    main()
