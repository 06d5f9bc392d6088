"""Validate the options of a separation before the song waits in the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from unbraid.audio.formats import SONG_FORMATS, STEM
from unbraid.audio.stem_names import ALL as ALL
from unbraid.audio.stem_names import STEM_FILE_PARTS, VOCALS, single_stems
from unbraid.audio.stem_words import check_accompaniment, parse_stems
from unbraid.audio.times import TimeRange, time_range
from unbraid.errors import SettingError
from unbraid.jobs.limits import Limits
from unbraid.jobs.notify import check_notify
from unbraid.jobs.session import Choices
from unbraid.models.auto import AUTO, ORDERS, at_quality, candidates, is_choice
from unbraid.models.catalog import catalog, find_entry
from unbraid.models.own import offered_entry, offered_own
from unbraid.models.questions import (
    BALANCED,
    QUALITIES,
    find_question,
    name_of,
    words_of,
    writes_all,
)

_NO_MODEL = "UNBRAID_MODELS lists no model. Unset it to allow all."
MOST_LISTED = 12  # names in a message


def sources_of(model: str) -> tuple[str, ...]:
    """Return the stems of a model in the catalogue, or of a choice such as `auto`."""
    every_stem = candidates(choice=model)[0] if is_choice(model) else model
    entry = offered_entry(every_stem)
    if entry is None:
        raise SettingError(f"There is no model {model!r} any more. Choose another one.", "model")
    return tuple(entry.sources)


def stems_of(model: str) -> tuple[str, ...]:
    """Return the stems of a model in the catalogue, or of a choice such as `auto`, that can be chosen alone."""
    return single_stems(sources_of(model))


def default_stems(model: str) -> str:
    """Return the stems to write if a request names none: `vocals`, or all of a model that has none."""
    model = _canonical(model)
    return VOCALS if VOCALS in stems_of(model) and not writes_all(model) else ALL


def part_of(choices: Choices) -> TimeRange | None:
    """Return the part of the song to separate; None: the whole song. Raises SettingError."""
    try:
        return time_range(choices.start, choices.end)
    except SettingError as error:
        raise SettingError(error.message, "end" if choices.start is None else "start") from error


def choices_of_quality(choices: Choices) -> Choices:
    """Return the choices with the model that `auto` or a word means at their quality. Other choices stay."""
    model, quality = at_quality(choices.model, choices.quality or BALANCED)
    return replace(choices, model=model, quality=None if quality == BALANCED else quality)


def allowed_models(limits: Limits) -> list[str]:
    """Return the names that users may choose: `auto` and the like, words of questions, and models.

    The default is the first. Models with files of unknown SHA-256 are missing unless they are installed: a server
    doesn't download them. Raises SettingError if `limits` lists names, but none of these.
    """
    entries = [entry for entry in catalog().values() if entry.verified or entry.installed]
    entries += offered_own().values()
    names = [*ORDERS, *words_of(entries), *(entry.name for entry in entries)]
    if limits.models is None:
        return names
    allowed = {_canonical(name) for name in limits.models}
    found = [name for name in names if name in allowed]
    if not found:
        raise SettingError(f"{_unusable(limits.models)}, so none is left." if limits.models else _NO_MODEL)
    return found


def ignored_models(limits: Limits) -> list[str]:
    """Return a line about the names that `limits` lists, but that `allowed_models` leaves out, if there are any."""
    allowed = allowed_models(limits)
    ignored = [name for name in limits.models or () if _canonical(name) not in allowed]
    return [f"{_unusable(ignored)}. See `unbraid models` and `unbraid models list`."] if ignored else []


def _unusable(names: Sequence[str]) -> str:
    is_no = "which is no model" if len(names) == 1 else "which are no models"
    return f"UNBRAID_MODELS lists {', '.join(names)}, {is_no} that can be used here"


def validate_choices(choices: Choices, limits: Limits) -> Choices:
    """Return the choices if they are valid and available. Raises SettingError.

    If `auto` is not allowed, the first allowed name replaces it, so that requests without a model work. The model's
    own name replaces an alias.
    """
    allowed = allowed_models(limits)
    if choices.quality not in (None, *QUALITIES):
        raise SettingError(
            f"There is no quality {choices.quality!r}. Choose one of {', '.join(QUALITIES)}.", "quality"
        )
    default = choices.model == AUTO and AUTO not in allowed
    choices = replace(choices, model=allowed[0] if default else _canonical(choices.model))
    if _without_quality(choices.model) not in allowed:
        words = [name for name in allowed if is_choice(name)]
        known = ", ".join(allowed if len(allowed) <= MOST_LISTED else [*words, "or a model of GET /models"])
        raise SettingError(f"There is no model {choices.model!r}. Choose one of {known}.", "model")
    if choices.format == STEM:
        choices = _of_stem_file(choices)
    try:
        contents = parse_stems(choices.stems, sources_of(choices.model), choices.model)
        if choices.video:
            check_accompaniment(choices.stems, [content.name for content in contents])
    except SettingError as error:
        raise SettingError(error.message, "stems") from error
    part = part_of(choices)
    if part is not None and choices.video:
        raise SettingError("A video needs the whole song. Leave out the start and the end.", "video")
    if choices.format not in SONG_FORMATS:
        raise SettingError(
            f"There is no format {choices.format!r}. Choose one of {', '.join(SONG_FORMATS)}.", "format"
        )
    if choices.notify is not None:
        check_notify(choices.notify)
    return choices


def _of_stem_file(choices: Choices) -> Choices:
    """Return the choices of a stem file: all stems, of a model of its four. Raises SettingError."""
    sources = sources_of(choices.model)
    if set(sources) != set(STEM_FILE_PARTS):
        raise SettingError(
            f"A stem file needs a model of {', '.join(STEM_FILE_PARTS)}; {choices.model} has {', '.join(sources)}.",
            "format",
        )
    if choices.stems not in (ALL, VOCALS):
        raise SettingError("A stem file has all stems. Leave out stems.", "stems")
    if choices.video:
        raise SettingError("A stem file has no pictures. Choose another format for the video.", "video")
    return replace(choices, stems=ALL)


def _canonical(name: str) -> str:
    """Return the name of a model or a question that may be given by an alias; other names stay."""
    if (entry := find_entry(name)) is not None:
        return entry.name
    found = find_question(name)
    return name if found is None else name_of(*found)


def _without_quality(name: str) -> str:
    """Return the word of a question without its quality: `karaoke` for `karaoke:best`; other names stay."""
    found = find_question(name)
    return name if found is None else found[0].word
