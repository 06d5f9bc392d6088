"""Pitch and loudness curves of a player: glides, vibrato, scoops, swells. Soundfonts and synthesisers both use them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.songs.score import Note, chance

CURVE_RATE = 200
"""Points per second of a pitch or loudness curve; 28 or more for each cycle of a vibrato of up to 7 Hz."""

Curve = NDArray[np.float64]


@dataclass(frozen=True)
class Player:
    """How a player shapes notes."""

    vibrato_hz: float
    vibrato: float
    """Vibrato depth: half the width, in semitones."""
    delay_s: float
    """Delay of the vibrato after the onset."""
    glide_s: float
    glides: float
    """Probability of a glide from the previous note."""
    scoops: float
    """Probability of a scoop into a note."""
    scoop: float
    """Semitones below the note where a scoop starts."""
    falls: float
    """Probability that the pitch of a long note falls at its end."""
    swell: float
    """Loudness range within a note, 0..1."""


def draw_player(rng: np.random.Generator) -> Player:
    deep = chance(rng, 0.75)
    return Player(
        vibrato_hz=float(rng.uniform(4.3, 7.0)),
        vibrato=float(rng.uniform(0.1, 0.65)) if deep else float(rng.uniform(0.0, 0.08)),
        delay_s=float(rng.uniform(0.0, 0.35)),
        glide_s=float(rng.uniform(0.02, 0.16)),
        glides=float(rng.choice([0.0, 0.3, 0.7, 1.0])),
        scoops=float(rng.choice([0.0, 0.15, 0.5])),
        scoop=float(rng.uniform(0.5, 2.5)),
        falls=float(rng.choice([0.0, 0.0, 0.15])),
        swell=float(rng.uniform(0.0, 0.6)),
    )


def pitch_curve(rng: np.random.Generator, notes: list[Note], player: Player, seconds: float) -> Curve:
    """Return the MIDI pitch of a monophonic line at CURVE_RATE; rests keep the last pitch."""
    points = int(seconds * CURVE_RATE) + 1
    curve = np.full(points, notes[0].pitch if notes else 60.0)
    previous = notes[0] if notes else None
    for note in notes:
        first = min(points, round(note.start_s * CURVE_RATE))
        curve[first:] = note.pitch
        last = min(points, round(note.end_s * CURVE_RATE))
        count = last - first
        if count <= 1:
            continue
        t = np.arange(count) / CURVE_RATE
        shape = np.zeros(count)
        rate = player.vibrato_hz * float(rng.uniform(0.93, 1.07))
        depth = player.vibrato * float(rng.uniform(0.5, 1.2)) * np.clip((t - player.delay_s) / 0.25, 0.0, 1.0)
        if note.duration_s > 0.25:
            shape += depth * np.sin(2.0 * np.pi * rate * t)
        assert previous is not None
        jump = previous.pitch - note.pitch
        if 0 < abs(jump) <= 12 and note.start_s - previous.end_s < 0.1 and chance(rng, player.glides):
            shape += jump * np.exp(-t / max(0.005, player.glide_s / 3.0))
        elif chance(rng, player.scoops):
            shape -= player.scoop * np.exp(-t / max(0.01, player.glide_s / 2.0))
        if note.duration_s > 0.4 and chance(rng, player.falls):
            shape -= 4.0 * np.clip((t - t[-1] + 0.2) / 0.2, 0.0, 1.0) ** 2
        curve[first:last] += shape
        previous = note
    return curve


def bends(curve: Curve, notes: list[Note]) -> list[tuple[float, float]]:
    """Convert a pitch curve to pitch bends relative to the rounded pitch of each note, in steps of 2 cents or more."""
    result: list[tuple[float, float]] = []
    for note in notes:
        first, last = round(note.start_s * CURVE_RATE), round(note.end_s * CURVE_RATE) + 4
        before = None
        for index in range(first, min(last, curve.size)):
            offset = float(curve[index]) - round(note.pitch) if index < last - 4 else before or 0.0
            if before is None or abs(offset - before) >= 0.02:
                result.append((index / CURVE_RATE, offset))
                before = offset
    return result


def swell_curve(rng: np.random.Generator, notes: list[Note], player: Player, seconds: float) -> Curve:
    """Return the loudness 0..1 at CURVE_RATE: each note grows, fades, or swells and fades."""
    points = int(seconds * CURVE_RATE) + 1
    curve = np.full(points, 0.8)
    for note in notes:
        first, last = round(note.start_s * CURVE_RATE), min(points, round(note.end_s * CURVE_RATE))
        if last - first < 2:
            continue
        t = np.linspace(0.0, 1.0, last - first)
        shape = (t, 1.0 - t, np.sin(np.pi * t))[int(rng.integers(3))]
        curve[first:last] = 0.95 - player.swell * (1.0 - shape) * (1.0 if note.duration_s > 0.3 else 0.3)
    return curve
