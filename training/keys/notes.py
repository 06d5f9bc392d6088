"""The pitches of a score without its sound, roughly as `unbraid.analysis.key.Pitches` hears them: 30 ms for a song."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.songs import comping, other
from training.songs.form import Plan, Section
from training.songs.melody import MelodyStyle, write_melody
from training.songs.render import compose
from training.songs.score import Note, chance, gain, hertz, pick
from training.sound import Split
from unbraid.analysis.key import BASS_HZ, FRAME_S, HIGHEST_HZ, LOWEST_HZ

Doubles = NDArray[np.float64]

MINOR = ("minor", "dorian", "harmonic", "phrygian")
"""Modes with a minor third."""
_OVERTONES = 8
_SEED = 77  # of the instruments, beside the song's own


@dataclass(frozen=True)
class Example:
    """The pitches of a piece of music, and its key."""

    frames: Doubles
    """Shares of the pitch classes of bass and harmony, (frames, 2, 12); see `unbraid.analysis.key_features`."""
    times_s: Doubles
    """Time of each frame, (frames,). Frames of silence are left out."""
    tonic: int
    minor: bool
    chords: NDArray[np.intp] | None = None
    """Number of the chord in each frame, (frames,), as `training.keys.chords.chords_at` counts; None if unknown."""

    @property
    def key(self) -> int:
        """Tonic, plus 12 for minor."""
        return self.tonic + 12 * self.minor


@dataclass(frozen=True)
class Layer:
    """The notes of an instrument, and its level as a factor."""

    notes: list[Note]
    level: float


def hear_score(seed: int, split: Split = "train") -> tuple[Example, Plan]:
    """Return the pitches of a song, without its chords, and its plan."""
    score = compose(seed, split)
    plan, rng = score.plan, np.random.default_rng([seed, _SEED])
    layers = [Layer(score.bass, gain(2 + 4 * float(rng.standard_normal())))] if score.bass else []
    frames, times_s = hear(rng, [*layers, *_layers(rng, plan)], plan.seconds)
    return Example(frames, times_s, plan.key.tonic, plan.key.mode in MINOR), plan


def hear(rng: np.random.Generator, layers: Iterable[Layer], seconds: float) -> tuple[Doubles, Doubles]:
    """Return the pitch classes that the layers give together, (frames, 2, 12), and the times of the frames in seconds.

    Each layer gets a random timbre. Silent frames are left out.
    """
    heard = np.zeros((int(seconds / FRAME_S), 2, 12))
    for layer in layers:
        amplitudes: Doubles = float(rng.uniform(0.25, 0.85)) ** np.arange(_OVERTONES, dtype=np.float64)
        if chance(rng, 0.2):
            amplitudes[1::2] *= 0.2  # mainly odd harmonics, as in a clarinet or a square wave
        decay_s = float(np.exp(rng.uniform(np.log(0.3), np.log(6))))
        for note in layer.notes:
            _add(heard, note, layer.level * amplitudes, decay_s)
    heard *= np.exp(rng.normal(0, 0.25, heard.shape))
    noise = rng.exponential(1, heard.shape) * 3 * float(np.exp(rng.uniform(np.log(0.002), np.log(0.08))))
    heard += noise * heard.mean(axis=(0, 2), keepdims=True)
    heard[heard < 0.02 * heard.max(axis=2, keepdims=True)] = 0
    total = heard.sum(axis=2, keepdims=True)
    frames = heard / (total + 1e-12) * (total > 1e-6)
    heard_at = np.flatnonzero(frames.sum(axis=(1, 2)) > 0)
    return np.asarray(frames[heard_at]), np.asarray(heard_at * FRAME_S, np.float64)


def _add(heard: Doubles, note: Note, amplitudes: Doubles, decay_s: float) -> None:
    """Add a note with its overtones. A frame has the length of four steps."""
    start, end = note.start_s / FRAME_S, (note.end_s + 0.1) / FRAME_S
    first, stop = int(max(0, np.floor(start - 1))), int(min(len(heard), np.ceil(end + 1)))
    steps = np.arange(first, stop)
    share = np.clip(np.minimum(steps + 2, end) - np.maximum(steps - 2, start), 0, 4) / 4
    level = note.velocity * share * np.exp(-np.maximum(steps - start, 0) * FRAME_S / decay_s)
    for number, amplitude in enumerate(amplitudes, 1):
        frequency = number * hertz(note.pitch)
        if not LOWEST_HZ <= frequency <= HIGHEST_HZ:
            continue
        pitch_class = round(note.pitch + 12 * np.log2(number)) % 12
        is_bass = frequency < BASS_HZ
        weight = amplitude if is_bass else amplitude / np.sqrt(frequency / BASS_HZ)
        heard[first:stop, 0 if is_bass else 1, pitch_class] += weight * level


def _layers(rng: np.random.Generator, plan: Plan) -> list[Layer]:
    """Draw layers of "other" as `training.songs.other` does, without their sound."""
    low, high = plan.genre.tracks
    count, weights = int(rng.integers(low, high + 1)), dict(plan.genre.layers)
    names: list[str] = []
    while len(names) < count and weights:
        names.append(pick(rng, weights))
        del weights[names[-1]]
    if plan.vocals == "none" and chance(rng, 0.65):
        names.append("lead_synth")
    layers = []
    for index, name in enumerate(names):
        if name in ("fx", "vinyl", "ambience"):
            continue  # no pitch
        lead = name.startswith("lead_") or name == "harmonica"
        playing = other.draw_sections(rng, plan, index, lead, plan.vocals != "none")
        if playing:
            layers.append(
                Layer(_notes(rng, plan, name, lead, playing), gain(3 * float(rng.standard_normal())))
            )
    return layers


def _notes(rng: np.random.Generator, plan: Plan, name: str, lead: bool, playing: list[Section]) -> list[Note]:
    if lead:
        style = MelodyStyle(60, 84, float(rng.uniform(0.3, 0.8)), float(rng.uniform(0.2, 0.5)))
        return write_melody(rng, plan, playing, style)
    if name == "power":
        manner = pick(rng, {"eighths": 4, "held": 3, "strum": 1, "free": 2})
        return comping.chords(rng, other.power_plan(plan), playing, manner, 47.0, 0.0, 0.004)
    if name == "riff":
        return comping.riff(rng, plan, playing, float(rng.uniform(50, 66)), 0.0)
    part = other.PARTS.get(name, other.Part({"held": 1}, 60))
    return other.write_part(rng, plan, part, playing)
