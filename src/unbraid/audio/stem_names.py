"""Names of stems that have a meaning."""

from __future__ import annotations

from collections.abc import Sequence

ALL = "all"
"""Request for all stems of a model, instead of one stem."""
VOCALS = "vocals"
DRUMS = "drums"
MIX = "mix"
MIXTURE = "mixture"
STEM_FILE_PARTS = (DRUMS, "bass", "other", VOCALS)
STEM_FILE_TRACKS = (MIXTURE, *STEM_FILE_PARTS)
"""Tracks of a stem file (`unbraid.audio.stem_file`) in their order."""
STEM_FILE = "stem"
"""Name of the stem file among the files of a song."""
STEM_ENDING = ".stem.mp4"
COMPLEMENT_PREFIX = "no_"
"""Prefix of a complement: `no_vocals` is the song without its vocals."""


def has_parts(stem: str, sources: Sequence[str]) -> bool:
    """Whether a model with these sources separates `stem` into anything but itself."""
    return not set(sources) <= {stem}


def single_stems(sources: Sequence[str]) -> tuple[str, ...]:
    """Return the sources that can be chosen alone. A model of two stems has `no_X` as the complement of `X`."""
    return tuple(
        source for source in sources if source.removeprefix(COMPLEMENT_PREFIX) not in {*sources} - {source}
    )
