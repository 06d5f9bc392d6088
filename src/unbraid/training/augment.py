"""Augment stems and mixtures: speed, gain, channels, tone, missing stems."""

from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from unbraid.models.lite import SAMPLE_RATE

Audio = NDArray[np.float32]

STRETCH_WINDOW, SEEK = 2048, 512  # samples


@dataclass(frozen=True)
class Augmentation:
    """Probabilities and ranges. A stem is (2, samples), a mixture (stems, 2, samples)."""

    speed_chance: float = 0.35  # of pitch and tempo together, like tape
    speed_range: float = 1.19  # three semitones up or down
    stretch_chance: float = 0.0  # of the tempo alone
    stretch_range: float = 1.12
    gain_db: float = 5.0  # standard deviation of the level of each stem
    drop_chance: float = 0.06  # the stem becomes silent
    tone_chance: float = 0.5  # random equaliser
    tone_db: float = 8.0
    level_db: float = 3.0  # standard deviation of the level of the mixture
    narrow_chance: float = 0.15  # reduce the width of the stem, down to mono
    thin_chance: float = 0.3  # high-pass for a voice, as in many mixes; may remove its fundamental
    thin_hz: tuple[float, float] = (150.0, 600.0)

    def level(self, rng: np.random.Generator) -> np.float32:
        """Draw the gain of a mixture: songs are scaled by their mean level, so passages are softer or louder."""
        return np.float32(10 ** (rng.normal(0, self.level_db) / 20))

    def speed(self, rng: np.random.Generator) -> float:
        """Draw a playback speed; 1 is unchanged."""
        if rng.random() >= self.speed_chance:
            return 1.0
        return float(self.speed_range ** rng.uniform(-1, 1))

    def stretch(self, rng: np.random.Generator) -> float:
        """Draw a tempo; 1 is unchanged."""
        if not self.stretch_chance or rng.random() >= self.stretch_chance:
            return 1.0
        return float(self.stretch_range ** rng.uniform(-1, 1))

    def stem(
        self, part: Audio, samples: int, speed: float, rng: np.random.Generator, stretch: float = 1.0
    ) -> Audio:
        """Augment a stem of at least samples * speed * stretch samples. Returns (2, samples)."""
        if stretch != 1.0:
            part = stretched(part, round(part.shape[1] / stretch))
        if speed != 1.0:
            part = soxr.resample(part.T, speed, 1.0, quality="LQ").T
        if part.shape[1] < samples:
            part = np.pad(part, ((0, 0), (0, samples - part.shape[1])))
        part = part[:, :samples] * np.float32(10 ** (rng.normal(0, self.gain_db) / 20))
        if rng.random() < self.drop_chance:
            part = part * np.float32(0)
        if rng.random() < self.tone_chance:
            part = shape_tone(part, self.tone_db, rng)
        if rng.random() < 0.5:
            part = part[::-1]
        if rng.random() < self.narrow_chance:
            middle = part.mean(0, keepdims=True)
            part = middle + np.float32(rng.random()) * (part - middle)
        return part * np.float32(rng.choice((-1, 1)))

    def voice(self, part: Audio, rng: np.random.Generator) -> Audio:
        """Apply the augmentation that only voices get: a high-pass."""
        if rng.random() >= self.thin_chance:
            return part
        return high_passed(part, float(np.exp(rng.uniform(*np.log(self.thin_hz)))))

    def mixture(self, stems: Audio, rng: np.random.Generator) -> Audio:
        """Apply the same augmentation to all stems: mono with probability 0.05, an equaliser with 0.1."""
        if rng.random() < 0.05:
            stems = np.broadcast_to(stems.mean(1, keepdims=True), stems.shape)
        if rng.random() < 0.1:
            seed = int(rng.integers(2**32))
            stems = np.stack([shape_tone(stem, self.tone_db, np.random.default_rng(seed)) for stem in stems])
        return np.ascontiguousarray(stems, np.float32)


def shape_tone(part: Audio, range_db: float, rng: np.random.Generator) -> Audio:
    """Equalise with smooth random gains, drawn at octaves from 31 Hz, by circular convolution with the FFT."""
    samples = part.shape[1]
    octaves = np.arange(11)
    gains_db = rng.uniform(-range_db, range_db, len(octaves)) * 0.6
    frequencies = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    position = np.log2(np.maximum(frequencies, 20.0) / 31.25)
    gain = 10 ** (np.interp(position, octaves, gains_db) / 20)
    return np.fft.irfft(np.fft.rfft(part) * gain.astype(np.float32), samples).astype(np.float32)


def stretched(part: Audio, samples: int) -> Audio:
    """Change the tempo of (2, n) at the same pitch, to `samples` samples.

    WSOLA (Verhelst and Roelands, ICASSP 1993): overlapping windows are moved by up to SEEK samples, to where they
    continue the sound before them best.
    """
    step, window = STRETCH_WINDOW // 2, np.hanning(STRETCH_WINDOW + 1)[:-1].astype(np.float32)
    count = -(-samples // step) + 1
    out = np.zeros((2, (count + 1) * step), np.float32)
    source = np.pad(part, ((0, 0), (step + SEEK, STRETCH_WINDOW + step + 2 * SEEK)))
    mono = source.sum(0)
    ratio = part.shape[1] / samples
    wanted = mono[SEEK : SEEK + step]
    for number in range(count):
        near = min(int(number * step * ratio), part.shape[1] + step)
        area = mono[near : near + 2 * SEEK + step]
        start = near + int(np.argmax(np.correlate(area, wanted, "valid")))
        out[:, number * step : number * step + STRETCH_WINDOW] += (
            source[:, start : start + STRETCH_WINDOW] * window
        )
        wanted = mono[start + step : start + 2 * step]
    return out[:, step : step + samples]


def high_passed(part: Audio, corner_hz: float) -> Audio:
    """High-pass of zero phase with the magnitude of a second-order Butterworth, by the FFT. Restores the level."""
    samples = part.shape[1]
    ratio = corner_hz / np.maximum(np.fft.rfftfreq(samples, 1 / SAMPLE_RATE), 1.0)
    thin = np.fft.irfft(np.fft.rfft(part) / np.sqrt(1 + ratio**4), samples)
    level = float(np.sqrt(np.mean(part**2) / (np.mean(thin**2) + 1e-12)))
    return (thin * min(level, 4.0)).astype(np.float32)
