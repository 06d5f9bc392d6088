"""The key of a song, from the pitches of its bass and harmony."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unbraid.analysis.chords import read_chords
from unbraid.analysis.frames import Spectra
from unbraid.analysis.key_features import key_features
from unbraid.analysis.key_model import load_network
from unbraid.audio.arrays import Floats
from unbraid.audio.resample import Resampler

Doubles = NDArray[np.float64]

_RATE_HZ = 5_000
_LENGTH = 4096  # 0.8 s: at 65 Hz, neighbouring notes are three bins apart
_HOP = 1024
FRAME_S = _HOP / _RATE_HZ
"""Distance of two frames."""
LOWEST_HZ, HIGHEST_HZ = 32.0, 500.0  # higher peaks are overtones more often than notes
BASS_HZ = 200.0
_C0_HZ = 440.0 * 2 ** (-57 / 12)
_STEPS = 10  # per semitone, to find the tuning
_PEAK_SHARE = 0.01  # of the largest peak in a frame: smaller ones are noise
_FITS = (
    0.85  # smallest sum of two correlations. Noise has up to 0.4, drums mostly 0.3 to 0.8, songs 0.9 to 1.8.
)
FEWEST_FRAMES = 25
"""5 s. Shorter sounds fit some key by chance."""
# 25 s. The network has learned from whole songs of 30 s and more. In shorter excerpts of real songs, it took the first
# chord for the tonic.
_FRAMES_OF_A_SONG = 120
_SILENT = 1e-3  # magnitude of the largest peak in a frame without music, -60 dB of full scale

# Weight of each degree of the scale, from the tonic on, in semitones: the profiles "bgate" of A. Faraldo, S. Jorda and
# P. Herrera, "A Multi-Profile Method for Key Estimation in EDM", AES Semantic Audio 2017.
MAJOR = (1.00, 0.00, 0.42, 0.00, 0.53, 0.37, 0.00, 0.77, 0.00, 0.38, 0.21, 0.30)
MINOR = (1.00, 0.00, 0.36, 0.39, 0.00, 0.38, 0.00, 0.74, 0.27, 0.00, 0.42, 0.23)
_MAJOR_NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_MINOR_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")


@dataclass(frozen=True, slots=True)
class Key:
    """A major or minor key."""

    tonic: int
    """Pitch class: 0 is C."""
    minor: bool

    @property
    def name(self) -> str:
        """Its name: `A minor`."""
        return f"{self._tonic_name} {'minor' if self.minor else 'major'}"

    @property
    def short_name(self) -> str:
        """Its name in tags: `Am` (ID3v2.4, section 4.2.3, TKEY)."""
        return self._tonic_name + ("m" if self.minor else "")

    @property
    def _tonic_name(self) -> str:
        return (_MINOR_NAMES if self.minor else _MAJOR_NAMES)[self.tonic]


class Pitches:
    """Pitches of bass and harmony in a mono stream at `sample_rate` (Hz), for each 0.2 s of music."""

    def __init__(self, sample_rate: int) -> None:
        self._resampler = Resampler(sample_rate, _RATE_HZ, 1)
        self._spectra = Spectra(_LENGTH, _HOP)
        self._frames: list[NDArray[np.float16]] = []
        self._numbers: list[int] = []
        self._count = 0  # frames so far, silent ones included
        bins = np.arange(_LENGTH // 2 + 1) * (_RATE_HZ / _LENGTH)
        self._inside = (bins >= LOWEST_HZ) & (bins <= HIGHEST_HZ)

    def push(self, samples: Floats, last: bool = False) -> None:
        """Append samples (n,). `last` also reads what the resampler holds back."""
        for spectrum in self._spectra.push(self._resampler.push(samples[None], last)[0]):
            self._add(spectrum)
            self._count += 1

    def _add(self, spectrum: Floats) -> None:
        largest = float(spectrum[self._inside].max())
        if largest < _SILENT:
            return
        middle = spectrum[1:-1]
        peaks = (middle > spectrum[:-2]) & (middle >= spectrum[2:]) & (middle > _PEAK_SHARE * largest)
        index = np.flatnonzero(peaks & self._inside[1:-1]) + 1
        if not len(index):
            return
        # The top of a parabola through the logarithms of three bins.
        left, top, right = (np.log(spectrum[index + offset] + 1e-12) for offset in (-1, 0, 1))
        shift = 0.5 * (left - right) / (left - 2 * top + right - 1e-12)
        frequency = (index + shift) * (_RATE_HZ / _LENGTH)
        step = np.round(12 * _STEPS * np.log2(frequency / _C0_HZ)).astype(np.intp) % (12 * _STEPS)
        is_bass = frequency < BASS_HZ
        # High peaks are overtones more often than notes.
        weight = spectrum[index] / np.where(is_bass, 1, np.sqrt(frequency))
        frame = np.zeros((2, 12 * _STEPS))
        for histogram, chosen in ((frame[0], is_bass), (frame[1], ~is_bass)):
            if np.any(chosen):  # all frames count equally
                np.add.at(histogram, step[chosen], weight[chosen] / weight[chosen].sum())
        self._frames.append(frame.astype(np.float16))  # 0.5 kB
        self._numbers.append(self._count)

    def times_s(self) -> Doubles:
        """Return the time of each frame in seconds, (frames,). Frames of silence are left out."""
        return np.array(self._numbers, np.float64) * FRAME_S

    def classes(self) -> Doubles:
        """Return the shares of the pitch classes from C on in bass and harmony, (frames, 2, 12)."""
        steps = np.array(self._frames, np.float64).reshape(-1, 2, 12 * _STEPS)
        turned = np.roll(steps, _STEPS // 2 - _tuning(steps.sum(axis=(0, 1))), axis=-1)
        return np.asarray(turned.reshape(-1, 2, 12, _STEPS).sum(axis=-1))


def find_key(pitches: Pitches) -> Key | None:
    """Return the key of the pitches; None if they fit no key well."""
    frames = pitches.classes()
    if len(frames) < FEWEST_FRAMES:
        return None
    bass, harmony = frames.sum(axis=0)
    fits = _fits(harmony, bass)
    if fits.max() < _FITS:
        return None
    return _best(fits + rate_keys(frames) if len(frames) >= _FRAMES_OF_A_SONG else fits)


def rate_keys(frames: Doubles) -> Doubles:
    """Return a rating of each key by its chords, (2, 12): major and minor, tonics from C on. The highest fits best.

    `frames`: see `key_features`.
    """
    return np.asarray(load_network("keys")(key_features(frames, read_chords(frames))).T, np.float64)


def best_key(harmony: Doubles, bass: Doubles) -> Key:
    """Return the key whose profile fits the shares of pitch classes (12,) best."""
    return _best(_fits(harmony, bass))


def _fits(harmony: Doubles, bass: Doubles) -> Doubles:
    """Return the sum of two correlations with the profile of each key, (2, 12): major and minor, tonics from C on.

    The bass counts as much as all other notes: it plays the roots of the chords, and the tonic most of all.
    """
    # The square root keeps one long note from deciding alone.
    harmony, bass = np.sqrt(harmony), np.sqrt(bass)
    turned = [[np.roll(profile, tonic) for tonic in range(12)] for profile in (MAJOR, MINOR)]
    return np.array([[_correlation(harmony, one) + _correlation(bass, one) for one in row] for row in turned])


def _best(ratings: Doubles) -> Key:
    minor, tonic = np.unravel_index(int(np.argmax(ratings)), ratings.shape)
    return Key(int(tonic), bool(minor))


def _tuning(histogram: Doubles) -> int:
    """Return by how many steps the notes are sharp, from -_STEPS / 2."""
    within = histogram.reshape(12, _STEPS).sum(axis=0)
    angle = np.angle(np.sum(within * np.exp(2j * np.pi * np.arange(_STEPS) / _STEPS)))
    return round(_STEPS * float(angle) / (2 * np.pi))


def _correlation(values: Doubles, profile: Doubles) -> float:
    values, profile = values - values.mean(), profile - profile.mean()
    return float(values @ profile / (np.linalg.norm(values) * np.linalg.norm(profile) + 1e-12))
