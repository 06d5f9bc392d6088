"""The check of a user's songs, as lines and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from unbraid.cli.messages import clock, printable

if TYPE_CHECKING:
    from unbraid.finetuning.check import Check
    from unbraid.finetuning.songs import Song


def song_line(song: Song, check: Check) -> Iterator[str]:
    """Yield one line for a song: its length and how long each stem can be heard, or why it can't be used."""
    name = printable(song.name)
    if song.problem is not None:
        yield printable(f"✗ {name}: {song.problem}")
        return
    heard = ", ".join(f"{stem} {clock(sound.audible_s)}" for stem, sound in song.stems.items())
    held_out = " Held out, to score the result." if song.name in check.held_out else ""
    notes = "".join(f" {note[0].upper()}{note[1:]}" for note in song.notes)
    yield printable(f"✓ {name} {clock(song.seconds)}: {heard}.{notes}{held_out}")


def totals(check: Check) -> Iterator[str]:
    """Yield what all songs have together, and what to expect."""
    yield ""
    yield from map(printable, check.left_out)
    yield f"{len(check.used)} of {len(check.songs)} songs can be used: {clock(60 * check.minutes)}."
    if check.problem is not None:
        yield printable(check.problem)
        return
    heard = ", ".join(f"{stem} {clock(60 * check.audible_min(stem))}" for stem in check.stems)
    yield printable(f"Stems: {heard}.")
    yield from map(printable, check.expectation())


def as_dict(check: Check) -> dict[str, Any]:
    """Return the check as JSON values, as docs/finetune.md describes."""
    return {
        "songs": [
            {
                "song": song.name,
                "usable": song.problem is None,
                "problem": song.problem,
                "notes": song.notes,
                "seconds": round(song.seconds, 3),
                "held_out": song.name in check.held_out,
                "audible_s": {name: round(stem.audible_s, 1) for name, stem in song.stems.items()},
            }
            for song in check.songs
        ],
        "stems": list(check.stems),
        "minutes": round(check.minutes, 2),
        "left_out": check.left_out,
        "problem": check.problem,
        "expect": [] if check.problem else check.expectation(),
    }
