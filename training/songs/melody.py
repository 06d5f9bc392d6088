"""Write melodies for voices and lead instruments: phrases with rests over the chords."""

from dataclasses import dataclass

import numpy as np

from training.songs.form import Plan, Section
from training.songs.harmony import nearest
from training.songs.score import Note, chance, pick


@dataclass(frozen=True)
class MelodyStyle:
    """Parameters of a melody.

    low, high: MIDI range. busy: note density, 0..1. rest: share of silence. step: standard deviation of the intervals
    in semitones. held: probability that a phrase ends on a long note. sixteenths: use a grid of sixteenths.
    """

    low: float
    high: float
    busy: float = 0.5
    rest: float = 0.3
    step: float = 2.6
    held: float = 0.7
    sixteenths: bool = False


@dataclass(frozen=True)
class _Figure:
    """Rhythm and contour of a phrase: onsets and lengths in quarter notes, contour in semitones."""

    onsets: tuple[float, ...]
    lengths: tuple[float, ...]
    contour: tuple[float, ...]


def _figure(rng: np.random.Generator, style: MelodyStyle, length: float, triple: bool) -> _Figure:
    grid = 0.5 if not style.sixteenths else 0.25
    sounding = length * float(np.clip(1.0 - style.rest + 0.15 * rng.standard_normal(), 0.25, 0.97))
    onsets: list[float] = []
    position = float(pick(rng, {0.0: 5, 0.5: 3, 1.0: 2, 1.5: 1} if not triple else {0.0: 5, 0.5: 2, 1.0: 2}))
    durations = {
        grid: 2.0 + 6.0 * style.busy,
        2 * grid: 3.0,
        3 * grid: 1.2,
        4 * grid: 2.0 * (1.0 - style.busy) + 0.2,
    }
    sounding = max(sounding, position + grid)  # at least one note
    while position < sounding:
        onsets.append(position)
        position += float(pick(rng, durations))
    ends = [*onsets[1:], max(sounding, onsets[-1] + grid)]
    if chance(rng, style.held):
        ends[-1] = min(length - grid, onsets[-1] + float(pick(rng, [1.0, 1.5, 2.0, 3.0])))
    lengths = [max(grid * 0.6, end - onset) for onset, end in zip(onsets, ends, strict=True)]
    repeats = chance(rng, 0.35)
    walk = [0.0]
    for _ in onsets[1:]:
        moved = 0.0 if repeats and chance(rng, 0.5) else float(rng.normal(0.0, style.step))
        walk.append(walk[-1] + moved - 0.12 * walk[-1])
    return _Figure(tuple(onsets), tuple(lengths), tuple(walk))


def _fit_to_chords(
    rng: np.random.Generator, plan: Plan, figure: _Figure, start: float, centre: float, style: MelodyStyle
) -> list[Note]:
    scale = plan.key.pitch_classes()
    pentatonic = frozenset((plan.key.tonic + plan.key.degree(d)) % 12 for d in ((0, 1, 2, 4,
        5) if plan.key.mode == "major" else (0, 2, 3, 4, 6)))  # fmt: skip
    notes = []
    accent = plan.bar / 2.0
    for index, (onset, length, contour) in enumerate(
        zip(figure.onsets, figure.lengths, figure.contour, strict=True)
    ):
        position = start + onset
        chord = frozenset(plan.chord_at(position).pitch_classes())
        target = float(np.clip(centre + contour, style.low, style.high))
        strong = (
            abs((position / accent) - round(position / accent)) < 1e-6
            or length >= 1.0
            or index == len(figure.onsets) - 1
        )
        candidates = chord if strong and chance(rng, 0.8) else (pentatonic if chance(rng, 0.5) else scale)
        pitch = nearest(candidates, target)
        while pitch > style.high:
            pitch -= 12
        while pitch < style.low:
            pitch += 12
        begins, ends = plan.clock.seconds(position), plan.clock.seconds(position + length)
        legato = float(rng.uniform(0.8, 1.0))
        velocity = float(np.clip(0.7 + 0.1 * strong + 0.08 * rng.standard_normal(), 0.3, 1.0))
        notes.append(Note(begins, max(0.05, (ends - begins) * legato), float(pitch), velocity))
    return notes


def write_melody(
    rng: np.random.Generator, plan: Plan, sections: list[Section], style: MelodyStyle
) -> list[Note]:
    """Write phrases for the sections. Sections of the same kind share figures, so that hooks repeat."""
    themes: dict[str, list[_Figure]] = {}
    notes: list[Note] = []
    for section in sections:
        if section.kind not in themes:
            length = float(plan.bar * pick(rng, {1: 1.0, 2: 4.0, 4: 1.0}))
            pool = [_figure(rng, style, length, plan.bar == 3.0) for _ in range(2)]
            form = pick(rng, [(0, 0, 0, 1), (0, 1, 0, 1), (0, 0, 1, 1), (0, 1, 1, 1)])
            themes[section.kind] = [pool[index] for index in form]
        figures = themes[section.kind]
        lift = (section.energy - 0.5) * 0.35 * (style.high - style.low)
        centre = (style.low + style.high) / 2.0 + lift
        span = max(
            plan.bar, round((max(figures[0].onsets[-1], figures[1].onsets[-1]) + 0.5) / plan.bar) * plan.bar
        )
        position, turn = section.start, 0
        while position < section.end - 1e-6:
            figure = figures[turn % 4]
            if position + figure.onsets[-1] < section.end and not (turn > 0 and chance(rng, 0.06)):
                notes.extend(_fit_to_chords(rng, plan, figure, position, centre, style))
            position += span
            turn += 1
    return [note for note in monophonic(notes) if note.start_s < plan.seconds - 0.1]


def monophonic(notes: list[Note]) -> list[Note]:
    """Sort the notes, end each where the next begins, and drop notes shorter than 40 ms."""
    ordered = sorted(notes, key=lambda note: note.start_s)
    line: list[Note] = []
    for index, note in enumerate(ordered):
        end = note.end_s if index + 1 == len(ordered) else min(note.end_s, ordered[index + 1].start_s)
        if end - note.start_s >= 0.04:
            line.append(Note(note.start_s, end - note.start_s, note.pitch, note.velocity))
    return line
