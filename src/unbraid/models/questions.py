"""What users want of a song, such as karaoke or drum pieces, and which models do it: `questions.toml`.

The word of a question can be used as the name of a model. It stands for the first model of a list, which depends on the
quality. `karaoke:best` has its quality in the name.

This module imports nothing large.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType

from unbraid.models.catalog import CatalogEntry, catalog

FAST, BALANCED, BEST = QUALITIES = ("fast", "balanced", "best")
"""How much time a model may take. `unbraid.models.presets` has overlaps and shifts of the same names."""

SEPARATOR = ":"  # between a word and its quality


@dataclass(frozen=True, slots=True)
class ScoreSet:
    """Songs on which models were scored. Only scores of one set can be compared."""

    name: str
    title: str
    source: str


@dataclass(frozen=True, slots=True)
class Question:
    """Something that users want of a song."""

    word: str
    title: str
    text: str
    stems: tuple[str, ...]
    """Stems that every model for it separates."""
    all_stems: bool
    """Whether all stems are written if none is asked for; otherwise the first of `stems` and its complement."""
    aliases: tuple[str, ...] = ()
    set: str | None = None
    """Name of the test set that ranks the models; None if no source compares them."""
    stem: str = ""
    """Stem whose score counts in that set; `mean` for the mean of four."""
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Models by quality, the first choice first."""

    def score(self, entry: CatalogEntry) -> float | None:
        """Return the score of a model in dB on the set that ranks the models; None if it has none."""
        return None if self.set is None else entry.scores.get(self.set, {}).get(self.stem)

    @property
    def ranking(self) -> list[CatalogEntry]:
        """All models that answer the question, by their scores; models without a score follow."""
        entries = [entry for entry in catalog().values() if self.word in entry.answers]
        scores = {entry.name: self.score(entry) for entry in entries}
        scored = [entry for entry in entries if scores[entry.name] is not None]
        scored.sort(key=lambda entry: -(scores[entry.name] or 0.0))
        return [*scored, *(entry for entry in entries if scores[entry.name] is None)]

    def models(self, quality: str) -> list[str]:
        """Return the models for a quality, the first choice first; empty if no model answers the question.

        Models of unknown licence are used only if there is no other. Models with files of unknown SHA-256 that aren't
        installed are never used.
        """
        usable = {entry.name: entry for entry in self.ranking if entry.verified or entry.installed}
        listed = [name for name in self.lists.get(quality, ()) if name in usable]
        others = [name for name, entry in usable.items() if name not in listed and entry.licence_known]
        # A list ends with models for machines without a network, which nothing follows.
        return listed or others or list(usable)

    def ruled_out(self, name: str) -> list[CatalogEntry]:
        """Return the models that may be better than `name`, and that only their unknown licence rules out.

        With scores, those with a higher one. Without, all others.
        """
        score = self.score(catalog()[name])
        unknown = [entry for entry in self.ranking if not entry.licence_known and entry.name != name]
        if self.set is None:
            return unknown
        return [entry for entry in unknown if (self.score(entry) or float("-inf")) > (score or float("inf"))]


@cache
def _tables() -> tuple[Mapping[str, Question], Mapping[str, ScoreSet]]:
    content = tomllib.loads(Path(__file__).with_name("questions.toml").read_text(encoding="utf-8"))
    questions = {}
    for table in content["question"]:
        lists = {quality: tuple(table.pop(quality)) for quality in QUALITIES if quality in table}
        for name in ("stems", "aliases"):
            table[name] = tuple(table.get(name, ()))
        questions[table["word"]] = Question(**table, lists=lists)
    sets = {table["name"]: ScoreSet(**table) for table in content["set"]}
    return MappingProxyType(questions), MappingProxyType(sets)


def questions() -> Mapping[str, Question]:
    """Return all questions by their words, in the order in which they are listed."""
    return _tables()[0]


def score_sets() -> Mapping[str, ScoreSet]:
    """Return all test sets by name."""
    return _tables()[1]


def find_question(name: str) -> tuple[Question, str] | None:
    """Return the question and the quality that a name such as `karaoke` or `karaoke:best` means; None for another name.

    Aliases are accepted, and hyphens instead of underscores.
    """
    word, _, quality = name.replace("-", "_").partition(SEPARATOR)
    if (quality or BALANCED) not in QUALITIES:
        return None
    for question in questions().values():
        if word == question.word or word in question.aliases:
            return question, quality or BALANCED
    return None


def writes_all(name: str) -> bool:
    """Whether `name` is the word of a question whose answer is all stems of a model."""
    found = find_question(name)
    return found is not None and found[0].all_stems


def name_of(question: Question, quality: str) -> str:
    """Return the name of a question at a quality: `karaoke`, `karaoke:best`."""
    return question.word if quality == BALANCED else f"{question.word}{SEPARATOR}{quality}"


def words_of(entries: Iterable[CatalogEntry]) -> list[str]:
    """Return the words of the questions that at least one of the models answers."""
    answered = {word for entry in entries for word in entry.answers}
    return [word for word in questions() if word in answered]
