"""The check of a user's songs, the progress of a run and its result, as lines and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from unbraid.cli.messages import clock, printable, rough_time

if TYPE_CHECKING:
    from unbraid.finetuning.check import Check
    from unbraid.finetuning.result import Result
    from unbraid.finetuning.songs import Song


def check_lines(check: Check) -> Iterator[str]:
    """Yield the whole check."""
    for song in check.songs:
        yield from song_line(song, check)
    yield from totals(check)


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
    yield from map(printable, check.left_out)
    yield f"{len(check.used)} of {len(check.songs)} songs can be used: {clock(60 * check.minutes)}."
    if check.problem is not None:
        yield printable(check.problem)
        return
    heard = ", ".join(f"{stem} {clock(60 * check.audible_min(stem))}" for stem in check.stems)
    yield printable(f"Stems: {heard}.")
    yield from map(printable, check.expectation())


def event_line(event: Mapping[str, Any], *, terminal: bool) -> str | None:
    """Return the line for an event of a run; None if it is only for programs, or only for a terminal."""
    kind = event["event"]
    if kind == "measure":
        return "Measuring how fast this machine learns."
    if kind == "start":
        return "Continuing." if event["resumed"] else "Learning. Ctrl-C stops; the same command continues."
    if kind == "scoring":
        return "Scoring the model on the held-out songs."
    if kind == "score":
        scores = ", ".join(
            f"{name} {value:.1f} dB" for name, value in event["sdr_db"].items() if name != "mean"
        )
        what = "before" if event["steps"] == 0 else f"{event['minutes']:.0f} min"
        best = " Best so far." if event["best"] and event["steps"] else ""
        return f"{what}: {scores}.{best}{_left(event)}"
    if kind == "progress" and terminal:
        of = f" of {event['of']}" if event["of"] else ""
        return f"step {event['steps']}{of}.{_left(event)}"
    return None


def _left(event: Mapping[str, Any]) -> str:
    return f" About {rough_time(event['left_s'])} left." if event["left_s"] else ""


def score_lines(card: Mapping[str, Any]) -> Iterator[str]:
    """Yield the scores of a card before and after: one line for each stem."""
    scores = card["sdr_db"]
    for stem, after in scores["after"].items():
        before = scores["before"].get(stem)
        if after is None or before is None:
            yield f"{stem}: can't be scored, because it is silent in the held-out songs"
        else:
            yield f"{stem}: {before:.1f} dB before, {after:.1f} dB after ({after - before:+.1f})"


def result_lines(result: Result) -> Iterator[str]:
    """Yield the scores, and where the model is."""
    for line in score_lines(result.card):
        yield printable(line)
    yield printable(
        f"Before: {result.compared_with}. Scores are SDR on the held-out songs; higher is better."
    )
    if result.better:
        yield printable(f"Use it with: unbraid separate SONG -m {result.name}")
    else:
        yield printable(
            f"It is not better, so it is kept apart: {result.folder}. More songs help most. To try it anyway, use -m "
            "with this folder."
        )


def result_dict(result: Result) -> dict[str, Any]:
    """Return the result as JSON values."""
    return {
        "name": result.name,
        "folder": str(result.folder),
        "better": result.better,
        "card": dict(result.card),
    }
