"""Equalise the average spectrum of each voice towards that of sung pop vocals.

Speech synthesisers speak softly, with a band of 8 or 11 kHz. Singers are louder, and their microphones reach 20 kHz.
The correction is a smooth curve from the average over all vowels of a voice, so that the voice keeps its formants and
a part of its slope.
"""

from dataclasses import replace

import numpy as np

from training.voices.grid import GRID_HZ, FloatArray, power_db, single
from training.voices.voice import Unit, Voice

# Power density of sung vowels in dB relative to the maximum: -9 dB per octave above 700 Hz, the slope of loud singing
# (Sundberg, 1987), and less steep above 6 kHz, because close microphones add presence.
_TARGET_HZ = np.array(
    [60, 120, 250, 450, 700, 1000, 1500, 2200, 3200, 4500, 6500, 9000, 12000, 16000, 19000, 22050]
)
_TARGET_DB = np.array([-22, -11, -4, 0, -1, -5, -9, -12, -15, -21, -27, -32, -37, -44, -56, -74])
TARGET_DB = np.interp(np.log2(np.maximum(GRID_HZ, 40)), np.log2(_TARGET_HZ), _TARGET_DB).astype(np.float32)

_STRENGTH = 0.9
# Correct the slope first, then steps and dips. The finest step applies only above the formants of the vowels.
_WIDTHS_OCTAVES = (0.8, 0.3, 0.12)
_FINE_HZ = 4000.0
_LOUDEST_CONSONANT_DB = -3.0
_HISS_DB = -36.0


def average_db(voice: Voice) -> FloatArray:
    """Mean power (80,) in dB over the vowels of all syllables."""
    rows = np.concatenate([unit.envelope_db[unit.core_start : unit.core_end] for unit in voice.syllables])
    return single(10 * np.log10(np.mean(10 ** (rows / 10), axis=0) + 1e-12))


def _correction(average: FloatArray) -> FloatArray:
    octaves = np.log2(np.maximum(GRID_HZ, 60.0))
    total = np.zeros(len(GRID_HZ), np.float32)
    for width in _WIDTHS_OCTAVES:
        kernel = np.exp(-0.5 * ((octaves[:, None] - octaves[None, :]) / width) ** 2)
        kernel /= kernel.sum(axis=1, keepdims=True)
        remaining = _STRENGTH * (TARGET_DB - average - total)
        remaining = remaining - remaining[(GRID_HZ > 300) & (GRID_HZ < 1000)].mean()
        step = kernel @ np.clip(remaining, -40, 50)
        total = total + single(step if width > 0.2 else np.where(GRID_HZ > _FINE_HZ, step, 0.0))
    return total


def equalised(voice: Voice) -> Voice:
    """Equalise a voice to the target. Consonants get a third of the correction, and a limited level."""
    correction = _correction(average_db(voice))

    def equalise_unit(unit: Unit) -> Unit:
        share = np.where(unit.voiced > 0.5, 1.0, 0.33)[:, None].astype(np.float32)
        envelope = unit.envelope_db + share * correction
        core = envelope[unit.core_start : unit.core_end]
        envelope = envelope - 10 * np.log10(np.mean(10 ** (power_db(core) / 10)))
        # The correction also raised the hiss between sounds; attenuate it again.
        envelope = envelope + 2.0 * np.minimum(power_db(envelope) - _HISS_DB, 0)[:, None]
        above = power_db(envelope) - np.where(unit.voiced > 0.5, 4.0, _LOUDEST_CONSONANT_DB)
        envelope = envelope - np.maximum(above, 0)[:, None]
        return replace(unit, envelope_db=envelope.astype(np.float32))

    return replace(
        voice,
        syllables=[equalise_unit(unit) for unit in voice.syllables],
        phrases=[equalise_unit(unit) for unit in voice.phrases],
    )
