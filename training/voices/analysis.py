"""Analyse speech with WORLD (Morise et al., 2016), extend its band to 22 kHz, and find the vowel."""

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from training.voices.grid import FRAME_RATE, GRID_HZ, FloatArray, power_db, single
from training.voices.voice import NOISE_HZ, Unit

_FRAME_MS = 1000.0 / FRAME_RATE
_NOISE_RATE = 16000  # for two bands of 3 kHz; at 48 kHz, D4C would take longer than all other steps
_SILENT_DB = -40.0  # relative to the loudest frame; below this a synthesiser is silent
_CLOSURE = 18  # frames, 90 ms: longest closure of a plosive
_LONGEST = 44  # frames, 220 ms: longest consonants on one side of a vowel
_CORE_DB = 8.0  # relative to the peak of the vowel; nasals and l are weaker than this above 500 Hz


def analyse(sound: NDArray[np.float64], rate: int, text: str, *, phrase: bool = False) -> Unit | None:
    """Analyse a syllable, or a phrase, from samples (n,) at `rate`. None if it has no vowel of 30 ms or more."""
    import pyworld

    # Add quiet noise, because WORLD divides by the power.
    sound = sound + 1e-5 * np.random.default_rng(0).standard_normal(len(sound))
    f0, times = pyworld.dio(sound, rate, f0_floor=60.0, f0_ceil=500.0, frame_period=_FRAME_MS)
    f0 = pyworld.stonemask(sound, f0, times, rate)
    voiced = signal.medfilt((f0 > 0).astype(float), 5) > 0.5
    if voiced.sum() < 8:
        return None
    f0 = np.interp(times, times[f0 > 0], f0[f0 > 0])
    spectrum = pyworld.cheaptrick(sound, np.where(voiced, f0, 0.0), times, rate)
    low_rate = min(rate, _NOISE_RATE)
    low = signal.resample_poly(sound, low_rate, rate) if rate != low_rate else sound
    aperiodicity = pyworld.d4c(low, np.where(voiced, f0, 0.0), times, low_rate)
    envelope = _on_grid(spectrum, rate, voiced)
    noise = _noise(aperiodicity, low_rate, voiced)
    core = (
        (int(np.argmax(voiced)), int(len(voiced) - np.argmax(voiced[::-1])))
        if phrase
        else _vowel(envelope, voiced)
    )
    if core is None:
        return None
    span = _audible_span(power_db(envelope), core, phrase)
    envelope, noise, voiced, f0 = envelope[span], noise[span], voiced[span], f0[span]
    core = (core[0] - span.start, core[1] - span.start)
    level = 10 * np.log10(np.mean(10 ** (power_db(envelope[slice(*core)]) / 10)))
    return Unit(
        text,
        np.maximum(envelope - level, -100.0).astype(np.float32),
        noise.astype(np.float32),
        voiced.astype(np.float32),
        f0.astype(np.float32),
        *core,
    )


def _on_grid(spectrum: NDArray[np.float64], rate: int, voiced: NDArray[np.bool_]) -> FloatArray:
    """Convert power spectra (frames, bins) to levels (frames, 80) in dB, extrapolated above the recorded band.

    Vowels continue to fall by 10 dB per octave: the slope of glottal source, lip radiation and losses. Fricatives stay
    flat up to 9 kHz, the resonance of the teeth, and fall above it.
    """
    level = 10 * np.log10(spectrum + 1e-14)
    hz = np.linspace(0, rate / 2, level.shape[1])
    top = min(0.92 * rate / 2, 20500.0)
    rows = np.stack([np.interp(np.minimum(GRID_HZ, top), hz, row) for row in level])
    edge = level[:, (hz > 0.75 * top) & (hz <= top)].mean(axis=1, keepdims=True)
    beyond = np.log2(np.maximum(GRID_HZ / top, 1.0))[None, :]
    bright = np.log2(np.maximum(GRID_HZ / max(top, 9000.0), 1.0))[None, :]
    ripple = 2.0 * np.sin(GRID_HZ / 420.0)[None, :] * (beyond > 0)
    extended = edge + np.where(voiced[:, None], -10.0 * beyond, -14.0 * bright) + ripple
    blend = np.clip((GRID_HZ - 0.88 * top) / (0.12 * top), 0, 1)[None, :]
    return single((1 - blend) * rows + blend * extended)


def _noise(aperiodicity: NDArray[np.float64], rate: int, voiced: NDArray[np.bool_]) -> FloatArray:
    """Shares of noise (frames, 10), which rise towards one above the recorded band."""
    hz = np.linspace(0, rate / 2, aperiodicity.shape[1])
    top = 0.9 * rate / 2
    rows = np.stack([np.interp(np.minimum(NOISE_HZ, top), hz, row) for row in aperiodicity])
    rows = np.maximum(rows, np.clip((NOISE_HZ - top) / 14000.0 + 0.35, 0, 0.9) * (top < NOISE_HZ))
    return single(np.where(voiced[:, None], rows, 1.0))


def _audible_span(loud: FloatArray, core: tuple[int, int], phrase: bool) -> slice:
    """Frames of the syllable: from the vowel to a silence longer than _CLOSURE, at most _LONGEST frames per side."""
    audible = np.nonzero(loud > loud.max() + _SILENT_DB)[0]
    if phrase:
        return slice(min(int(audible[0]), core[0]), max(int(audible[-1]) + 1, core[1]))
    start, end = core
    for frame in audible[audible < core[0]][::-1]:
        if start - frame <= _CLOSURE and core[0] - frame <= _LONGEST:
            start = int(frame)
    for frame in audible[audible >= core[1]]:
        if frame - end < _CLOSURE and frame - core[1] < _LONGEST:
            end = int(frame) + 1
    return slice(start, end)


def _vowel(envelope: FloatArray, voiced: NDArray[np.bool_]) -> tuple[int, int] | None:
    """First frame and end of the vowel: voiced frames close to the maximum level between 500 and 4000 Hz."""
    band = (GRID_HZ > 500) & (GRID_HZ < 4000)
    loud = 10 * np.log10(np.mean(10 ** (envelope[:, band] / 10), axis=1) + 1e-14)
    loud = np.convolve(np.where(voiced, loud, loud.min() - 20), np.ones(5) / 5, mode="same")
    peak = int(np.argmax(loud))
    inside = voiced & (loud > loud[peak] - _CORE_DB)
    start = end = peak
    while start > 0 and inside[start - 1]:
        start -= 1
    while end < len(inside) and inside[end]:
        end += 1
    margin = min((end - start) // 6, 8)
    start, end = start + margin, end - margin
    return (start, end) if end - start >= 6 else None
