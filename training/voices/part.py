"""Stereo vocal parts: lead, double, harmony, choir, rap."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from training.sound import Split
from training.voices.bank import VoiceBank
from training.voices.grid import FloatArray, single
from training.voices.notes import Note, octave_for
from training.voices.rap import rap_as
from training.voices.sing import levelled, sing_as
from training.voices.singer import Singer, draw_singer

Style = Literal["lead", "double", "harmony", "choir", "rap"]

_MAJOR = (0, 2, 4, 5, 7, 9, 11)


def sing_part(
    notes: Sequence[Note],
    rng: np.random.Generator,
    split: Split,
    bank: VoiceBank,
    total_samples: int,
    style: Style = "lead",
) -> FloatArray:
    """Render a dry vocal part (2, total_samples) at 44100 Hz, with -20 dBFS while it sounds.

    "lead" is one singer in the centre. "double" adds two more takes of the singer at the sides, slightly out of tune
    and time. "harmony" is two or three lines in thirds, fifths or octaves around the melody, without the melody.
    "choir" is five to eight singers in unison, octaves and thirds. "rap" is speech in the rhythm of the notes. Raises
    ValueError if the bank has no voice of the split.
    """
    if style == "choir":
        return _choir(notes, rng, split, bank, total_samples)
    if style == "rap":
        speaking = bank.of(split, speaking=True) if any(v.phrases for v in bank.of(split)) else bank.of(split)
        voice = speaking[int(rng.integers(len(speaking)))]
        spoken = rap_as(notes, rng, voice, draw_singer(voice, rng), total_samples)
        return panned(spoken, rng.uniform(-0.1, 0.1))
    voices = bank.of(split)
    voice = voices[int(rng.integers(len(voices)))]
    singer = draw_singer(voice, rng)
    worded = [replace(note, syllable=note.syllable or _word(voice.syllables, rng)) for note in notes]
    if style == "lead":
        return panned(sing_as(worded, rng, voice, singer, total_samples), rng.uniform(-0.08, 0.08))
    if style == "double":
        centre = panned(sing_as(worded, rng, voice, singer, total_samples), 0.0)
        level = 10 ** (rng.uniform(-9.0, -2.0) / 20)
        spread = rng.uniform(0.4, 1.0)
        for side in (-spread, spread):
            take = sing_as(
                _jitter_onsets(worded, rng, 0.02), rng, voice, _another_take(singer, rng), total_samples
            )
            centre += level * panned(take, side)
        return levelled(centre)
    shift = octave_for(notes, singer.low_midi, singer.high_midi) if notes else 0
    tonic = _tonic(notes)
    out = np.zeros((2, total_samples), np.float32)
    lines = rng.permutation(np.array([2, -2, 4, -3, 7, -7]))[: int(rng.integers(2, 4))]
    for number, steps in enumerate(lines):
        moved = [replace(n, midi_pitch=_diatonic(n.midi_pitch, int(steps), tonic)) for n in worded]
        line = sing_as(
            _jitter_onsets(moved, rng, 0.015), rng, voice, _another_take(singer, rng), total_samples, shift
        )
        side = (-1.0) ** number * rng.uniform(0.2, 0.9)
        out += panned(line, side)
    return levelled(out)


def _word(syllables: Sequence[object], rng: np.random.Generator) -> str | None:
    """Draw a syllable, so that doubles and harmonies sing the same words; one in eight notes holds the vowel."""
    if rng.random() < 0.12:
        return "-"
    return str(getattr(syllables[int(rng.integers(len(syllables)))], "text", ""))


def panned(sound: FloatArray, side: float) -> FloatArray:
    """Pan (samples,) to (2, samples) at constant power. `side` is -1 for left, 1 for right; 0 has unit gain."""
    angle = (side + 1) * np.pi / 4
    gains = np.sqrt(2.0) * np.array([np.cos(angle), np.sin(angle)])
    return single(gains[:, None] * sound[None, :])


def _another_take(singer: Singer, rng: np.random.Generator) -> Singer:
    """Vary the habits of a singer, for another take by the same person."""
    return replace(
        singer,
        formant_shift=singer.formant_shift * float(rng.uniform(0.98, 1.02)),
        detune_cents=float(rng.uniform(5.0, 20.0)),
        breath_db=singer.breath_db - 6.0,
        lag_s=singer.lag_s + float(rng.normal(0, 0.012)),
    )


def _jitter_onsets(notes: Sequence[Note], rng: np.random.Generator, spread_s: float) -> list[Note]:
    """Shift the onsets of the notes randomly."""
    late = rng.normal(0, spread_s, len(notes)).clip(-2 * spread_s, 2 * spread_s)
    return [replace(n, start_s=max(n.start_s + float(d), 0.0)) for n, d in zip(notes, late, strict=True)]


def _tonic(notes: Sequence[Note]) -> int:
    """Return the pitch class whose major scale contains most of the melody."""
    weight = np.zeros(12)
    for note in notes:
        weight[round(note.midi_pitch) % 12] += note.duration_s
    return int(np.argmax([sum(weight[(tonic + step) % 12] for step in _MAJOR) for tonic in range(12)]))


def _diatonic(pitch: float, steps: int, tonic: int) -> float:
    """Move a pitch by steps of the major scale; pitches outside the scale move like the next lower one."""
    above = round(pitch) - tonic
    chroma = above % 12
    degree = max(i for i, step in enumerate(_MAJOR) if step <= chroma)
    far_octave, far = divmod(degree + steps, 7)
    return pitch + 12 * far_octave + _MAJOR[far] - _MAJOR[degree]


def _choir(
    notes: Sequence[Note], rng: np.random.Generator, split: Split, bank: VoiceBank, total_samples: int
) -> FloatArray:
    """Render several singers, each in a suitable octave, panned across the stereo image."""
    voices = bank.of(split)
    tonic = _tonic(notes)
    out = np.zeros((2, total_samples), np.float32)
    for _ in range(int(rng.integers(5, 9))):
        voice = voices[int(rng.integers(len(voices)))]
        singer = draw_singer(voice, rng)
        singer = replace(singer, growl_share=0.0, breath_db=-60.0, detune_cents=12.0, scoop_share=0.1)
        steps = int(rng.choice([0, 0, 0, 2, 4]))
        line = [replace(n, midi_pitch=_diatonic(n.midi_pitch, steps, tonic)) for n in notes]
        sound = sing_as(_jitter_onsets(line, rng, 0.025), rng, voice, singer, total_samples)
        out += panned(sound, rng.uniform(-1.0, 1.0)) * rng.uniform(0.6, 1.0)
    return levelled(out)
