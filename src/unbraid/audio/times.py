"""Times in a song as users write them: `65`, `1:05.5`, `1:02:03`, and `-0:30` from the end."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from numbers import Real

from unbraid.errors import InputError, SettingError, SongWarning

Time = float | str
"""Seconds as a number, or text such as `1:05`."""

# Hours and minutes, both optional, then seconds with decimals.
_TEXT = re.compile(r"(-?)(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)", re.ASCII)
LONGEST_S = 1e7  # 115 days; a larger number is a typing error


def seconds_of(time: Time, what: str = "The time") -> float:
    """Return a time in seconds. Negative: from the end of the song. Raises SettingError, which begins with `what`.

    >>> seconds_of("1:05.5"), seconds_of("-0:30"), seconds_of(12)
    (65.5, -30.0, 12.0)
    """
    seconds = math.nan
    if isinstance(time, str):
        if match := _TEXT.fullmatch(time.strip()):
            sign, hours, minutes, rest = match.groups()
            if minutes is None or float(rest) < 60:
                seconds = 3600 * int((hours or "0")[-9:]) + 60 * int((minutes or "0")[-9:]) + float(rest)
                seconds = -seconds if sign else seconds
    elif isinstance(time, Real) and not isinstance(time, bool):
        seconds = float(time)
    if not abs(seconds) <= LONGEST_S:
        raise SettingError(f"{what} must be seconds or minutes:seconds, such as 1:05, not {time!r:.100}.")
    return seconds


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A part of a song, in seconds; negative times count from its end. None: its start or its end."""

    start_s: float | None = None
    end_s: float | None = None

    @property
    def label(self) -> str:
        """Short text for names of folders, without characters that file systems forbid."""
        if self.start_s is None:
            return f"to {_label(self.end_s or 0.0)}"
        return f"{_label(self.start_s)} to {'the end' if self.end_s is None else _label(self.end_s)}"

    def samples(self, length: int, sample_rate: int, song: str) -> tuple[int, int, tuple[SongWarning, ...]]:
        """Return the first sample and the one after the last, in a song of `length` samples.

        An end after that of the song is a warning. Raises InputError if the song, named `song`, has no such part.
        """

        def position(seconds: float) -> int:
            return round(seconds * sample_rate) + (length if seconds < 0 else 0)

        first = 0 if self.start_s is None else max(0, position(self.start_s))
        end = length if self.end_s is None else position(self.end_s)
        duration = clock(length / sample_rate)
        if first >= length:
            raise InputError(
                f"is {duration} long, and ends before {clock(self.start_s or 0.0)}.", subject=song
            )
        if end <= first:
            reason = f"is {duration} long, so its part from {_name(self.start_s, 'the start')} to "
            raise InputError(f"{reason}{_name(self.end_s, 'the end')} is empty.", subject=song)
        warnings: tuple[SongWarning, ...] = ()
        if end > length:
            warnings = (SongWarning(song, f"is {duration} long; the part ends there."),)
        return first, min(end, length), warnings


def time_range(start: Time | None, end: Time | None) -> TimeRange | None:
    """Return the part of a song from `start` to `end`; None: the whole song. Raises SettingError if it is empty."""
    if start is None and end is None:
        return None
    start_s = None if start is None else seconds_of(start, "The start")
    end_s = None if end is None else seconds_of(end, "The end")
    first = 0.0 if start_s is None else start_s
    if end_s is not None and (first < 0) == (end_s < 0) and end_s <= first:
        raise SettingError(f"The end ({clock(end_s)}) must be after the start ({clock(first)}).")
    return TimeRange(start_s, end_s)


def clock(seconds: float) -> str:
    """Return a time as minutes and seconds.

    >>> clock(65.25), clock(-30), clock(3725)
    ('1:05.25', '-0:30', '1:02:05')
    """
    milliseconds = round(abs(seconds) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1000:06.3f}".rstrip("0").rstrip(".")
    return f"{'-' if seconds < 0 else ''}{f'{hours}:{minutes:02d}' if hours else minutes}:{text}"


def _name(seconds: float | None, otherwise: str) -> str:
    return otherwise if seconds is None else clock(seconds)


def _label(seconds: float) -> str:
    *minutes, rest = clock(seconds).split(":")
    return (
        "".join(f"{number}{unit}" for number, unit in zip(minutes, "hm"[-len(minutes) :], strict=True))
        + rest
        + "s"
    )
