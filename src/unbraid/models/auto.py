"""Decide which model `auto`, `fast`, `best` and the words of questions (`karaoke`, `karaoke:best`) stand for.

Each takes the first model of its list that separates the wanted stems and is installed or can be downloaded. The lists
of `auto`, `fast` and `best` end with a bundled model, so they work without a network. No list has a model of unknown
licence. Only a question that no other model answers uses one, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from unbraid.audio.stem_words import named_sources, only_source
from unbraid.errors import ModelError
from unbraid.models.catalog import CatalogEntry, catalog
from unbraid.models.download import OFFLINE, ONE_QUICK_TRY, PATIENT, DownloadProgress, offline
from unbraid.models.folder import Model
from unbraid.models.install import load_or_install
from unbraid.models.questions import BALANCED, Question, find_question, name_of, questions, score_sets
from unbraid.models.questions import BEST as BEST_QUALITY
from unbraid.models.questions import FAST as FAST_QUALITY
from unbraid.models.sources import DownloadError
from unbraid.models.unavailable import recall, remember

AUTO = "auto"
"""The best available model of reasonable speed. The default."""
FAST = "fast"
"""The best available model that is much faster than real time on two cores."""
BEST = "best"
"""The best available model, however long it takes."""

_FAST_ORDER = ("spleeter", "spleeter_lite", "lite")
ORDERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        AUTO: ("htdemucs", *_FAST_ORDER),
        FAST: _FAST_ORDER,
        BEST: ("melband_roformer_kim", "htdemucs_ft", "htdemucs", *_FAST_ORDER),
    }
)
"""For each of these names, models from the best to the bundled one."""
FIRST_CHOICE = ORDERS[AUTO][0]
OF_QUALITY = MappingProxyType({FAST_QUALITY: FAST, BALANCED: AUTO, BEST_QUALITY: BEST})
"""What `auto` means at each quality."""


def is_choice(name: str) -> bool:
    """Whether a name stands for one of several models."""
    return name in ORDERS or find_question(name) is not None


def at_quality(model: str, quality: str) -> tuple[str, str]:
    """Return the choice that `model` means at a quality, and the quality that remains for overlaps and shifts.

    `auto` and the words of questions choose another model at another quality. Other names stay.
    """
    if quality in OF_QUALITY:
        if model == AUTO:
            return OF_QUALITY[quality], BALANCED
        if (found := find_question(model)) is not None:
            question, own = found
            return name_of(question, quality if own == BALANCED else own), BALANCED
    return model, quality


def candidates(stems: str | None = None, choice: str = AUTO) -> list[str]:
    """Return the models for `choice` that separate `stems`, in the words of `unbraid.audio.stem_words`; None: all.

    Unknown stems count as all of them. Raises ModelError if no model answers a question.
    """
    entries = catalog()
    named = None if stems is None else named_sources(stems)
    if (found := find_question(choice)) is not None:
        question, quality = found
        names = question.models(quality)
        if not names:
            raise ModelError(f"There is no model for {question.word}: {question.text}.")
        if named is None:
            return names
        return [name for name in names if named <= set(entries[name].sources)] or names
    every = set(entries[FIRST_CHOICE].sources)
    needed = named if named is not None and named <= every else every
    return [name for name in ORDERS[choice] if name in entries and needed <= set(entries[name].sources)]


def expected_choice(stems: str | None = None, choice: str = AUTO) -> str:
    """Return the model that the next song will use for `choice`, if downloads that haven't failed yet succeed."""
    names = candidates(stems, choice)
    return next((name for name in names if not obstacle_of(name)), names[-1])


def installed_choice(stems: str | None = None, choice: str = AUTO) -> str:
    """Return the model for `choice` without a download."""
    names = candidates(stems, choice)
    return next((name for name in names if catalog()[name].installed), names[-1])


