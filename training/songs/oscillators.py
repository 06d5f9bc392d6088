"""Band-limited wavetable oscillators, filter sweeps and envelopes."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.sound import SAMPLE_RATE, Audio

TABLE = 4096
"""Points per cycle. Tables are read without interpolation; at 4096 points the error of a sine is -65 dB."""

Floats = NDArray[np.float64]


def spectrum(shape: str, seed: int = 0) -> NDArray[np.complex128]:
    """Amplitudes of the harmonics 0 (always 0) to 1024 of a shape. "drawn", "vocal", "organ", "pulse" use the seed."""
    n = np.arange(1, 1025, dtype=np.float64)
    rng = np.random.default_rng([seed, 77])
    parts: NDArray[Any]
    if shape == "saw":
        parts = -1j / n
    elif shape == "square":
        parts = np.where(n % 2 == 1, -1j / n, 0)
    elif shape == "pulse":
        parts = np.sin(np.pi * n * rng.uniform(0.06, 0.4)) / n
    elif shape == "triangle":
        parts = np.where(n % 2 == 1, 1.0 / n**2, 0)
    elif shape == "sine":
        parts = np.where(n == 1, 1.0, 0)
    elif shape == "organ":
        bars = np.zeros(n.size)
        for harmonic in (1, 2, 3, 4, 6, 8, 5, 10, 12, 16):
            bars[harmonic - 1] = rng.random() ** 1.5
        bars[0] = max(bars[0], 0.5)
        parts = bars
    elif shape == "vocal":
        peaks = rng.uniform(2, 30, 4)
        bumps = (
            np.exp(-0.5 * ((n - peaks[:, None]) / (0.15 * peaks[:, None] + 1)) ** 2) / peaks[:, None] ** 0.5
        )
        parts = bumps.sum(axis=0) + 0.3 / n
    else:
        decay = n ** -rng.uniform(0.7, 1.8)
        parts = decay * rng.random(n.size) * np.exp(2j * np.pi * rng.random(n.size))
    return np.concatenate([[0.0], parts]).astype(np.complex128)


@lru_cache(maxsize=256)
def _table(shape: str, seed: int, harmonics: int) -> Audio:
    bins = np.zeros(TABLE // 2 + 1, dtype=np.complex128)
    source = spectrum(shape, seed)
    count = min(harmonics, 1024) + 1
    bins[:count] = source[:count]
    wave = np.fft.irfft(bins)
    wave /= max(1e-9, float(np.sqrt(np.mean(wave**2)))) * 3.0
    return wave.astype(np.float32)


def phase_of(frequency: Floats | float, samples: int, start: float = 0.0) -> Floats:
    """Phase in cycles at each sample. `frequency` in Hz is constant or has one value per sample."""
    if isinstance(frequency, float):
        return np.asarray(start + np.arange(samples) * (frequency / SAMPLE_RATE), dtype=np.float64)
    return np.asarray(start + np.cumsum(frequency) / SAMPLE_RATE, dtype=np.float64)


def wave(shape: str, seed: int, frequency: Floats | float, samples: int, start: float = 0.0) -> Audio:
    """Oscillator (samples,) of RMS 1/3. Its harmonics stay below 19 kHz, even at the highest frequency."""
    highest = frequency if isinstance(frequency, float) else float(np.max(frequency, initial=20.0))
    limit = max(1, int(19_000.0 / max(highest, 1.0)))
    # One table per third of an octave is enough: changes in the highest harmonics are inaudible.
    limit = int(2.0 ** (np.floor(3.0 * np.log2(limit)) / 3.0))
    table = _table(shape, seed, max(1, limit))
    index = (phase_of(frequency, samples, start) * TABLE).astype(np.int64) & (TABLE - 1)
    return np.asarray(table[index], dtype=np.float32)


def sweep(
    sound: Audio, cutoff_hz: Floats, resonance: float, drive: float = 1.0, kind: str = "LPF24", hop: int = 128
) -> Audio:
    """Ladder filter for (samples,) or (channels, samples); `cutoff_hz` has one value per `hop` samples."""
    import pedalboard

    ladder = pedalboard.LadderFilter(
        getattr(pedalboard.LadderFilter, kind), 1000.0, min(0.95, resonance), drive
    )
    shaped = np.atleast_2d(sound).astype(np.float32)
    out = np.empty_like(shaped)
    cutoffs = np.clip(cutoff_hz, 25.0, 18_000.0)
    ladder.cutoff_hz = float(cutoffs[0])
    ladder.reset()
    for block in range(-(-shaped.shape[1] // hop)):
        part = slice(block * hop, min((block + 1) * hop, shaped.shape[1]))
        ladder.cutoff_hz = float(cutoffs[min(block, cutoffs.size - 1)])
        out[:, part] = ladder.process(shaped[:, part], SAMPLE_RATE, buffer_size=hop, reset=False)
    return out[0] if sound.ndim == 1 else out


def adsr(samples: int, held: int, attack_s: float, decay_s: float, sustain: float, release_s: float) -> Audio:
    """ADSR envelope of `samples` values, released after `held`, with exponential decays and a fade-out."""
    t = np.arange(samples, dtype=np.float32) / SAMPLE_RATE
    rise = np.minimum(1.0, t / max(attack_s, 0.001))
    fall = sustain + (1.0 - sustain) * np.exp(-np.maximum(0.0, t - attack_s) / max(decay_s, 0.005) * 3.0)
    envelope = rise * fall
    release = np.exp(-np.maximum(0.0, t - held / SAMPLE_RATE) / max(release_s, 0.005) * 4.0)
    envelope = envelope * release
    tail = min(samples, 220)
    envelope[samples - tail :] *= np.linspace(1.0, 0.0, tail, dtype=np.float32)
    return envelope.astype(np.float32)
