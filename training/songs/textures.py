"""Sounds without pitch or rhythm: risers, sweeps, impacts, crackle and ambience."""

import numpy as np

from training.songs import sounds
from training.songs.form import Plan
from training.songs.oscillators import sweep, wave
from training.songs.score import chance, pick
from training.sound import SAMPLE_RATE, Audio, Split, add_at


def _noise(rng: np.random.Generator, seconds: float, rising: bool) -> Audio:
    count = int(seconds * SAMPLE_RATE)
    t = np.linspace(0.0, 1.0, -(-count // 256))
    t = t if rising else 1.0 - t
    cutoff = 200.0 * 2.0 ** (6.0 * t)
    sound = sweep(
        rng.standard_normal((2, count)).astype(np.float32),
        cutoff,
        float(rng.uniform(0.1, 0.6)),
        1.0,
        pick(rng, ["LPF24", "BPF12"]),
        256,
    )
    ramp = np.linspace(0.0, 1.0, count, dtype=np.float32) ** 2
    return 0.3 * sound * (ramp if rising else ramp[::-1])


def _riser(rng: np.random.Generator, seconds: float) -> Audio:
    """Tone that rises by one to three octaves."""
    count = int(seconds * SAMPLE_RATE)
    climb = np.linspace(0.0, float(rng.uniform(1.0, 3.0)), count)
    tone = wave(pick(rng, ["saw", "square", "sine"]), 0, float(rng.uniform(80, 220)) * 2.0**climb, count)
    sound = tone * np.linspace(0.0, 1.0, count, dtype=np.float32) ** 2
    return np.stack([sound, sound])


def _crackle(rng: np.random.Generator, total: int) -> Audio:
    """Vinyl crackle: random clicks over quiet hiss."""
    sound = 0.01 * rng.standard_normal((2, total)).astype(np.float32)
    for start in rng.integers(0, total - 40, int(total / SAMPLE_RATE * rng.uniform(3, 25))):
        length = int(rng.integers(3, 30))
        sound[:, start : start + length] += (
            float(rng.exponential(0.3)) * np.hanning(length).astype(np.float32) * float(rng.choice([-1, 1]))
        )
    return sound


def _excerpt(rng: np.random.Generator, split: Split) -> Audio:
    source = sounds.sample(pick(rng, sounds.in_split(sounds.AMBIENCES, split)))
    speed = 2.0 ** float(rng.uniform(-1.0, 0.6))
    at = np.arange(0, min(source.shape[1] - 1, 12 * SAMPLE_RATE), speed)
    sound = np.stack([np.interp(at, np.arange(source.shape[1]), side) for side in source]).astype(np.float32)
    return sound[:, ::-1].copy() if chance(rng, 0.2) else sound


def render_texture(rng: np.random.Generator, plan: Plan, name: str, total: int, split: Split) -> Audio:
    """Render a texture (2, total). `name` is fx (around section boundaries), vinyl or ambience."""
    track = np.zeros((2, total), dtype=np.float32)
    samples = sounds.have_samples()
    if name == "vinyl":
        track += _crackle(rng, total)
        return track
    if name == "ambience":
        start = 0
        while start < total:
            sound = (
                _excerpt(rng, split) if samples and chance(rng, 0.8) else _noise(rng, 6.0, chance(rng, 0.5))
            )
            fade = min(sound.shape[1] // 2, SAMPLE_RATE)
            sound[:, :fade] *= np.linspace(0, 1, fade, dtype=np.float32)
            sound[:, -fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
            add_at(track, sound, start, float(rng.uniform(0.4, 1.0)))
            start += max(SAMPLE_RATE, int(sound.shape[1] * float(rng.uniform(0.5, 1.5))))
        return track
    for section in plan.sections:
        boundary = plan.clock.seconds(section.start)
        length = min(max(0.5, boundary), float(pick(rng, [1.0, 2.0, 4.0])) * 60.0 / plan.clock.tempo_bpm * 2)
        if section.start > 0 and chance(rng, 0.7):
            sound = _riser(rng, length) if chance(rng, 0.3) else _noise(rng, length, True)
            add_at(track, sound, int((boundary - length) * SAMPLE_RATE))
        if chance(rng, 0.5):
            sound = (
                _excerpt(rng, split)
                if samples and chance(rng, 0.6)
                else _noise(rng, float(rng.uniform(0.5, 3.0)), False)
            )
            add_at(track, sound, int(boundary * SAMPLE_RATE), float(rng.uniform(0.3, 1.0)))
    return track
