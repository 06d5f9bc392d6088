"""Sing a melody with one voice."""

from collections.abc import Sequence

import numpy as np

from training.sound import SAMPLE_RATE, Split, add_at
from training.voices.bank import VoiceBank
from training.voices.grid import FloatArray, single
from training.voices.notes import Note, octave_for, phrases
from training.voices.phrase import phrase_frames
from training.voices.singer import Singer, draw_singer
from training.voices.vocoder import Roughness, render
from training.voices.voice import Voice

LEAD_RMS = 0.1  # -20 dBFS


def sing(
    notes: Sequence[Note], rng: np.random.Generator, *, split: Split, bank: VoiceBank, total_samples: int
) -> FloatArray:
    """Sing the notes, transposed by octaves into the singer's range: a dry voice (total_samples,) at 44100 Hz.

    The RMS while it sings is -20 dBFS. Equal generators give equal samples. Raises ValueError if the bank has no voice
    of the split.
    """
    voice = _pick(bank.of(split), rng)
    return sing_as(notes, rng, voice, draw_singer(voice, rng), total_samples)


def _pick(voices: Sequence[Voice], rng: np.random.Generator) -> Voice:
    return voices[int(rng.integers(len(voices)))]


def sing_as(
    notes: Sequence[Note],
    rng: np.random.Generator,
    voice: Voice,
    singer: Singer,
    total_samples: int,
    shift: float | None = None,
) -> FloatArray:
    """Sing with a given voice and singer; `shift` transposes by semitones (None: by octaves into the range)."""
    out = np.zeros(total_samples, np.float32)
    sung_phrases = phrases(notes)
    if not sung_phrases:
        return out
    if shift is None:
        shift = float(
            octave_for(
                [note for phrase in sung_phrases for note in phrase], singer.low_midi, singer.high_midi
            )
        )
    before_s = 0.0
    for phrase in sung_phrases:
        rest_s = phrase[0].start_s - before_s
        frames, origin_s = phrase_frames(phrase, voice, singer, shift, rest_s, rng)
        before_s = phrase[-1].end_s + singer.release_s + 0.05
        rough = singer.roughness
        if rng.random() >= singer.growl_share:
            rough = Roughness(rough.jitter, rough.shimmer_db, rough.every, 0.0)
        sound = render(frames, rng, rough, flutter=0.5)
        add_at(out, sound, round((origin_s + singer.lag_s) * SAMPLE_RATE))
    return levelled(out)


def levelled(sound: FloatArray, rms: float = LEAD_RMS) -> FloatArray:
    """Scale (..., samples) so that the RMS of the 50 ms blocks within 30 dB of the loudest is `rms`."""
    block = SAMPLE_RATE // 20
    count = sound.shape[-1] // block
    power = (
        np.mean(sound[..., : count * block].reshape(-1, count, block) ** 2, axis=(0, 2))
        if count
        else np.zeros(1)
    )
    active = power > power.max() * 1e-3
    if not power.max() > 0:
        return sound
    return single(sound * (rms / np.sqrt(power[active].mean())))
