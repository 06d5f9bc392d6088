"""The options `--start` and `--end`: separate a part of each song."""

from __future__ import annotations

import argparse

from unbraid.audio.times import TimeRange, seconds_of, time_range
from unbraid.errors import SettingError


def add_part_options(group: argparse._ActionsContainer) -> None:
    """Declare the options."""
    group.add_argument(
        "--start",
        type=_time,
        metavar="TIME",
        help="separate from here, such as 65 or 1:05; from the end of the song with --start=-0:30",
    )
    group.add_argument(
        "--end",
        type=_time,
        metavar="TIME",
        help="separate up to here",
    )


def part_of(arguments: argparse.Namespace) -> TimeRange | None:
    """Return the part of the songs; None: whole songs. Raises SettingError."""
    part = time_range(arguments.start, arguments.end)
    if part is not None and (arguments.then or arguments.video):
        raise SettingError("--then and --video need the whole song. Leave out --start and --end.")
    if part is not None and arguments.name is not None:
        raise SettingError(
            "A part of a song has a folder of its own. Leave out --name, or --start and --end."
        )
    return part


def _time(text: str) -> float:
    try:
        return seconds_of(text)
    except SettingError as error:
        raise ValueError from error


_time.__name__ = "time"  # argparse: "invalid time value: 'x'"
