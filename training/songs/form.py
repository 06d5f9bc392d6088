"""Plan a song: key, tempo, sections and chords."""

from dataclasses import dataclass

import numpy as np

from training.songs.genres import GENRES, POPULARITY, Genre
from training.songs.harmony import Chord, Key, degrees, make_chord
from training.songs.score import Clock, chance, pick

QUARTERS = {"4/4": 4.0, "3/4": 3.0, "6/8": 3.0}
"""Length of a bar in quarter notes."""


@dataclass(frozen=True)
class Span:
    """A chord and its position; `start` and `length` in quarter notes."""

    start: float
    length: float
    chord: Chord

    @property
    def end(self) -> float:
        return self.start + self.length


@dataclass(frozen=True)
class Section:
    """A section of the form. `energy` in 0..1 controls density, dynamics and the number of layers."""

    kind: str
    start: float
    bars: int
    energy: float
    parts: frozenset[str]
    length: float
    """In quarter notes."""

    @property
    def end(self) -> float:
        return self.start + self.length


@dataclass(frozen=True)
class Plan:
    """Plan that all parts follow. Positions are quarter notes from the start of the song."""

    name: str
    genre: Genre
    key: Key
    meter: str
    clock: Clock
    sections: tuple[Section, ...]
    spans: tuple[Span, ...]
    vocals: str
    seconds: float

    @property
    def bar(self) -> float:
        return QUARTERS[self.meter]

    @property
    def quarters(self) -> float:
        return self.sections[-1].end

    def chord_at(self, quarters: float) -> Chord:
        for span in self.spans:
            if span.start - 1e-6 <= quarters < span.end - 1e-6:
                return span.chord
        return self.spans[-1].chord

    def spans_in(self, section: Section) -> list[Span]:
        return [span for span in self.spans if section.start - 1e-6 <= span.start < section.end - 1e-6]


_FOLLOWS: dict[str, dict[str, float]] = {
    "intro": {"verse": 6, "chorus": 2},
    "verse": {"verse": 1, "prechorus": 2, "chorus": 6, "solo": 0.7},
    "prechorus": {"chorus": 6, "drop": 1},
    "chorus": {"verse": 4, "break": 2, "bridge": 2, "solo": 2, "chorus": 1, "outro": 0.7},
    "bridge": {"chorus": 4, "solo": 1, "break": 1},
    "break": {"chorus": 3, "drop": 3, "verse": 1},
    "solo": {"chorus": 3, "verse": 2, "bridge": 1},
    "drop": {"break": 1, "verse": 2, "chorus": 2},
    "outro": {"intro": 1},
}
_ENERGY = {"intro": 0.35, "verse": 0.5, "prechorus": 0.6, "chorus": 0.9, "bridge": 0.5, "break": 0.25,
    "solo": 0.75, "drop": 1.0, "outro": 0.35}  # fmt: skip
_BARS = {"intro": (2, 4), "verse": (4, 8), "prechorus": (2, 4), "chorus": (4, 8), "bridge": (4,),
    "break": (2, 4), "solo": (4, 8), "drop": (4, 8), "outro": (2, 4)}  # fmt: skip
_SINGS = {"intro": 0.12, "verse": 0.95, "prechorus": 0.95, "chorus": 0.97, "bridge": 0.85, "break": 0.5,
    "solo": 0.05, "drop": 0.35, "outro": 0.4}  # fmt: skip
_DRUMS = {"intro": 0.6, "verse": 0.92, "prechorus": 0.9, "chorus": 0.99, "bridge": 0.75, "break": 0.35,
    "solo": 0.97, "drop": 1.0, "outro": 0.6}  # fmt: skip
_BASS = {"intro": 0.55, "verse": 0.9, "prechorus": 0.9, "chorus": 0.99, "bridge": 0.85, "break": 0.4,
    "solo": 0.97, "drop": 1.0, "outro": 0.6}  # fmt: skip
_OTHER = {"intro": 0.95, "verse": 0.97, "prechorus": 0.97, "chorus": 0.99, "bridge": 0.97, "break": 0.85,
    "solo": 1.0, "drop": 0.95, "outro": 0.95}  # fmt: skip