def load_choice(
    choice: str,
    progress: DownloadProgress | None,
    notice: Callable[[str], object] | None,
    stems: str | None = None,
) -> Model:
    """Load the model that `choice` stands for, after one quick try to download each better one that is missing.

    A download that failed within the last day isn't tried. `notice` receives one line if a weaker model than the first
    is used: which one, and why. Another line says which better model only its unknown licence rules out, at the best
    quality. `progress`: see `unbraid.models.find.find_model`. Raises ModelError if no model can be loaded.
    """
    *downloaded, last = names = candidates(stems, choice)
    failures: dict[str, str] = {}
    """Cause by model."""
    for name in downloaded:
        if obstacle := obstacle_of(name):
            for missing, cause in obstacle.items():
                failures.setdefault(missing, cause)
            continue
        try:
            model = load_or_install(catalog()[name], progress, notice, ONE_QUICK_TRY)
            break
        except DownloadError as error:
            failures[error.subject or name] = error.cause
        except ModelError as error:  # of this machine: the disk is full, the cache can't be written
            for missing in _missing(name):
                failures.setdefault(missing, error.message.rstrip("."))
                remember(missing, failures[missing], on_disk=False)
    else:
        # Without another model, the last one is like a model that was asked for by name.
        patience = PATIENT if catalog()[last].files else ONE_QUICK_TRY
        model = load_or_install(catalog()[last], progress, notice, patience)
    if notice is not None:
        if failures:
            notice(_substitute(model.name, failures, names))
        if line := licence_notice(choice, model.name, stems):
            notice(line)
    return model


def _substitute(name: str, failures: Mapping[str, str], names: list[str]) -> str:
    """Return the line about a weaker model, and why it is used."""
    *others, missing = failures
    names_of = f"The models {', '.join(others)} and {missing}" if others else f"The model {missing}"
    causes = "; ".join(dict.fromkeys(failures.values()))
    how = "far weaker" if not catalog()[name].files and name == names[-1] else "weaker"
    return (
        f"{names_of} can't be downloaded: {causes}. Using {name} instead, which is {how}. "
        f"To get {names[0]}: unbraid models pull {names[0]}"
    )


def licence_notice(choice: str, name: str, stems: str | None = None) -> str | None:
    """Return a line if licences decided which model a choice stands for, or if that of `name` is unknown."""
    if not catalog()[name].licence_known:
        return f"The licence of {name} is unknown. Ask its author before you publish the stems."
    question, quality = find_question(choice) or (None, BALANCED)
    if choice == BEST:
        one_stem = stems is not None and only_source(stems) in questions()["vocals"].stems
        question, quality = questions()["vocals" if one_stem else "four_stems"], BEST_QUALITY
    if question is None or quality != BEST_QUALITY or not (others := question.ruled_out(name)):
        return None
    return _ruled_out(question, catalog()[name], others)


def _ruled_out(question: Question, entry: CatalogEntry, others: list[CatalogEntry]) -> str:
    if question.set is None:
        names = " and ".join(other.name for other in others)
        only = "is used only by its name" if len(others) == 1 else "are used only by their names"
        return f"{entry.name} is the choice of known licence. {names} {only}: the licence is unknown."
    other = others[0]
    return (
        f"{other.name} has a higher score than {entry.name} ({question.score(other):.1f} and "
        f"{question.score(entry):.1f} dB, {score_sets()[question.set].title}), but its licence is unknown. "
        "It is used only by its name."
    )


def obstacle_of(name: str) -> Mapping[str, str]:
    """Return why the model `name` can't be installed, without trying a download: cause by model; empty if unknown."""
    missing = _missing(name)
    if missing and offline():
        return dict.fromkeys(missing, f"{OFFLINE} is set")
    return {one: cause for one in missing if (cause := recall(one))}


def _missing(name: str) -> list[str]:
    """Return the models that have to be downloaded for the model `name`: itself, or those of a bag."""
    entry = catalog()[name]
    return [one.name for one in (*entry.members, entry) if one.files and not one.installed]
