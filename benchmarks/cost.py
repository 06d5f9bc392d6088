"""What songs cost in one's own AWS account: the tables of docs/aws-cost.md, anew.

    python benchmarks/cost.py [--write]

prints them, or puts them into the page. `cost_model.py` says how they come about, `cost_prices.py` has the prices.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path

from cost_model import (
    FUNCTION,
    GPU,
    MACHINES,
    ORIGINAL_USD,
    VOLUMES,
    WAKING_S,
    compute_usd,
    even,
    requests,
    standing,
    total_usd,
    usd,
)
from cost_prices import PAGE, PRICES, Price

MOVED = ("Transfer out", "S3 storage", "DynamoDB writes", "DynamoDB reads")
"""What has a line of its own."""


def only(songs: float, *names: str) -> dict[str, float]:
    """These of the endpoint's requests."""
    return {name: count for name, count in requests(GPU, songs).items() if name in names}


def rest(songs: float) -> dict[str, float]:
    """All but `MOVED`."""
    return {name: count for name, count in requests(GPU, songs).items() if name not in MOVED}


def money(amount: float) -> str:
    """With as many digits as mean something."""
    if amount < 0.995:
        return f"{amount:.2g}" if amount < 0.0995 else f"{amount:.2f}"
    return f"{amount:,.2f}" if amount < 99.5 else f"{amount:,.0f}"


def amount(price: Price) -> tuple[str, str]:
    """A price and its unit, for a million where one costs next to nothing."""
    if price.usd >= 0.001:
        return f"{price.usd:.3f}".rstrip("0").rstrip("."), price.unit
    return f"{price.usd * 1e6:.4f}".rstrip("0").rstrip("."), f"million {price.unit}s"


def table(head: str, rows: list[list[str]]) -> str:
    """In Markdown."""
    names = head.split("|")
    lines = ["| " + " | ".join(map(str.strip, names)) + " |", "| " + " | ".join(["---"] * len(names)) + " |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def tables() -> dict[str, str]:
    """Those of the page, by name."""
    by_volume = [
        [
            f"{songs:,}",
            *(
                f"{money(total_usd(machine, songs, free))} ({money(total_usd(machine, songs, free) / songs)})"
                for machine in (GPU, FUNCTION)
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
            (
                "transfer out of stems and the player's sound",
                lambda songs: usd(only(songs, "Transfer out"), False),
            ),
            ("storage for a week", lambda songs: usd(only(songs, "S3 storage"), False)),
            ("DynamoDB", lambda songs: usd(only(songs, "DynamoDB writes", "DynamoDB reads"), False)),
            ("all other requests", lambda songs: usd(rest(songs), False)),
            ("standing, endpoint", lambda songs: usd(standing(GPU), False)),
            ("standing, functions", lambda songs: usd(standing(FUNCTION), False)),
        )
    ]
    machines = [
        [
            machine.name,
            f"{machine.rate:.2f}",
            f"{machine.song_s:.0f} s",
            money(machine.busy_usd),
            *(money(compute_usd(machine, songs) / songs) for songs in VOLUMES),
        ]
        for machine in MACHINES
    ]
    doubts = [
        [
            machine.name,
            *(
                money(compute_usd(replace(machine, rate=machine.rate * factor), songs) / songs)
                for songs in VOLUMES[1:]
                for factor in (0.5, 1, 2)
            ),
        ]
        for machine in MACHINES
    ]
    waking = [[what, f"{low} to {high} s"] for what, (low, high) in WAKING_S.items()]
    low, high = map(sum, zip(*WAKING_S.values(), strict=True))
    waking.append(["all in all", f"{low / 60:.0f} to {high / 60:.0f} minutes"])
    prices = [[name, *amount(price), f"<{PAGE}{price.page}>", price.seen] for name, price in PRICES.items()]
    return {
        "by volume": table(
            "songs a month | endpoint | after free allowances | functions | after free allowances | the original",
            by_volume,
        ),
        "parts": table("what | 10 songs | 1,000 songs | 100,000 songs", parts),
        "machines": table(
            "machine | s for 1 s of song | a song | busy all the time | at 10 songs | at 1,000 | at 100,000",
            machines,
        ),
        "doubts": table(
            "machine | 1,000 songs: twice as fast | as estimated | half as fast "
            "| 100,000: twice as fast | as estimated | half as fast",
            doubts,
        ),
        "waking": table("what | estimate", waking),
        "prices": table("what | USD | for one | page | seen", prices),
    }


def write(page: Path) -> None:
    """Put the tables in the place of those with the same head."""
    text = page.read_text("utf-8")
    for new in tables().values():
        head = re.escape(new.split("\n", 1)[0])
        text = re.sub(rf"{head}\n(?:\|.*\n)+", lambda _, new=new: new + "\n", text)
    page.write_text(text, "utf-8")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="also replace the tables in docs/aws-cost.md")
    if parser.parse_args().write:
        write(Path(__file__).parents[1] / "docs" / "aws-cost.md")
    for title, text in tables().items():
        print(f"\n{title}\n\n{text}")
    for machine in MACHINES[:-1]:
        songs = even(FUNCTION, machine)
        print(
            f"\n{machine.name} separates for less than functions from {songs or 'no number of'} songs a month"
        )


if __name__ == "__main__":
    main()
