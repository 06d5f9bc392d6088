"""Render envelopes and a pitch contour: glottal pulses through minimum-phase filters, plus filtered noise.

This is the model of WORLD (Morise et al., 2016) with a controllable excitation: growl pulses for rough voices, and
noise that is strongest when the glottis opens for breathy voices.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from training.sound import SAMPLE_RATE
from training.voices.grid import BINS_HZ, FFT_SIZE, FRAME_RATE, GRID_HZ, TO_BINS, FloatArray, single

_NOISE_HOP = 128
# Unvoiced noise has little energy below the formants. What envelopes contain there is the decay of a vowel.
_MOUTH = single(np.clip(GRID_HZ / 900.0, 0.03, 1.0) ** 1.5)
_FLOOR_DB = -120.0
_LN_PER_DB = np.log(10.0) / 20.0
_MOST_PULSES = 4096  # pulses filtered at once; limits memory to about 50 MB


@dataclass
class Frames:
    """Input of the vocoder, one row per 1/200 s.

    envelope_db: (frames, 80). noise: (frames, 80), share of noise in the amplitude, 0..1. f0_hz: (frames,), positive,
    also in unvoiced frames. voiced: (frames,), 0..1, level of the pulses.
    """

    envelope_db: FloatArray
    noise: FloatArray
    f0_hz: FloatArray
    voiced: FloatArray

    def __len__(self) -> int:
        return len(self.f0_hz)


@dataclass(frozen=True)
class Roughness:
    """Irregularity of the glottal pulses; all zero is a perfectly regular voice.

    jitter: deviation of the period, as a share. shimmer_db: deviation of the level. One pulse in `every` is softer by
    the share `depth` of its level: 2 and 0.5 is a growl an octave below.
    """

    jitter: float = 0.004
    shimmer_db: float = 0.2
    every: int = 2
    depth: float = 0.0


def _rows(values: FloatArray, position: NDArray[np.floating]) -> FloatArray:
    """Interpolate rows of (frames, ...) linearly at fractional frames (n,)."""
    position = np.clip(position, 0, len(values) - 1)
    low = np.minimum(position.astype(int), max(len(values) - 2, 0))
    share = (position - low).astype(np.float32)
    high = np.minimum(low + 1, len(values) - 1)
    if values.ndim == 2:
        share = share[:, None]
    return single(values[low] * (1 - share) + values[high] * share)


def _minimum_phase(level_ln: FloatArray) -> NDArray[np.complex64]:
    """Minimum-phase spectra (n, 513) with the given natural-log amplitudes, by folding the cepstrum."""
    cepstrum = fft.irfft(level_ln, n=FFT_SIZE, axis=1)
    half = FFT_SIZE // 2
    cepstrum[:, 1:half] *= 2.0
    cepstrum[:, half + 1 :] = 0.0
    spectra: NDArray[np.complex64] = np.exp(fft.rfft(cepstrum, axis=1))
    return spectra


def _overlap_add(out: FloatArray, starts: NDArray[np.int64], pieces: FloatArray) -> None:
    """Add pieces (n, 1024) to `out` from the given samples on. `out` must be long enough."""
    for start, piece in zip(starts.tolist(), pieces, strict=True):
        out[start : start + FFT_SIZE] += piece


def _pulses(
    frames: Frames,
    phase: NDArray[np.float64],
    roughness: Roughness,
    rng: np.random.Generator,
    out: FloatArray,
) -> None:
    """Add one filtered pulse for each cycle of the phase (in cycles, one value per sample)."""
    passed = np.nonzero(np.floor(phase[1:]) > np.floor(phase[:-1]))[0]
    if len(passed) == 0:
        return
    period = 1.0 / np.maximum(phase[passed + 1] - phase[passed], 1e-6)
    whole = np.floor(phase[passed + 1])
    time = passed + (whole - phase[passed]) * period
    time = np.clip(time + rng.normal(0, roughness.jitter, len(time)) * period, 0, len(phase) - 1)
    gain_db = rng.normal(0, roughness.shimmer_db, len(time))
    growl = np.where(whole.astype(int) % roughness.every == 0, 1.0 - roughness.depth, 1.0)
    position = time * (FRAME_RATE / SAMPLE_RATE)
    voiced = _rows(frames.voiced, position)
    keep = np.nonzero(voiced > 1e-3)[0]
    for start in range(0, len(keep), _MOST_PULSES):
        i = keep[start : start + _MOST_PULSES]
        noise = _rows(frames.noise, position[i])
        level = (_rows(frames.envelope_db, position[i]) + gain_db[i, None].astype(np.float32)) * _LN_PER_DB
        level = level + 0.5 * np.log(np.maximum(1.0 - noise * noise, 1e-6))
        # A train of unit pulses with a period of T samples has power 1/T, so scale each pulse by sqrt(T).
        level = level + np.log(voiced[i] * growl[i] * np.sqrt(period[i]))[:, None]
        level = np.maximum(level, _FLOOR_DB * _LN_PER_DB).astype(np.float32)
        spectra = _minimum_phase(level @ TO_BINS)
        start_sample = np.floor(time[i]).astype(np.int64)
        delay = (time[i] - start_sample)[:, None] * (BINS_HZ / SAMPLE_RATE)[None, :]
        spectra *= np.exp((-2j * np.pi) * delay).astype(np.complex64)
        _overlap_add(out, start_sample, fft.irfft(spectra, n=FFT_SIZE, axis=1))


def _noise(
    frames: Frames, phase: NDArray[np.float64], flutter: float, rng: np.random.Generator, out: FloatArray
) -> None:
    """Add noise shaped by the envelope; in voiced frames, its share of noise, modulated by `flutter` in each cycle."""
    samples = len(phase)
    count = samples // _NOISE_HOP + 1
    excitation = rng.standard_normal((count + 1) * _NOISE_HOP).astype(np.float32)
    beat = 1.0 + flutter * np.cos(2 * np.pi * phase)
    excitation[:samples] *= beat.astype(np.float32)
    position = np.arange(count) * _NOISE_HOP * (FRAME_RATE / SAMPLE_RATE)
    share = _rows(frames.noise, position)
    voiced = _rows(frames.voiced, position)[:, None]
    share = np.sqrt(voiced * share * share + ((1.0 - voiced) * _MOUTH) ** 2)
    level = _rows(frames.envelope_db, position) * _LN_PER_DB + np.log(np.maximum(share, 1e-4))
    loud = np.nonzero(level.max(axis=1) > _FLOOR_DB * _LN_PER_DB * 0.9)[0]
    window = np.hanning(2 * _NOISE_HOP + 1)[:-1].astype(np.float32)
    for start in range(0, len(loud), _MOST_PULSES):
        i = loud[start : start + _MOST_PULSES]
        pieces = excitation[(i * _NOISE_HOP)[:, None] + np.arange(2 * _NOISE_HOP)[None, :]] * window
        gains = np.exp(level[i] @ TO_BINS)
        # Zero-phase gains would spread to samples before the piece, so use minimum phase.
        spectra = fft.rfft(pieces, n=FFT_SIZE, axis=1) * _minimum_phase(np.log(gains))
        _overlap_add(out, i * _NOISE_HOP, fft.irfft(spectra, n=FFT_SIZE, axis=1))


def render(
    frames: Frames, rng: np.random.Generator, roughness: Roughness = Roughness(), flutter: float = 0.5
) -> FloatArray:
    """Render the sound (samples,) at 44100 Hz, of len(frames) / 200 seconds.

    An envelope of 0 dB at every frequency gives a power of one, voiced or unvoiced.
    """
    samples = len(frames) * SAMPLE_RATE // FRAME_RATE
    position = np.arange(samples) * (FRAME_RATE / SAMPLE_RATE)
    f0 = np.interp(position, np.arange(len(frames)), frames.f0_hz)
    phase = np.cumsum(f0 / SAMPLE_RATE) + rng.uniform()
    out = np.zeros(samples + 2 * FFT_SIZE, np.float32)
    _pulses(frames, phase, roughness, rng, out)
    _noise(frames, phase, flutter, rng, out)
    return out[:samples]
