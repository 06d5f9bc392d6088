"""Notes to sing, and their phrases."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

# A rest longer than this ends a phrase; a shorter one is sung through.
PHRASE_GAP_S = 0.18


@dataclass(frozen=True)
class Note:
    """A note: seconds from the start of the song, MIDI pitch (60 is C4, may be fractional), velocity 0..1.

    `syllable` is the text of the syllable to sing, if the voice has it. "-" holds the vowel of the previous note; None
    is any syllable.
    """

    start_s: float
    duration_s: float
    midi_pitch: float
    velocity: float
    syllable: str | None = None

    @property
    def end_s(self) -> float:
        """End of the note in seconds."""
        return self.start_s + self.duration_s


def phrases(notes: Sequence[Note]) -> list[list[Note]]:
    """Sort the notes, end overlapped notes early, and split them into phrases at rests."""
    ordered = sorted((note for note in notes if note.duration_s > 0.02), key=lambda note: note.start_s)
    split: list[list[Note]] = []
    for note in ordered:
        if split:
            last = split[-1][-1]
            if note.start_s - last.start_s < 0.03:
                continue  # a chord: sing only its first note
            if last.end_s > note.start_s:
                split[-1][-1] = replace(last, duration_s=note.start_s - last.start_s)
            if note.start_s - last.end_s <= PHRASE_GAP_S and note.start_s - split[-1][0].start_s < 12.0:
                split[-1].append(note)
                continue
        split.append([note])
    return split


def octave_for(notes: Sequence[Note], low: float, high: float) -> int:
    """Return the transposition, a multiple of 12 semitones, that fits the melody best into low..high (MIDI)."""
    pitches = np.array([note.midi_pitch for note in notes])
    weights = np.array([note.duration_s for note in notes])

    def misfit(shift: int) -> float:
        moved = pitches + shift
        outside = np.maximum(moved - high, 0) + np.maximum(low - moved, 0)
        return float((weights * (4 * outside + 0.2 * np.abs(moved - (low + high) / 2))).sum())

    return min((12 * octave for octave in range(-6, 7)), key=misfit)
