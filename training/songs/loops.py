"""Sampled drum loops at the tempo of the song."""

import numpy as np

from training.songs import sounds
from training.songs.form import Plan
from training.songs.score import chance, pick
from training.sound import SAMPLE_RATE, Audio, Split, add_at


def render_loop(rng: np.random.Generator, plan: Plan, total: int, split: Split) -> Audio | None:
    """Play a loop in all sections with drums: (2, total). None if no installed loop has a similar tempo."""
    if not sounds.have_samples() or plan.bar != 4.0 or plan.clock.drift:
        return None
    names = []
    for name in sounds.in_split(tuple(sounds.LOOPS), split):
        loop_bpm = sounds.LOOPS[name] * 60.0 * SAMPLE_RATE / sounds.sample(name).shape[1]
        if 0.72 < plan.clock.tempo_bpm / loop_bpm < 1.4:
            names.append((name, plan.clock.tempo_bpm / loop_bpm))
    if not names:
        return None
    name, speed = pick(rng, names)
    loop = _at_speed(sounds.sample(name), speed, varispeed=chance(rng, 0.3))
    length = round(sounds.LOOPS[name] * 60.0 / plan.clock.tempo_bpm * SAMPLE_RATE)
    loop = loop[:, :length]
    fade = 200
    loop[:, -fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    track = np.zeros((2, total), dtype=np.float32)
    for section in plan.sections:
        if "drums" not in section.parts:
            continue
        start_s = plan.clock.seconds(section.start)
        end_s = plan.clock.seconds(section.end)
        while start_s < end_s - 0.05:
            fits = min(loop.shape[1], int((end_s - start_s) * SAMPLE_RATE))
            add_at(track, loop[:, :fits], int(start_s * SAMPLE_RATE))
            start_s += length / SAMPLE_RATE
    return track


def _at_speed(sound: Audio, speed: float, varispeed: bool) -> Audio:
    """Change the speed: with the pitch, like tape, if `varispeed`, else at constant pitch."""
    if varispeed:
        at = np.arange(0, sound.shape[1] - 1, speed)
        return np.stack([np.interp(at, np.arange(sound.shape[1]), side) for side in sound]).astype(np.float32)
    import pedalboard

    return np.asarray(
        pedalboard.time_stretch(
            np.array(sound), SAMPLE_RATE, speed, transient_mode="crisp", high_quality=False
        ),
        dtype=np.float32,
    )
