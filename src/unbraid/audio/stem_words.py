"""Parse the words for the stems of a song: `vocals`, `all`, `no_vocals`, `drums+bass`, `mix`, and lists of these.

This is the only parser of these words: of the command line, Python, the API and the page.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from unbraid.audio.stem_names import ALL, COMPLEMENT_PREFIX, single_stems
from unbraid.errors import SettingError

MIX = "mix"
"""The song itself."""
REST = "rest"
"""The song without the other stems of the list. A model's stem of this name comes first."""
COMMA, PLUS = ",", "+"


@dataclass(frozen=True, slots=True)
class StemContent:
    """A stem to write: a sum of sources, or the song without some."""

    name: str
    sources: tuple[str, ...]
    """Names of the model's sources."""
    of_song: bool = False
    """Whether the stem is the song without `sources`; otherwise it is their sum."""


def joined(stems: str | Sequence[str]) -> str:
    """Return stems as text. A sequence is a list, also if it has one name. Raises SettingError.

    >>> joined(["vocals"])
    'vocals,'
    """
    if isinstance(stems, str):
        return stems
    if not isinstance(stems, Sequence) or not stems or not all(isinstance(stem, str) for stem in stems):
        raise SettingError(
            f"The stems are a text, or a list of texts such as ['vocals', 'drums'], not {stems!r}."
        )
    return COMMA.join(stems) + COMMA


def split_stems(words: str) -> list[str]:
    """Return the words of a list, each once, in order. The last comma of a list may be followed by nothing.

    >>> split_stems("vocals, drums+bass,")
    ['vocals', 'drums+bass']
    """
    names = [name.strip() for name in words.split(COMMA)]
    if len(names) > 1 and not names[-1]:
        names.pop()
    return list(dict.fromkeys(names))


def is_list(words: str) -> bool:
    """Whether `words` is a list, which is written as it is. A single stem is written with its complement.

    >>> is_list("vocals"), is_list("vocals,"), is_list("no_vocals")
    (False, True, False)
    """
    return COMMA in words


def named_sources(words: str) -> frozenset[str] | None:
    """Return the sources that `words` name, for a model whose sources aren't known yet; None: all of them.

    >>> sorted(named_sources("no_vocals,drums+bass,mix"))
    ['bass', 'drums', 'vocals']
    """
    names = split_stems(words)
    if ALL in names:
        return None
    pieces = [piece.strip() for name in names for piece in name.split(PLUS)]
    return frozenset(piece.removeprefix(COMPLEMENT_PREFIX) for piece in pieces if piece not in (MIX, REST))


def only_source(words: str) -> str:
    """Return the source that `words` name if it is the only one, or else ALL.

    >>> only_source("no_vocals,mix"), only_source("vocals,drums")
    ('vocals', 'all')
    """
    named = named_sources(words)
    return next(iter(named)) if named is not None and len(named) == 1 else ALL


def parse_stems(words: str, sources: Sequence[str], model: str = "this model") -> tuple[StemContent, ...]:
    """Return the stems that `words` mean for a model with these `sources`. Raises SettingError, which names `model`.

    One stem means itself and its complement. Otherwise the list is complete. If sums and single sources cover the song,
    they add up to it: the last sum contains what the networks leave over, and its sources needn't be estimated.
    """
    single = single_stems(sources)
    names = split_stems(words)
    if not is_list(words) and words in single:
        return StemContent(words, (words,)), StemContent(COMPLEMENT_PREFIX + words, (words,), of_song=True)
    contents: dict[str, StemContent] = {}
    for name in names:
        found = (
            [StemContent(one, (one,)) for one in sources] if name == ALL else [_content(name, sources, model)]
        )
        for content in found:
            contents.setdefault(content.name, content)
    if REST in names and REST not in sources:
        return _with_rest(contents, sources)
    return tuple(_adding_up(list(contents.values()), sources))


def check_accompaniment(stems: str | Sequence[str], names: Collection[str]) -> None:
    """Raise SettingError unless the stems with these `names` have an accompaniment, for the sound of a video."""
    if joined(stems) != ALL and not any(name.startswith(COMPLEMENT_PREFIX) for name in names):
        raise SettingError("A video needs the sound of a stem such as no_vocals. Add it to the stems.")


def _content(name: str, sources: Sequence[str], model: str) -> StemContent:
    """Return the content of one stem, except for the word REST. Raises SettingError."""
    single = single_stems(sources)
    base = name.removeprefix(COMPLEMENT_PREFIX)
    if name in single or (name in sources and base not in single):
        return StemContent(name, (name,))
    if name.startswith(COMPLEMENT_PREFIX) and base in single:
        return StemContent(name, (base,), of_song=True)
    if name in (MIX, REST):
        return StemContent(name, (), of_song=True)
    pieces = list(dict.fromkeys(piece.strip() for piece in name.split(PLUS)))
    if unknown := [piece for piece in pieces if piece not in sources]:
        raise SettingError(_unknown(unknown[0], name, sources, model))
    # Each source once: a file's name has a limit.
    return StemContent(PLUS.join(pieces), tuple(source for source in sources if source in pieces))


def _unknown(piece: str, name: str, sources: Sequence[str], model: str) -> str:
    single = single_stems(sources)
    if not name:
        return "A name is missing in the list of stems. Write it as vocals,drums."
    if not piece:
        return f"A name is missing in the sum {name}. Write it as {PLUS.join(sources[:2])}."
    if piece != name and (piece in (ALL, MIX, REST) or piece.startswith(COMPLEMENT_PREFIX)):
        return f"{piece} can't be part of the sum {name}. Add up {', '.join(sources)}."
    without = COMPLEMENT_PREFIX + single[-1] if single else MIX
    choices = [ALL, *single, f"{without} and the like", MIX]
    if len(sources) > 2:
        choices.append(f"a sum such as {PLUS.join(sources[:2])}")
    return f"There is no stem {piece!r} in {model}. Choose {', '.join(choices)}, or several with commas."


def _adding_up(contents: list[StemContent], sources: Sequence[str]) -> list[StemContent]:
    """Give the last sum what the networks leave over, if sums and single sources cover the song without overlaps."""
    parts = [content for content in contents if not content.of_song]
    sums = [content for content in parts if len(content.sources) > 1]
    if sums and sorted(source for part in parts for source in part.sources) == sorted(sources):
        last = sums[-1]
        others = tuple(source for source in sources if source not in last.sources)
        contents[contents.index(last)] = StemContent(last.name, others, of_song=True)
    return contents


def _with_rest(contents: dict[str, StemContent], sources: Sequence[str]) -> tuple[StemContent, ...]:
    """Find the content of the word REST, now that the other stems are known. Raises SettingError."""
    others = [one for one in contents.values() if one.name not in (MIX, REST)]
    named = [source for one in others for source in one.sources]
    if any(one.of_song for one in others) or len(set(named)) < len(named):
        raise SettingError(f"{REST} is the song without the other stems. Choose others that don't overlap.")
    taken = tuple(source for source in sources if source in named)
    return tuple(replace(one, sources=taken) if one.name == REST else one for one in contents.values())
