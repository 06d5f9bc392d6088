"""A singer: habits that stay constant through a song."""

from dataclasses import dataclass

import numpy as np

from training.voices.grid import GRID_HZ, FloatArray
from training.voices.vocoder import Roughness
from training.voices.voice import Voice

# Ranges of pop melodies in MIDI: baritone to tenor, and alto to mezzo-soprano.
_LOW_RANGE = (45.0, 67.0)
_HIGH_RANGE = (54.0, 79.0)


@dataclass(frozen=True)
class Singer:
    """Habits of a singer. `colour_db` (80,) is added to every envelope; each `_share` is a probability."""

    formant_shift: float
    low_midi: float
    high_midi: float
    colour_db: FloatArray
    effort_db: float
    breath: float
    periodicity: float
    vibrato_hz: float
    vibrato_cents: float
    vibrato_delay_s: float
    vibrato_share: float
    glide_hz: float
    scoop_cents: float
    scoop_share: float
    detune_cents: float
    wander_cents: float
    melisma_share: float
    fry_share: float
    attack_s: float
    release_s: float
    breath_db: float
    consonant_db: float
    dynamics_db: float
    roughness: Roughness
    growl_share: float
    lag_s: float


def draw_singer(voice: Voice, rng: np.random.Generator) -> Singer:
    """Draw a singer for a voice. One in six sounds pitch-corrected, one in four is rough, one in four breathy."""
    tuned = rng.random() < 0.17
    rough = rng.random() < 0.25
    breathy = rng.random() < 0.25
    shift = float(np.exp(rng.normal(0.0, 0.07)))
    low, high = _LOW_RANGE if voice.low else _HIGH_RANGE
    span = rng.uniform(-3.0, 3.0)
    octaves = np.log2(np.maximum(GRID_HZ, 60.0) / 1000.0)
    # Frequency response of voice and microphone: a tilt and three broad bumps.
    colour = rng.normal(0.0, 0.9) * octaves
    for centre in rng.uniform(-3.0, 4.0, 3):
        colour = colour + rng.normal(0.0, 2.5) * np.exp(
            -0.5 * ((octaves - centre) / rng.uniform(0.4, 1.0)) ** 2
        )
    # Singer's formant: trained singers cluster F3 to F5 near 3 kHz (Sundberg, 1974).
    singers_formant = rng.uniform(0.0, 9.0) if rng.random() < 0.4 else 0.0
    colour = colour + singers_formant * np.exp(-0.5 * ((octaves - np.log2(3.0 * shift)) / 0.25) ** 2)
    return Singer(
        formant_shift=float(np.clip(shift, 0.85, 1.2)),
        low_midi=low + span,
        high_midi=high + span,
        colour_db=colour.astype(np.float32),
        effort_db=float(rng.normal(-3.0 if breathy else 0.0, 1.0)),
        breath=float(rng.uniform(0.15, 0.4) if breathy else rng.uniform(0.0, 0.1)),
        periodicity=float(rng.uniform(1.3, 2.8)),
        vibrato_hz=float(rng.uniform(4.6, 6.8)),
        vibrato_cents=0.0 if tuned else float(np.clip(rng.lognormal(np.log(32.0), 0.6), 8.0, 120.0)),
        vibrato_delay_s=float(rng.uniform(0.08, 0.5)),
        vibrato_share=float(rng.uniform(0.3, 1.0)),
        glide_hz=float(12.0 if tuned else rng.uniform(3.2, 6.5)),
        scoop_cents=0.0 if tuned else float(rng.uniform(40.0, 300.0)),
        scoop_share=float(rng.uniform(0.1, 0.6)),
        detune_cents=2.0 if tuned else float(rng.uniform(4.0, 14.0)),
        wander_cents=1.0 if tuned else float(rng.uniform(4.0, 12.0)),
        melisma_share=float(rng.uniform(0.0, 0.3)),
        fry_share=float(rng.uniform(0.0, 0.35) if rng.random() < 0.4 else 0.0),
        attack_s=float(rng.uniform(0.015, 0.07)),
        release_s=float(rng.uniform(0.04, 0.16)),
        breath_db=float(rng.uniform(-34.0, -20.0)),
        consonant_db=float(rng.normal(0.0, 3.0)),
        dynamics_db=float(rng.uniform(4.0, 14.0)),
        roughness=Roughness(
            jitter=float(rng.uniform(0.004, 0.012) if rough else rng.uniform(0.0005, 0.0025)),
            shimmer_db=float(rng.uniform(0.3, 0.9) if rough else rng.uniform(0.05, 0.4)),
            every=int(rng.choice([2, 2, 3])),
            depth=float(rng.uniform(0.15, 0.6)),
        ),
        growl_share=float(rng.uniform(0.2, 0.8) if rough else 0.0),
        lag_s=float(rng.normal(0.0, 0.012)),
    )
