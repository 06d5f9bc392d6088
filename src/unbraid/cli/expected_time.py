"""Say before songs start how long they will take here, if that is long, and which model is quicker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unbraid.audio.stem_names import ALL
from unbraid.audio.stem_words import only_source
from unbraid.audio.times import TimeRange
from unbraid.cli.messages import rough_time
from unbraid.errors import UnbraidError

if TYPE_CHECKING:
    from unbraid.models import CatalogEntry
    from unbraid.separation import Separator

LONG_S = 120.0  # a shorter time isn't worth a line
MUCH_QUICKER = 2.0  # a quicker model takes at most 1 / this of the time
MOST_PROBED = 200  # songs whose headers are read: about a second


def line_before(
    models: Sequence[tuple[str, Separator]],
    songs: Sequence[str],
    stems: str,
    repo: Path | None = None,
    part: TimeRange | None = None,
) -> str | None:
    """Return the line to print before the songs: the expected time, or the models that words stand for.

    `models`: the model and the second models, each with its name as the user gave it. `part`: part of
    the songs to separate. None if neither is worth a line.
    """
    (_, first), *others = models
    text = expected_time(first, songs, only_source(stems), [second for _, second in others], part)
    chosen = dict.fromkeys(
        f"{loaded.model.name} for {name}" for name, loaded in models if _has_word(name, repo)
    )
    return f"Using {' and '.join(chosen)}." if text is None and chosen else text


def _has_word(name: str, repo: Path | None) -> bool:
    """Whether `name`, or a model of the ensemble that it is, is the word of a question and no model in `repo`."""
    from unbraid.models.find import models_in, repo_of
    from unbraid.models.questions import find_question

    return any(find_question(one) is not None and repo_of(one, repo) is None for one in models_in(name, repo))


def expected_time(
    separator: Separator,
    songs: Sequence[str],
    stems: str,
    then: Sequence[Separator] = (),
    part: TimeRange | None = None,
) -> str | None:
    """Return a line with the expected time for all songs, and a quicker model; None if the time is short or unknown.

    The time is unknown on a graphics card, for a network of one's own, and if a song's header has no length.
    `then`: second models, each of which separates a stem into all of its own.
    """
    if separator.device != "cpu":
        return None
    paces = [_pace(separator, stems), *(_pace(second, ALL) for second in then)]
    known = [pace for pace in paces if pace is not None]
    if len(known) < len(paces) or (duration_s := _duration(songs, part)) is None:
        return None
    if not then:
        return line(separator.model.name, known[0], duration_s, len(songs), stems)
    names = [separator.model.name, *(second.model.name for second in then)]
    from unbraid.models.speed import scale

    seconds = sum(known) * scale() * duration_s
    return f"{_takes(' and '.join(names), seconds, len(songs))}." if seconds >= LONG_S else None


def _pace(separator: Separator, stems: str) -> float | None:
    """Return the seconds of work on two cores for a second of song; None if unknown."""
    from unbraid.models.speed import speed_of

    speed = speed_of(separator.model)
    if speed is None:
        return None
    return (speed.all_stems if stems == ALL else speed.one_stem) * separator.work


def line(model: str, pace: float, duration_s: float, songs: int, stems: str) -> str | None:
    """Return the line for songs of `duration_s` together; None if the time is short.

    `pace`: seconds of work on two cores for a second of song.
    """
    from unbraid.models.speed import scale

    seconds = pace * scale() * duration_s
    if seconds < LONG_S:
        return None
    text = _takes(model, seconds, songs)
    quicker = quicker_model(model, pace, stems)
    if quicker is None:
        return f"{text}."
    speed = quicker.speed.all_stems if stems == ALL else quicker.speed.one_stem
    return f"{text}; {quicker.name} takes {rough_time(speed * scale() * duration_s)} (-m {quicker.name})."


def _takes(models: str, seconds: float, songs: int) -> str:
    what = "this song" if songs == 1 else f"these {songs} songs"
    return f"{models} {'take' if ' and ' in models else 'takes'} about {rough_time(seconds)} for {what} on this machine"


def quicker_model(model: str, pace: float, stems: str) -> CatalogEntry | None:
    """Return the best model for the same purpose that takes at most half the time; None if there is none.

    The purposes are those of the model in the catalogue. For other models, the stems decide.
    """
    from unbraid.models.catalog import catalog
    from unbraid.models.questions import BALANCED, FAST, questions

    entry = catalog().get(model)
    words = entry.answers if entry is not None else ()
    if not words:
        words = ("four_stems",) if stems == ALL else ("vocals",) if stems == "vocals" else ()
    for word in words:
        question = questions()[word]
        if word == "vocals" and stems == ALL and len(words) > 1:
            continue
        if stems != ALL and stems not in question.stems:
            continue
        for name in (*question.models(BALANCED), *question.models(FAST)):
            other = catalog()[name]
            speed = other.speed.all_stems if stems == ALL else other.speed.one_stem
            if other.licence_known and other.name != model and speed * MUCH_QUICKER <= pace:
                return other
    return None


def _duration(songs: Sequence[str], part: TimeRange | None) -> float | None:
    """Return the length of all songs, or of the `part` of each, in seconds, from their headers; None: unknown."""
    from unbraid.audio.probe import probe

    total = 0.0
    if len(songs) > MOST_PROBED:
        return None
    for song in songs:
        try:
            duration_s = probe(song).duration_s
        except UnbraidError:
            return None  # the song's own error comes later
        if duration_s is None:
            return None
        if part is not None:
            try:
                first, end, _ = part.samples(round(1000 * duration_s), 1000, song)
            except UnbraidError:
                return None
            duration_s = (end - first) / 1000
        total += duration_s
    return total
