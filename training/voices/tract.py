"""Voices computed from formant tables, without recordings or speech synthesisers.

A vocal tract is a cascade of resonances (Fant, 1960; Klatt, 1980) that filters a glottal source. Vowels are the
averages of men by Hillenbrand et al. (1995), scaled for other people. Consonants are noise bands, murmurs, and
formant movements from the loci of Delattre, Liberman and Cooper (1955).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from training.sound import Split
from training.voices.grid import GRID_HZ, FloatArray, power_db, single
from training.voices.voice import NOISE_HZ, Unit, Voice

# F1 to F4 in Hz.
VOWELS: dict[str, tuple[float, float, float, float]] = {
    "a": (768, 1333, 2522, 3687),
    "ae": (588, 1952, 2601, 3624),
    "e": (580, 1799, 2605, 3677),
    "ei": (476, 2089, 2691, 3649),
    "i": (342, 2322, 3000, 3657),
    "I": (427, 2034, 2684, 3618),
    "o": (497, 910, 2459, 3384),
    "O": (652, 997, 2538, 3486),
    "u": (378, 997, 2343, 3357),
    "U": (469, 1122, 2434, 3400),
    "V": (623, 1200, 2550, 3557),
    "r": (474, 1379, 1710, 3334),
}
_DIPHTHONGS = {"ai": ("a", "I"), "au": ("a", "U"), "oi": ("o", "I"), "ou": ("o", "U"), "eI": ("ei", "i")}
_BANDWIDTHS = np.array([70.0, 90.0, 130.0, 200.0, 280.0, 350.0])


@dataclass(frozen=True)
class _Consonant:
    """A consonant.

    `frames` and `closure` are lengths, `level_db` is relative to the vowel, `noise_hz` and `width_hz` are centre and
    width of the noise (0 is none), `formants` are those of a voiced consonant, `locus_hz` is the locus of F2.
    """

    frames: int
    voiced: bool
    level_db: float
    noise_hz: float = 0.0
    width_hz: float = 0.0
    closure: int = 0
    formants: tuple[float, float, float, float] | None = None
    locus_hz: float = 1500.0


_CONSONANTS = {
    "": _Consonant(0, True, 0.0),
    "s": _Consonant(24, False, -13, 7500, 2600, locus_hz=1800),
    "S": _Consonant(24, False, -11, 3600, 1700, locus_hz=1900),
    "f": _Consonant(18, False, -24, 8500, 7000, locus_hz=1000),
    "T": _Consonant(16, False, -26, 7000, 6000, locus_hz=1500),
    "h": _Consonant(14, False, -20, 1800, 2500),
    "t": _Consonant(8, False, -12, 5000, 3500, closure=10, locus_hz=1800),
    "k": _Consonant(9, False, -14, 2300, 1400, closure=10, locus_hz=2300),
    "p": _Consonant(7, False, -20, 1200, 3000, closure=11, locus_hz=800),
    "d": _Consonant(3, False, -15, 4500, 3500, closure=8, locus_hz=1800),
    "g": _Consonant(4, False, -16, 2200, 1400, closure=8, locus_hz=2300),
    "b": _Consonant(2, False, -20, 1000, 2500, closure=8, locus_hz=800),
    "ch": _Consonant(16, False, -12, 3800, 2000, closure=9, locus_hz=1900),
    "m": _Consonant(15, True, -9, formants=(270, 1100, 2200, 3300), locus_hz=900),
    "n": _Consonant(13, True, -9, formants=(290, 1500, 2400, 3400), locus_hz=1700),
    "l": _Consonant(13, True, -5, formants=(350, 1050, 2700, 3600), locus_hz=1050),
    "r": _Consonant(13, True, -5, formants=(380, 1200, 1600, 3200), locus_hz=1200),
    "w": _Consonant(12, True, -5, formants=(310, 650, 2300, 3300), locus_hz=650),
    "y": _Consonant(12, True, -5, formants=(290, 2250, 3000, 3650), locus_hz=2250),
    "z": _Consonant(18, True, -14, 7500, 2600, formants=(280, 1500, 2500, 3500), locus_hz=1800),
    "v": _Consonant(13, True, -12, 7000, 6000, formants=(280, 1100, 2300, 3400), locus_hz=1000),
}
_ONSETS = [
    "",
    "",
    "s",
    "S",
    "f",
    "T",
    "h",
    "t",
    "k",
    "p",
    "d",
    "g",
    "b",
    "ch",
    "m",
    "n",
    "l",
    "r",
    "w",
    "y",
    "z",
    "v",
]
_CODAS = ["", "", "", "", "n", "m", "l", "s", "t", "z", "d", "k", "r"]


@dataclass(frozen=True)
class Tract:
    """Vocal tract of a person.

    `scale` multiplies the formants of a man, `bandwidth` their bandwidths. `tilt_db` is the slope of the source per
    octave, `breath` its share of noise, `f0_hz` the speaking pitch.
    """

    scale: float
    bandwidth: float
    tilt_db: float
    breath: float
    f0_hz: float

    def envelope_db(self, formants_hz: FloatArray) -> FloatArray:
        """Levels (frames, 80) of vowels with the formants F1 to F4 (frames, 4) of a man; the maximum is 0 dB."""
        f1_to_f4 = np.asarray(formants_hz, np.float64) * self.scale
        # A tube of 17.5 cm has a resonance every kHz. Two above F4 are modelled, the tilt replaces the others.
        upper = np.array([4500.0, 5600.0]) * self.scale
        formants = np.concatenate([f1_to_f4, np.broadcast_to(upper, (len(f1_to_f4), 2))], axis=1)
        bandwidths = _BANDWIDTHS * self.bandwidth
        f = GRID_HZ[None, None, :]
        centre, width = formants[:, :, None], bandwidths[None, :, None]
        response = centre**2 / np.sqrt((f**2 - centre**2) ** 2 + (f * width) ** 2)
        # A cascade falls by 12 dB per octave and resonance. In a real tract, higher resonances compensate this.
        level = (
            20 * np.log10(response).sum(axis=1)
            + 20 * np.log10(1 + (GRID_HZ / (4800 * self.scale)) ** 12)[None, :]
        )
        octaves = np.log2(np.maximum(GRID_HZ, 60.0) / 500.0)
        level = level - self.tilt_db * np.maximum(octaves, -0.5)[None, :] - 18.0 * (GRID_HZ < 70.0)[None, :]
        return single(level - level.max(axis=1, keepdims=True))

    def syllable(self, onset: str, vowel: str, coda: str, vowel_frames: int = 40) -> Unit:
        """Compute a syllable such as ("s", "a", "n"), with consonants of spoken length."""
        first, last = _DIPHTHONGS.get(vowel, (vowel, vowel))
        head, tail = _CONSONANTS[onset], _CONSONANTS[coda]
        start = np.array(VOWELS[first])
        end = np.array(VOWELS[last])
        turn = 1 / (1 + np.exp(-(np.linspace(0, 1, vowel_frames) - 0.65) * 14))[:, None]
        formants = start * (1 - turn) + end * turn
        _formant_transition(formants, head, 9 if onset else 0)
        _formant_transition(formants[::-1], tail, 9 if coda else 0)
        core = self._normal(self.envelope_db(formants.astype(np.float32)))
        opening = self._consonant(head, core[0])
        closing = self._consonant(tail, core[-1])
        envelope = np.concatenate([opening[0], core, closing[0]])
        voiced = np.concatenate([opening[1], np.ones(len(core), np.float32), closing[1]])
        noise = np.concatenate(
            [opening[2], np.broadcast_to(self._noise(), (len(core), len(NOISE_HZ))), closing[2]]
        )
        return Unit(
            f"{onset}{vowel}{coda}",
            envelope.astype(np.float32),
            noise.astype(np.float32),
            voiced.astype(np.float32),
            np.full(len(envelope), self.f0_hz, np.float32),
            len(opening[0]) + (7 if onset else 0),
            len(opening[0]) + len(core) - (7 if coda else 0),
        )

    def _normal(self, envelope_db: FloatArray) -> FloatArray:
        return single(envelope_db - power_db(envelope_db)[:, None])

    def _noise(self) -> FloatArray:
        return single(np.clip(self.breath + 0.75 * (NOISE_HZ / 14000.0), 0.02, 0.95))

    def _consonant(
        self, consonant: _Consonant, vowel_db: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Envelope, voicing and noise of a consonant next to a vowel."""
        count = consonant.frames
        total = consonant.closure + count
        envelope = np.full((total, len(GRID_HZ)), -90.0, np.float32)
        voiced = np.zeros(total, np.float32)
        noise = np.ones((total, len(NOISE_HZ)), np.float32)
        if count == 0:
            return envelope, voiced, noise
        swell = (
            np.hanning(count + 4)[2:-2] ** 0.3
            if consonant.closure == 0
            else np.exp(-np.arange(count) / count * 1.5)
        )
        loud = consonant.level_db + 20 * np.log10(swell[:, None] + 1e-3)
        hiss = None
        if consonant.noise_hz:
            above = np.maximum(GRID_HZ - consonant.noise_hz * self.scale, 0) / (consonant.width_hz * 1.6)
            below = np.maximum(consonant.noise_hz * self.scale - GRID_HZ, 0) / consonant.width_hz
            hiss = (
                np.maximum(-8.0 * (above + below) ** 1.2, -45.0)[None, :]
                + 0.15 * np.maximum(vowel_db, -60)[None, :]
            )
            hiss = self._normal(hiss.astype(np.float32)) + loud
        if consonant.voiced:
            own = np.array(consonant.formants, np.float64)[None, :].repeat(count, axis=0)
            quiet = self._normal(self.envelope_db(own.astype(np.float32)))
            murmur = quiet - np.where(GRID_HZ > 700, 9.0, 0.0)[None, :] + loud
            both = murmur if hiss is None else np.logaddexp(murmur / 4.34, hiss / 4.34) * 4.34
            envelope[consonant.closure :] = single(both)
            voiced[:] = 1.0
            noise[:] = (
                self._noise() if hiss is None else np.clip(0.1 + NOISE_HZ / 4000.0, 0, 1).astype(np.float32)
            )
        elif hiss is not None:
            envelope[consonant.closure :] = hiss
        return envelope, voiced, noise


