"""The check of a user's songs as JSON values, for programs and for the page."""

from __future__ import annotations

from typing import Any

from unbraid.finetuning.check import Check


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
