"""Pitch contour of a sung phrase: targets, glides, scoops, vibrato, drift.

Glides are the step response of a damped second-order system, as in Saitou, Unoki and Akagi (2005). They measured an
overshoot with damping 0.54 at 34.8 rad/s in singing, and a vibrato between 5 and 8 Hz.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from training.voices.grid import FRAME_RATE, FloatArray
from training.voices.notes import Note
from training.voices.singer import Singer


def smooth_noise(frames: int, corner_hz: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Low-pass noise (frames,) of standard deviation one."""
    run_in = FRAME_RATE
    b, a = signal.butter(2, corner_hz / (FRAME_RATE / 2))
    noise: NDArray[np.float64] = signal.lfilter(b, a, rng.standard_normal(frames + run_in))[run_in:]
    # 1.11 times the corner frequency is the equivalent noise bandwidth of this filter.
    scaled: NDArray[np.float64] = noise / np.sqrt(corner_hz * 1.11 / (FRAME_RATE / 2))
    return scaled


def _glide(targets: NDArray[np.float64], natural_hz: float, damping: float) -> NDArray[np.float64]:
    """Filter the targets (frames,) with a second-order system, and compensate its delay."""
    omega = 2 * np.pi * natural_hz
    b, a = signal.bilinear([omega**2], [1.0, 2 * damping * omega, omega**2], FRAME_RATE)
    delay = round(2 * damping / omega * FRAME_RATE)
    padded = np.concatenate([targets, np.full(delay, targets[-1])])
    state = signal.lfilter_zi(b, a) * padded[0]
    contour: NDArray[np.float64] = signal.lfilter(b, a, padded, zi=state)[0][delay:]
    return contour


def contour_hz(
    notes: Sequence[Note],
    shift: float,
    origin_s: float,
    frames: int,
    singer: Singer,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Draw the pitch contour in Hz, and the level changes of the vibrato in dB, each (frames,).

    Frame 0 is at `origin_s`; `shift` transposes in semitones.
    """
    time = origin_s + np.arange(frames) / FRAME_RATE
    starts = np.array([note.start_s for note in notes])
    note_of_frame = np.clip(np.searchsorted(starts, time, side="right") - 1, 0, len(notes) - 1)
    detune = rng.normal(0.0, singer.detune_cents, len(notes)).clip(-30, 30)
    targets = (np.array([note.midi_pitch for note in notes]) + shift)[note_of_frame] + detune[
        note_of_frame
    ] / 100
    midi = _glide(targets, singer.glide_hz, rng.uniform(0.55, 0.9))
    swell = np.zeros(frames)
    cents = np.zeros(frames)
    for index, note in enumerate(notes):
        inside = time - note.start_s
        first = index == 0 or note.start_s - notes[index - 1].end_s > 0.05
        if singer.scoop_cents and rng.random() < singer.scoop_share * (1.0 if first else 0.3):
            scoop = singer.scoop_cents * rng.uniform(0.3, 1.0) * min(1.0, note.duration_s / 0.4)
            cents -= np.where(note_of_frame == index, scoop * np.exp(-np.maximum(inside, 0) / 0.05), 0.0)
        long = note.duration_s - singer.vibrato_delay_s
        if singer.vibrato_cents and long > 0.2 and rng.random() < singer.vibrato_share:
            rise = np.clip((inside - singer.vibrato_delay_s) / 0.3, 0, 1) * np.clip(
                (note.duration_s - inside) / 0.1, 0, 1
            )
            rate = singer.vibrato_hz * (1 + 0.03 * smooth_noise(frames, 2.0, rng)) * rng.uniform(0.95, 1.05)
            depth = singer.vibrato_cents * rng.uniform(0.6, 1.2) * (1 + 0.15 * smooth_noise(frames, 1.5, rng))
            cycle = 2 * np.pi * np.cumsum(rate / FRAME_RATE)
            cycle = cycle - cycle[np.argmin(np.abs(inside - singer.vibrato_delay_s))]
            cents += np.where(note_of_frame == index, rise * depth * np.sin(cycle), 0.0)
            swell += np.where(note_of_frame == index, rise * depth / 40.0 * np.sin(cycle + 0.8), 0.0)
    cents += singer.wander_cents * (
        0.7 * smooth_noise(frames, 1.0, rng) + 0.5 * smooth_noise(frames, 8.0, rng)
    )
    ending = time - notes[-1].end_s
    fall = rng.uniform(50, 500) if rng.random() < 0.2 and singer.scoop_cents else 0.0
    cents -= fall * np.clip((ending + 0.15) / 0.25, 0, 1) ** 2
    hz = 440.0 * 2.0 ** ((midi + cents / 100 - 69.0) / 12.0)
    if rng.random() < singer.fry_share:
        # Vocal fry: in the last tenth of a second the pitch falls so low that single pulses are audible.
        fry = np.clip((ending + 0.12) / 0.06, 0, 1)
        creak = rng.uniform(45.0, 75.0) * 2 ** (0.15 * smooth_noise(frames, 20.0, rng))
        hz = hz ** (1 - fry) * creak**fry
    return hz.astype(np.float32), swell.clip(-3, 3).astype(np.float32)
