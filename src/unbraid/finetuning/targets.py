"""Which stems the new model separates, and of which stems of the songs each is the sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unbraid.audio.stem_names import COMPLEMENT_PREFIX
from unbraid.evaluation.multitrack import Multitrack


def choose_targets(stems: Sequence[str], base: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the stems of the new model, each with the stems of the songs that it is the sum of.

    These are the stems of the model that it begins with, if the songs have them all; `no_X` is the sum of all stems
    but X. Otherwise they are the stems of the songs.

    >>> choose_targets(["drums", "vocals"], ["vocals", "no_vocals"])
    {'vocals': ('vocals',), 'no_vocals': ('drums',)}
    >>> choose_targets(["kick", "rest"], ["vocals", "no_vocals"])
    {'kick': ('kick',), 'rest': ('rest',)}
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in base:
        without = name.removeprefix(COMPLEMENT_PREFIX)
        if name in stems:
            found[name] = (name,)
        elif without != name and without in stems:
            found[name] = tuple(stem for stem in stems if stem != without)
    used = [stem for parts in found.values() for stem in parts]
    if len(found) == len(base) and sorted(used) == sorted(stems):
        return found
    return {stem: (stem,) for stem in stems}


def summed(song: Multitrack, targets: Mapping[str, Sequence[str]]) -> Multitrack:
    """Return the song with the stems of the new model."""
    stems = {}
    for name, (first, *others) in targets.items():
        stems[name] = song.stems[first].copy()
        for other in others:
            stems[name] += song.stems[other]
    return Multitrack(song.name, song.sample_rate, stems)
