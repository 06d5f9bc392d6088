"""Keys, chords and chord progressions."""

from dataclasses import dataclass

import numpy as np

from training.songs.score import chance, pick

MODES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "harmonic": (0, 2, 3, 5, 7, 8, 11),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
}
"""Semitones of the seven degrees above the tonic."""


@dataclass(frozen=True)
class Key:
    tonic: int
    """Pitch class, 0 is C."""
    mode: str

    @property
    def scale(self) -> tuple[int, ...]:
        return MODES[self.mode]

    def degree(self, number: int) -> int:
        """Semitones from the tonic to a scale degree counted from 0; also negative, and beyond the octave."""
        octave, step = divmod(number, 7)
        return 12 * octave + self.scale[step]

    def pitch_classes(self) -> frozenset[int]:
        return frozenset((self.tonic + step) % 12 for step in self.scale)


@dataclass(frozen=True)
class Chord:
    """`root` and `bass` are pitch classes. `intervals` are semitones above the root, ascending from 0."""

    root: int
    intervals: tuple[int, ...]
    bass: int

    def pitch_classes(self) -> tuple[int, ...]:
        return tuple((self.root + interval) % 12 for interval in self.intervals)


# Weights of the next degree after each degree, counted from 0 (tonic, predominant, dominant).
_NEXT: dict[int, dict[int, float]] = {
    0: {3: 4, 4: 4, 5: 4, 1: 1.5, 2: 1, 6: 1},
    1: {4: 5, 3: 1, 6: 0.5, 0: 0.5},
    2: {5: 4, 3: 4, 1: 0.5},
    3: {0: 3, 4: 5, 1: 1, 5: 1, 6: 0.7},
    4: {0: 4, 5: 3, 3: 2},
    5: {3: 5, 1: 2, 4: 3, 2: 1, 0: 0.5},
    6: {0: 4, 5: 1.5, 3: 2, 2: 1},
}

# Common chord progressions, by degree from 0.
_LOOPS: tuple[tuple[int, ...], ...] = (
    (0, 4, 5, 3), (5, 3, 0, 4), (0, 5, 3, 4), (0, 3, 4, 3), (0, 3, 0, 4), (5, 4, 3, 4), (0, 6, 5, 4), (0, 6,
    3, 0),
    (3, 4, 0, 5), (1, 4, 0, 5), (0, 2, 3, 4), (0, 5, 1, 4), (0, 0, 3, 4), (0, 6, 5, 6), (0, 4, 3, 3), (0, 2,
    5, 3),
)  # fmt: skip
_TWELVE_BAR = (0, 0, 0, 0, 3, 3, 0, 0, 4, 3, 0, 4)


def degrees(rng: np.random.Generator, length: int, genre: str) -> tuple[int, ...]:
    """Draw a progression of `length` chords as scale degrees."""
    if genre == "blues" and chance(rng, 0.7):
        return tuple((_TWELVE_BAR * (length // 12 + 1))[:length])
    if genre in ("jazz", "bossa") and chance(rng, 0.7):
        cadences = [(1, 4, 0, 0), (2, 5, 1, 4), (1, 4, 0, 5), (3, 6, 2, 5), (0, 5, 1, 4)]
        line: list[int] = []
        while len(line) < length:
            line.extend(pick(rng, cadences))
        return tuple(line[:length])
    if genre in ("techno", "house", "dubstep", "funk", "ambient") and chance(rng, 0.4):
        other = int(pick(rng, [0, 0, 3, 5, 6]))
        return tuple([0, 0, other, other] * (length // 4 + 1))[:length]
    if chance(rng, 0.5):
        loop = pick(rng, _LOOPS)
        return tuple(loop[index % 4] for index in range(length))
    walk = [0 if chance(rng, 0.6) else int(rng.integers(7))]
    while len(walk) < length:
        walk.append(walk[-1] if chance(rng, 0.12) else pick(rng, _NEXT[walk[-1]]))
    return tuple(walk)


def make_chord(rng: np.random.Generator, key: Key, degree: int, colour: str) -> Chord:
    """Build the chord on a degree of the key from stacked thirds, sometimes with borrowed tones.

    `colour` is triad, sus, seventh, ninth, dominant (minor seventh on every degree) or power (root and fifth).
    """
    root = key.degree(degree)
    stack = tuple(key.degree(degree + step) - root for step in (0, 2, 4, 6, 8))
    if key.mode in ("minor", "phrygian") and degree == 4 and chance(rng, 0.35):
        stack = (0, 4, 7, 10, 14)  # major dominant in a minor key
    elif key.mode == "major" and degree == 3 and chance(rng, 0.08):
        stack = (0, 3, 7, 10, 14)  # minor subdominant, borrowed from the parallel key
    elif key.mode == "major" and degree in (1, 2, 5) and chance(rng, 0.06):
        stack = (0, 4, 7, 10, 14)  # secondary dominant
    intervals: tuple[int, ...]
    if colour == "power":
        intervals = (0, 7, 12) if stack[2] == 7 else (0, 12)
    elif colour == "sus" and chance(rng, 0.5) and stack[2] == 7:
        intervals = (0, pick(rng, [2, 5]), 7)
    elif colour == "seventh":
        intervals = stack[:4]
    elif colour == "ninth":
        intervals = stack[:4] if stack[4] == 13 else stack
    elif colour == "dominant":
        intervals = (0, 4, 7, 10)
    else:
        intervals = stack[:3]
        if chance(rng, 0.06) and stack[4] == 14:
            intervals = (*intervals, 14)
    pitch_class = (key.tonic + root) % 12
    bass = pitch_class
    if chance(rng, 0.08) and len(intervals) > 2:
        bass = (pitch_class + intervals[1]) % 12
    return Chord(pitch_class, intervals, bass)


def voicing(chord: Chord, centre: float, previous: tuple[int, ...] = (), most: int = 5) -> tuple[int, ...]:
    """Voice a chord as MIDI pitches near `centre`, with each tone in the octave closest to the previous voicing."""
    middle = float(np.mean(previous)) if previous else centre
    middle += 0.5 * (centre - middle)
    classes = chord.pitch_classes()[:most]
    return tuple(sorted({tone + 12 * round((middle - tone) / 12.0) for tone in classes}))


def nearest(pitch_classes: frozenset[int], pitch: float) -> int:
    """Return the MIDI pitch closest to `pitch` with one of the pitch classes."""
    centre = round(pitch)
    return min(range(centre - 6, centre + 7), key=lambda p: (p % 12 not in pitch_classes, abs(p - pitch)))
