"""`unbraid models`: for each purpose, the models with their scores, times on this machine, sizes and licences."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from unbraid.cli.streams import write_result
from unbraid.cli.wrapped import UNKNOWN, write_wrapped

if TYPE_CHECKING:
    from unbraid.models import CatalogEntry
    from unbraid.models.questions import Question

SONG_S = 240  # a typical song, for times
SCORE = "dB"
COLUMNS = ("MODEL", "QUALITY", SCORE, "TIME", "SIZE", "READY", "LICENCE")
RIGHT = {SCORE, "TIME", "SIZE"}
EVERY_QUALITY = "any"

NO_SCORES = "No public source compares these models for this purpose."


def show_questions(_arguments: argparse.Namespace) -> int:
    """Print a table for each purpose that a model is for, then what the columns mean."""
    from unbraid.models.questions import questions, score_sets
    from unbraid.models.speed import CORES, scale

    answered = [question for question in questions().values() if question.ranking]
    sets = list(dict.fromkeys(question.set for question in answered if question.set))
    tables = {question.word: [_heading(question, sets), *_rows(question)] for question in answered}
    rows = [row for table in tables.values() for row in table]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    write_wrapped("unbraid separate SONG -m WORD, with one of these words:", "")
    for question in answered:
        write_result("\n")
        write_wrapped(f"{question.word}: {question.text}", "")
        for row in tables[question.word]:
            write_result(_line(row, widths))
        if question.set is None and len(question.ranking) > 1:
            write_wrapped(f"  {NO_SCORES}", "  ")
    write_result("\n")
    for note in (
        "QUALITY: the model that the word stands for with --quality fast, balanced (the default) or best; any: with "
        "each of them. A model of unknown licence is used only by its name, unless no other model is for that purpose. "
        "Ask its author before you publish the stems.",
        *(
            f"{SCORE} [{number}]: signal-to-distortion ratio of {_stem(answered, name)}, higher is better: "
            f"{score_sets()[name].source}. Compare it only within its table."
            for number, name in enumerate(sets, 1)
        ),
        f"TIME: expected for a song of {SONG_S // 60} minutes on this machine (cores: {CORES / scale():.0f}).",
        "SIZE: of the download. A model is downloaded when you first use it, or with: unbraid models pull NAME",
        "* with credit to its authors. All models, with stems and sources: unbraid models list",
    ):
        write_wrapped(note, "")
    return 0


def _heading(question: Question, sets: Sequence[str]) -> tuple[str, ...]:
    score = SCORE if question.set is None else f"{SCORE} [{sets.index(question.set) + 1}]"
    return tuple(score if column == SCORE else column for column in COLUMNS)


def _stem(answered: Sequence[Question], name: str) -> str:
    """Return what the scores of a set are of."""
    (stem,) = {question.stem for question in answered if question.set == name}
    return "four stems, their mean" if stem == "mean" else f"the {stem}"


def _rows(question: Question) -> Iterator[tuple[str, ...]]:
    from unbraid.models.speed import seconds_per_second

    for entry in question.ranking:
        score = question.score(entry)
        seconds = SONG_S * seconds_per_second(entry, question.all_stems)
        yield (
            entry.name,
            _quality(question, entry),
            UNKNOWN if score is None else f"{score:.1f}",
            short_time(seconds),
            f"{entry.download_size / 1e6:.0f} MB" if entry.download_size else "bundled",
            "yes" if entry.installed else "no",
            entry.licence.split(",")[0] + ("*" if "," in entry.licence else ""),
        )


def _quality(question: Question, entry: CatalogEntry) -> str:
    """Return the qualities for which the model is the first choice."""
    from unbraid.models.questions import QUALITIES

    chosen = [quality for quality in QUALITIES if question.models(quality)[:1] == [entry.name]]
    return EVERY_QUALITY if len(chosen) == len(QUALITIES) else ", ".join(chosen)


def short_time(seconds: float) -> str:
    """Format an estimate for a table: `5 s`, `3 min`, `2.5 h`."""
    if seconds < 55:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (
        cell.rjust(width) if column in RIGHT else cell.ljust(width)
        for cell, column, width in zip(row, COLUMNS, widths, strict=True)
    )
    return f"  {'  '.join(cells)}".rstrip() + "\n"
