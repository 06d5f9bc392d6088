"""Write accompaniment: held, strummed, stabbed or broken chords, and riffs."""

import numpy as np

from training.songs.form import Plan, Section, Span
from training.songs.harmony import nearest, voicing
from training.songs.score import Note, chance, pick

Stroke = tuple[float, float, float]
"""(position, length, velocity); position and length in quarter notes, from the start of the bar or chord"""


def rhythm(rng: np.random.Generator, manner: str, bar: float) -> list[Stroke]:
    """Draw the chord strokes of one bar."""
    eighths = np.arange(0.0, bar, 0.5)
    if manner == "held":
        return [(0.0, bar, 0.7)]
    if manner == "quarters":
        return [(float(x), 0.9, 0.75) for x in np.arange(0.0, bar, 1.0)]
    if manner == "eighths":
        return [(float(x), 0.48, 0.75 if x % 1 == 0 else 0.6) for x in eighths]
    if manner == "offbeats":
        return [(float(x) + 0.5, 0.25, 0.75) for x in np.arange(0.0, bar - 0.4, 1.0)]
    if manner == "strum":
        return [
            (float(x), 0.5, 0.8 if x % 1 == 0 else 0.6) for x in eighths if x == 0 or chance(rng, 0.75)
        ] + [(float(x) + 0.25, 0.25, 0.45) for x in eighths if chance(rng, 0.3)]
    if manner == "scratch":
        return [
            (float(x), 0.12 if chance(rng, 0.6) else 0.3, float(rng.uniform(0.4, 0.85)))
            for x in np.arange(0.0, bar, 0.25)
            if chance(rng, 0.6)
        ]
    if manner == "stabs":
        positions = [float(x) for x in np.arange(0.0, bar, 0.25) if chance(rng, 0.2)] or [0.5]
        length = float(pick(rng, [0.2, 0.4, 0.7]))
        return [(position, length, 0.8) for position in positions]
    if manner == "charleston":
        return [(0.0, 0.9, 0.7), (1.5, 0.4, 0.65)] if chance(rng, 0.5) else [(0.5, 0.3, 0.6), (2.0, 0.8, 0.6)]
    if manner == "montuno":
        return [(x, 0.3, 0.75) for x in (0.0, 0.5, 1.0, 1.75, 2.25, 2.75, 3.25, 3.75) if x < bar]
    return [(float(x), float(pick(rng, [0.5, 1.0])), 0.7) for x in eighths if x == 0 or chance(rng, 0.3)]


def _cut(rhythm_of_bar: list[Stroke], span: Span, bar: float) -> list[Stroke]:
    """Repeat the rhythm of a bar over a chord of any length, and cut it at the end of the chord."""
    positions = []
    for number in range(int(np.ceil(span.length / bar - 1e-6))):
        for position, length, velocity in rhythm_of_bar:
            at = number * bar + position
            if at < span.length - 1e-6:
                positions.append((at, min(length, span.length - at), velocity))
    return sorted(positions)


def chords(
    rng: np.random.Generator,
    plan: Plan,
    sections: list[Section],
    manner: str,
    centre: float,
    loose_s: float,
    strum_s: float = 0.0,
) -> list[Note]:
    """Write chords in a rhythm. `strum_s` is the time of a strum; on-beat strums go up in pitch, others go down."""
    notes: list[Note] = []
    themes: dict[str, list[Stroke]] = {}
    previous: tuple[int, ...] = ()
    for section in sections:
        figure = themes.setdefault(section.kind, rhythm(rng, manner, plan.bar))
        for span in plan.spans_in(section):
            previous = tones = voicing(span.chord, centre, previous, 6)
            if strum_s and len(tones) < 5:
                tones = tuple(sorted({*tones, tones[0] + 12, tones[-1] - 12}))
            for turn, (position, length, velocity) in enumerate(_cut(figure, span, plan.bar)):
                start = plan.clock.seconds(span.start + position) + float(rng.normal(0.0, loose_s))
                end = plan.clock.seconds(span.start + position + length * 0.95)
                loud = float(
                    np.clip(velocity * (0.7 + 0.4 * section.energy) + 0.05 * rng.standard_normal(), 0.15, 1.0)
                )
                order = tones if position % 1 == 0 else tones[::-1]
                for index, pitch in enumerate(order):
                    at = max(0.0, start + strum_s * index / len(order))
                    if at < plan.seconds and end > at:
                        each = float(np.clip(loud + 0.04 * rng.standard_normal(), 0.1, 1.0))
                        notes.append(Note(at, max(0.04, end - at), float(pitch), each))
                if turn == 0 and manner == "held" and chance(rng, 0.1):
                    break
    return notes


