"""Rhythmic speech: rap, shouts, spoken lines."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from training.sound import SAMPLE_RATE, add_at
from training.voices.grid import FRAME_RATE, GRID_HZ, FloatArray, interpolation
from training.voices.melody import smooth_noise
from training.voices.notes import Note, phrases
from training.voices.sing import levelled, sing_as
from training.voices.singer import Singer
from training.voices.vocoder import Frames, render
from training.voices.voice import NOISE_TO_GRID, Voice


def rap_as(
    notes: Sequence[Note], rng: np.random.Generator, voice: Voice, singer: Singer, total_samples: int
) -> FloatArray:
    """Render a speaking voice (total_samples,) at -20 dBFS during the phrases of the notes.

    Voices with spoken phrases speak them with their own prosody, at a random pace. Other voices speak syllables on the
    notes, at the pitch of speech.
    """
    if not voice.phrases:
        spoken = [
            replace(n, midi_pitch=48.0 + 0.4 * (n.midi_pitch % 12), duration_s=min(n.duration_s, 0.22))
            for n in notes
        ]
        steady = replace(singer, vibrato_cents=0.0, scoop_cents=200.0, scoop_share=0.8, melisma_share=0.0)
        return sing_as(spoken, rng, voice, steady, total_samples, 0.0 if voice.low else 9.0)
    out = np.zeros(total_samples, np.float32)
    pace = rng.uniform(0.85, 1.35)
    pitch = 2.0 ** rng.normal(0.1, 0.2)
    liveliness = rng.uniform(0.6, 1.8)
    matrix = interpolation(GRID_HZ, GRID_HZ / singer.formant_shift)
    for phrase in phrases(notes):
        at_s = phrase[0].start_s
        while phrase[-1].end_s - at_s > 0.25:
            unit = voice.phrases[int(rng.integers(len(voice.phrases)))]
            # Start at any unvoiced frame of the first half, so that no vowel is cut.
            pauses = np.nonzero(unit.voiced[: len(unit) // 2] < 0.5)[0]
            first = int(rng.choice(pauses)) if len(pauses) else 0
            count = int(min((len(unit) - first) / pace, (phrase[-1].end_s - at_s) * FRAME_RATE))
            path = (first + np.arange(count) * pace).astype(int).clip(0, len(unit) - 1)
            f0 = voice.f0_hz * pitch * (np.maximum(unit.f0_hz[path], 40.0) / voice.f0_hz) ** liveliness
            f0 = f0 * 2 ** (0.015 * smooth_noise(count, 6.0, rng))
            envelope = unit.envelope_db[path] @ matrix + singer.colour_db
            envelope[-12:] += np.linspace(0, -40, 12)[-count:, None]
            noise = np.clip((unit.noise[path] @ NOISE_TO_GRID) ** singer.periodicity, 0.01, 1.0)
            frames = Frames(
                envelope.astype(np.float32),
                noise.astype(np.float32),
                f0.clip(45, 500).astype(np.float32),
                unit.voiced[path],
            )
            add_at(out, render(frames, rng, replace(singer.roughness, depth=0.0)), round(at_s * SAMPLE_RATE))
            at_s += count / FRAME_RATE
    return levelled(out)