def _progression(
    rng: np.random.Generator, key: Key, name: str, genre: Genre, bars: int, bar: float
) -> list[Span]:
    """Draw chords for `bars` bars, from position 0: usually one per bar, sometimes two, or one for two bars."""
    rhythm = float(pick(rng, {1.0: 6, 0.5: 1.5, 2.0: 1.5}))
    if rhythm == 0.5 and bar == 3.0:
        rhythm = 1.0
    count = max(1, round(bars / rhythm))
    loop = min(count, 12 if name == "blues" else pick(rng, [2, 4, 4, 4, 8]))
    colour = pick(rng, genre.colours)
    cycle = [make_chord(rng, key, degree, colour) for degree in degrees(rng, loop, name)]
    length = rhythm * bar
    return [Span(index * length, length, cycle[index % loop]) for index in range(count)]


def _parts(rng: np.random.Generator, kind: str, instruments: frozenset[str]) -> frozenset[str]:
    probabilities = {
        "vocals": _SINGS[kind],
        "drums": _DRUMS[kind],
        "bass": _BASS[kind],
        "other": _OTHER[kind],
    }
    playing = frozenset(
        part
        for part in ("drums", "bass", "other", "vocals")
        if part in instruments and chance(rng, probabilities[part])
    )
    return playing or frozenset({"other"} & instruments) or instruments


def make_plan(rng: np.random.Generator, longer: float = 1.0) -> Plan:
    """Draw the plan of a song of 30 to 48 seconds, times `longer`."""
    name = pick(rng, POPULARITY)
    genre = GENRES[name]
    tempo = float(rng.uniform(*genre.tempo_bpm))
    meter = pick(rng, genre.meters)
    bar = QUARTERS[meter]
    key = Key(int(rng.integers(12)), pick(rng, genre.modes))
    swings = chance(rng, genre.swing) and meter != "6/8"
    swing = float(rng.uniform(0.55, 0.67)) if swings else 0.5
    drifts = genre.looseness_s > 0.005 and chance(rng, 0.5)
    drift = tuple(float(d) for d in 0.01 * rng.standard_normal(round(60 * longer))) if drifts else ()
    clock = Clock(tempo, swing, genre.swing_unit, drift)

    vocals = pick(rng, genre.vocals)
    instruments = {"other", "vocals", "drums", "bass"}
    if vocals == "none":
        instruments.discard("vocals")
    if chance(rng, genre.without_drums):
        instruments.discard("drums")
    if chance(rng, genre.without_bass):
        instruments.discard("bass")

    target = longer * float(rng.uniform(30.0, 44.0))
    kind = pick(
        rng, {"intro": 3, "verse": 4, "prechorus": 1, "chorus": 4, "bridge": 1, "break": 1, "solo": 1}
    )
    chords: dict[tuple[str, int], list[Span]] = {}
    shared = chance(rng, 0.4)
    sections: list[Section] = []
    spans: list[Span] = []
    position = 0.0
    while clock.seconds(position) < target:
        bars = int(pick(rng, _BARS[kind]))
        if bar * 60.0 / tempo < 1.5 and bars < 8:
            bars *= 2  # fast songs have longer sections
        if bar * 60.0 / tempo > 2.9 and bars > 4:
            bars //= 2
        theme = "verse" if shared or kind in ("intro", "outro", "solo") else kind
        if (theme, bars) not in chords:
            chords[(theme, bars)] = _progression(rng, key, name, genre, bars, bar)
        energy = float(np.clip(_ENERGY[kind] + 0.12 * rng.standard_normal(), 0.1, 1.0))
        parts = _parts(rng, kind, frozenset(instruments))
        section = Section(kind, position, bars, energy, parts, bars * bar)
        sections.append(section)
        loop = chords[(theme, bars)]
        spans.extend(Span(position + span.start, span.length, span.chord) for span in loop)
        position = section.end
        kind = pick(rng, _FOLLOWS[kind])
    seconds = min(clock.seconds(position), target + 4.0)
    return Plan(name, genre, key, meter, clock, tuple(sections), tuple(spans), vocals, seconds)
