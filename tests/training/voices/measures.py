"""Measurements of voices: pitch by autocorrelation, power by band."""

import numpy as np
from scipy import signal

from training.sound import SAMPLE_RATE


def pitch_hz(sound: np.ndarray, at_s: float, low_hz: float = 70.0, high_hz: float = 1000.0) -> float:
    """Pitch of the 60 ms around `at_s`: the first high peak of the autocorrelation, with parabolic interpolation."""
    centre, half = round(at_s * SAMPLE_RATE), round(0.03 * SAMPLE_RATE)
    piece = sound[centre - half : centre + half].astype(float)
    sos = signal.butter(2, 2000, fs=SAMPLE_RATE, output="sos")
    piece = signal.sosfilt(sos, piece - piece.mean())
    spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), 8 * half)) ** 2
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(len(piece)), 8 * half)) ** 2)[:half]
    similar = np.fft.irfft(spectrum)[:half] / np.maximum(window, 0.02 * window[0])
    first, last = int(SAMPLE_RATE / high_hz), min(int(SAMPLE_RATE / low_hz), half - 2)
    peaks = [
        lag
        for lag in range(first, last)
        if similar[lag] >= similar[lag - 1] and similar[lag] > similar[lag + 1]
    ]
    best = max(similar[lag] for lag in peaks)
    lag = next(lag for lag in peaks if similar[lag] > 0.85 * best)
    left, top, right = similar[lag - 1 : lag + 2]
    return float(SAMPLE_RATE / (lag + 0.5 * (left - right) / (left - 2 * top + right)))


def cents(hz: float, other_hz: float) -> float:
    """Interval in cents from `other_hz` to `hz`, modulo octaves: -600..600."""
    return float((1200 * np.log2(hz / other_hz) + 600) % 1200 - 600)


def midi_hz(midi: float) -> float:
    """Frequency of a MIDI pitch."""
    return float(440.0 * 2 ** ((midi - 69) / 12))


def band_db(sound: np.ndarray, low_hz: float, high_hz: float) -> float:
    """Power between two frequencies relative to the total power, in dB."""
    frequency, power = signal.welch(sound, SAMPLE_RATE, nperseg=4096)
    inside = (frequency >= low_hz) & (frequency < high_hz)
    return float(10 * np.log10(power[inside].sum() / power.sum()))


def level_db(sound: np.ndarray) -> float:
    """RMS in dBFS."""
    return float(10 * np.log10(np.mean(np.square(sound, dtype=np.float64)) + 1e-20))
