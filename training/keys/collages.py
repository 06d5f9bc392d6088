"""New songs from the sound of others: a new progression, each chord of which is cut from a song and transposed.

Rendering a song takes 2 s, a collage 5 ms. Overtones, filters and noise stay those of the sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from training.keys.chords import chords_at
from training.keys.notes import MINOR, Doubles, Example
from training.songs.form import Plan, make_plan
from training.sound import SPLIT_SEED
from unbraid.analysis.chords import QUALITIES
from unbraid.analysis.key import FRAME_S

_SEED = 99  # of the choices, beside the seed of the plan


@dataclass(frozen=True)
class Cut:
    """Frames of one chord in a song."""

    song: int
    frames: Doubles
    """(frames, 2, 12)"""
    root: int
    degree: int
    """Semitones from the tonic to the root."""
    minor: bool
    """Whether the song is in a minor key."""


class Cuts:
    """The chords of songs, by their quality. Frames at changes of chords are left out."""

    def __init__(self, songs: Sequence[Example]) -> None:
        self.songs = len(songs)
        self._cuts: dict[int, list[Cut]] = {quality: [] for quality in range(len(QUALITIES))}
        for number, song in enumerate(songs):
            assert song.chords is not None
            for start, stop in _runs(song.chords):
                root, quality = divmod(int(song.chords[start]), len(QUALITIES))
                edges = slice(start + (stop - start > 3), stop - (stop - start > 4))
                degree = (root - song.tonic) % 12
                self._cuts[quality].append(Cut(number, song.frames[edges], root, degree, song.minor))

    def choose(
        self, rng: np.random.Generator, song: int, quality: int, degree: int, minor: bool
    ) -> list[Cut]:
        """Return cuts with this quality: of `song` if it has any, and on the same degree of the key if possible."""
        known = self._cuts[quality] or [cut for cuts in self._cuts.values() for cut in cuts]
        if not any(cut.song == song for cut in known):
            song = known[int(rng.integers(len(known)))].song
        cuts = [cut for cut in known if cut.song == song]
        return [cut for cut in cuts if (cut.degree, cut.minor) == (degree, minor)] or cuts


def make_collage(seed: int, cuts: Cuts) -> Example:
    """Return a song with the progression that `seed` draws, in the sound of one song, or of a few."""
    plan = make_plan(np.random.default_rng([seed, SPLIT_SEED["train"]]))
    rng = np.random.default_rng([seed, _SEED])
    times_s: Doubles = np.arange(int(plan.seconds / FRAME_S), dtype=np.float64) * FRAME_S
    chords, minor = chords_at(plan, times_s), plan.key.mode in MINOR
    song = int(rng.integers(cuts.songs))
    chosen: dict[int, list[Cut]] = {}
    frames = np.zeros((len(chords), 2, 12))
    runs = _runs(chords)
    for start, stop in runs:
        number = int(chords[start])
        root, quality = divmod(number, len(QUALITIES))
        if number not in chosen:
            chosen[number] = cuts.choose(rng, song, quality, (root - plan.key.tonic) % 12, minor)
        position = start
        while position < stop:
            cut = chosen[number][int(rng.integers(len(chosen[number])))]
            part = cut.frames[: stop - position]
            frames[position : position + len(part)] = np.roll(part, root - cut.root, axis=-1)
            position += len(part)
    frames = _blurred(frames, [start for start, _ in runs[1:]])
    heard = _plays(plan, times_s) & (frames.sum(axis=(1, 2)) > 0)
    return Example(frames[heard], times_s[heard], plan.key.tonic, minor, chords[heard])


def _runs(chords: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Return the first frame of each chord, and the frame after its last."""
    changes = [0, *(np.flatnonzero(np.diff(chords)) + 1).tolist(), len(chords)]
    return [(start, stop) for start, stop in pairwise(changes) if stop > start]


def _blurred(frames: Doubles, changes: Sequence[int]) -> Doubles:
    """Mix the two frames at each change of chords: a frame reads 0.8 s of sound."""
    blurred = frames.copy()
    for change in changes:
        blurred[change - 1] = 0.75 * frames[change - 1] + 0.25 * frames[change]
        blurred[change] = 0.6 * frames[change] + 0.4 * frames[change - 1]
    return blurred


def _plays(plan: Plan, times_s: Doubles) -> NDArray[np.bool_]:
    """Return in which frames bass or other play."""
    ends = np.array([plan.clock.seconds(section.end) for section in plan.sections])
    plays = np.array([bool({"bass", "other"} & section.parts) for section in plan.sections])
    section = np.minimum(np.searchsorted(ends, times_s, side="right"), len(ends) - 1)
    return np.asarray(plays[section])