def broken(
    rng: np.random.Generator,
    plan: Plan,
    sections: list[Section],
    step: float,
    centre: float,
    loose_s: float,
    ring: float,
) -> list[Note]:
    """Write arpeggios. `step` is the distance between tones in quarter notes, `ring` their length in steps."""
    shape = pick(rng, {"up": 3, "down": 1, "updown": 3, "drawn": 3, "alberti": 2})
    wide = chance(rng, 0.6)
    drawn = [int(i) for i in rng.integers(0, 6, 16)]
    notes: list[Note] = []
    previous: tuple[int, ...] = ()
    for section in sections:
        for span in plan.spans_in(section):
            previous = tones = voicing(span.chord, centre, previous, 4)
            row = [*tones, *(tone + 12 for tone in tones)] if wide else list(tones)
            cycle = {"up": row, "down": row[::-1], "updown": row + row[-2:0:-1],
                "drawn": [row[i % len(row)] for i in drawn],
                     "alberti": [row[0], row[-1], row[len(row) // 2], row[-1]]}[shape]  # fmt: skip
            for index in range(int(span.length / step + 1e-6)):
                at = span.start + index * step
                start = plan.clock.seconds(at) + float(rng.normal(0.0, loose_s))
                end = plan.clock.seconds(at + step * ring)
                if 0.0 <= start < plan.seconds:
                    velocity = float(
                        np.clip(
                            0.6 + 0.2 * section.energy + 0.1 * (at % 1 == 0) + 0.05 * rng.standard_normal(),
                            0.1,
                            1.0,
                        )
                    )
                    notes.append(
                        Note(start, max(0.04, end - start), float(cycle[index % len(cycle)]), velocity)
                    )
    return notes


def riff(
    rng: np.random.Generator, plan: Plan, sections: list[Section], centre: float, loose_s: float
) -> list[Note]:
    """Write a riff: a figure of one or two bars that repeats its rhythm and adapts its pitches to each chord."""
    length = plan.bar * float(pick(rng, [1.0, 1.0, 2.0]))
    grid = float(pick(rng, [0.5, 0.25, 0.5]))
    positions = [float(x) for x in np.arange(0.0, length, grid) if x == 0 or chance(rng, 0.55)]
    moves = [float(m) for m in rng.normal(0.0, 4.0, len(positions))]
    scale = plan.key.pitch_classes()
    notes: list[Note] = []
    for section in sections:
        for number in range(int(np.ceil(section.length / length - 1e-6))):
            for index, (position, move) in enumerate(zip(positions, moves, strict=True)):
                at = section.start + number * length + position
                if at >= section.end:
                    break
                chord = frozenset(plan.chord_at(at).pitch_classes())
                pitch = nearest(chord if index % 2 == 0 else scale, centre + move)
                until = positions[index + 1] if index + 1 < len(positions) else length
                start = max(0.0, plan.clock.seconds(at) + float(rng.normal(0.0, loose_s)))
                end = plan.clock.seconds(at + 0.9 * min(until - position, 1.0))
                if start < plan.seconds:
                    notes.append(
                        Note(
                            start,
                            max(0.05, end - start),
                            float(pitch),
                            float(np.clip(rng.normal(0.75, 0.08), 0.3, 1.0)),
                        )
                    )
    return notes