def _formant_transition(formants: np.ndarray, consonant: _Consonant, frames: int) -> None:
    """Move the formants from those of the consonant to those of the vowel over some frames, in place."""
    if frames == 0:
        return
    share = np.exp(-np.arange(frames) / (frames / 3))[:, None]
    origin = np.array(consonant.formants or (300.0, consonant.locus_hz, *formants[0, 2:]))
    reach = 0.75 if consonant.formants else 0.55
    formants[:frames] += share * reach * (origin - formants[:frames])


@cache
def computed_voices(first: int = 0, count: int = 16) -> tuple[Voice, ...]:
    """Computed voices with the numbers from `first` on, which are their seeds. Four of the first 16 are for "test"."""
    voices = []
    for number in range(first, first + count):
        rng = np.random.default_rng(7100 + number)
        low = number % 2 == 0
        tract = Tract(
            scale=rng.uniform(0.93, 1.06) if low else rng.uniform(1.1, 1.24),
            bandwidth=rng.uniform(0.8, 1.5),
            tilt_db=rng.uniform(5.0, 9.0),
            breath=rng.uniform(0.03, 0.2),
            f0_hz=rng.uniform(95, 140) if low else rng.uniform(180, 240),
        )
        vowels = [*VOWELS, *_DIPHTHONGS]
        units = []
        for _ in range(70):
            onset, coda = rng.choice(_ONSETS), rng.choice(_CODAS)
            units.append(
                tract.syllable(str(onset), str(rng.choice(vowels)), str(coda), int(rng.integers(30, 60)))
            )
        split: Split = "test" if 12 <= number < 16 else "train"
        voices.append(Voice(f"tract-{number:02d}", split, tract.f0_hz, units))
    return tuple(voices)
