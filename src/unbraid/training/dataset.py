"""Datasets of stems on disk, and random batches from them.

A song is a folder `SPLIT-NAME` with `song.json`, and with `drums.npy`, `bass.npy`, `other.npy` and `vocals.npy`:
int16 (samples, 2) at 44.1 kHz. They are memory-mapped, so that a random crop needs one read. A sound, which is a
backing without vocals or a voice alone, is one such file, `SPLIT-NAME.npy`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unbraid.networks.lite import SOURCES
from unbraid.training.augment import Augmentation

Audio = NDArray[np.float32]
Stored = NDArray[np.int16] | NDArray[np.floating[Any]]

INT16_PEAK = 32_768
SILENT_SHARE = 0.3  # of silent crops that are used: voices rest half of the time, and rests teach little
# Mean and standard deviation of the level of a voice relative to its backing, limited to (-18, 6).
VOICE_DB = (-6.0, 5.0)
VOICE = "vocals"
OTHER, VOCALS = SOURCES.index("other"), SOURCES.index(VOICE)


class StemPool:
    """Songs with their stems: each an array (samples, 2), of int16 or of floats. Stems may differ in length."""

    def __init__(self, songs: Sequence[Sequence[Stored]], sources: Sequence[str]) -> None:
        self.songs, self.sources = [list(song) for song in songs], tuple(sources)

    def refresh(self) -> None:
        """Add songs that have been written since."""

    def pick(self, rng: np.random.Generator) -> int:
        """Draw the number of a song."""
        return int(rng.integers(len(self.songs)))

    def length(self, song: int) -> int:
        """Return the samples of the longest stem of a song."""
        return max(map(len, self.songs[song]))

    def crop(self, song: int, source: int, start: int, samples: int) -> Audio:
        """Return (2, samples) of one stem, padded with silence after the end of the song."""
        stem = self.songs[song][source]
        part = np.array(stem[start : start + samples], np.float32).T
        if stem.dtype.kind == "i":
            part /= np.float32(INT16_PEAK)
        return np.pad(part, ((0, 0), (0, samples - part.shape[1])))


class SongPool(StemPool):
    """The songs of one split in a folder. Raises FileNotFoundError if there are none."""

    def __init__(self, folder: Path, split: str) -> None:
        super().__init__([], SOURCES)
        self.folder, self.split = folder, split
        self._names: set[str] = set()
        self.refresh()
        if not self.songs:
            raise FileNotFoundError(
                f"{folder} has no songs of the split '{split}', which are folders '{split}-NAME' with song.json and "
                "the stems. `python -m training.songs` writes some."
            )

    def refresh(self) -> None:
        """Add songs that have been written since."""
        for path in sorted(self.folder.glob(f"{self.split}-*")):
            if path.name not in self._names and (path / "song.json").exists():
                self._names.add(path.name)
                self.songs.append([np.load(path / f"{source}.npy", mmap_mode="r") for source in SOURCES])


class SoundPool:
    """The sounds of one split in a folder. Raises FileNotFoundError if there are none."""

    def __init__(self, folder: Path, split: str) -> None:
        self.folder, self.split = folder, split
        self.sounds: list[NDArray[np.int16]] = []
        self._names: set[str] = set()
        self.refresh()
        if not self.sounds:
            raise FileNotFoundError(
                f"{folder} has no sounds of the split '{split}'. Sounds are named '{split}-NAME.npy'."
            )

    def refresh(self) -> None:
        """Add sounds that have been written since."""
        for path in sorted(self.folder.glob(f"{self.split}-*.npy")):
            if path.name not in self._names:
                self._names.add(path.name)
                self.sounds.append(np.load(path, mmap_mode="r"))

    def crop(self, rng: np.random.Generator, samples: int) -> Audio:
        """Return (2, samples) from a random position of a random sound, padded with silence."""
        sound = self.sounds[int(rng.integers(len(self.sounds)))]
        start = int(rng.integers(max(1, len(sound) - samples)))
        part = np.asarray(sound[start : start + samples], np.float32).T / INT16_PEAK
        return np.pad(part, ((0, 0), (0, samples - part.shape[1])))


@dataclass(frozen=True)
class Batch:
    """Stems of a batch.

    `stems` is float32 (batch, 4, 2, samples). `backed` (batch,) marks voices over a backing: their stem `other` is the
    backed backing, and drums and bass are silent.
    """

    stems: Audio
    backed: NDArray[np.bool_]


@dataclass(frozen=True)
class BackingMix:
    """Backings without vocals, and more voices; `share` is the share of items that are a voice over a backing."""

    backings: SoundPool
    voices: SoundPool | None = None
    share: float = 0.5
    voices_share: float = 0.5  # share of `voices` among the voices over backings

    def refresh(self) -> None:
        """Add sounds that have been written since."""
        self.backings.refresh()
        if self.voices is not None:
            self.voices.refresh()


class Batches:
    """Random batches of stems.

    An item has the stems of one song, or stems of different songs (Uhlich et al., "Improving music source separation
    based on deep neural networks through data augmentation and network blending", ICASSP 2017), or a voice over a
    backing. `remixed` is the share of different songs among the items without a backing. `deviation` is the mean
    standard deviation of the mixtures.
    """

    def __init__(
        self,
        pool: StemPool,
        batch: int,
        samples: int,
        seed: int,
        augmentation: Augmentation,
        remixed: float = 0.5,
        backing_mix: BackingMix | None = None,
        deviation: float = 1.0,
    ) -> None:
        self.pool, self.batch, self.samples, self.remixed = pool, batch, samples, remixed
        self.augmentation, self.backing_mix = augmentation, backing_mix
        self.seed, self.deviation = seed, deviation
        self.rng = np.random.default_rng(seed)

    def refresh(self) -> None:
        """Add songs and sounds that have been written since."""
        self.pool.refresh()
        if self.backing_mix is not None:
            self.backing_mix.refresh()

    def _stem(self, source: int, song: int, position: float, speed: float, stretch: float = 1.0) -> Audio:
        """Return one augmented stem (2, samples) from `position` (0 to 1) in `song`."""
        needed = self._needed(speed * stretch)
        start = int(position * max(0, self.pool.length(song) - needed))
        part = self.pool.crop(song, source, start, needed)
        stem = self.augmentation.stem(part, self.samples, speed, self.rng, stretch)
        return self.augmentation.voice(stem, self.rng) if self.pool.sources[source] == VOICE else stem

    def _needed(self, speed: float) -> int:
        """Samples to read for an item at a playback speed."""
        return int(np.ceil(self.samples * speed)) + 1

    def _place(self) -> tuple[int, float, float]:
        """Draw a song, a position in it and a speed."""
        song, position = self.pool.pick(self.rng), float(self.rng.random())
        return song, position, self.augmentation.speed(self.rng)

    def _song(self) -> Audio:
        """Draw the stems of one song, or each of another song."""
        together = self.rng.random() >= self.remixed
        song, position, speed = self._place()
        stretch = self.augmentation.stretch(self.rng)
        stems = []
        for source in range(len(self.pool.sources)):
            if not together:
                song, position, speed = self._place()
                stretch = self.augmentation.stretch(self.rng)
            stem = self._stem(source, song, position, speed, stretch)
            if not together and not stem.any() and self.rng.random() >= SILENT_SHARE:
                # Try another position of the song.
                stem = self._stem(source, song, float(self.rng.random()), speed, stretch)
            stems.append(stem)
        return np.stack(stems)

    def _sound(self, pool: SoundPool) -> Audio:
        speed = self.augmentation.speed(self.rng)
        return self.augmentation.stem(pool.crop(self.rng, self._needed(speed)), self.samples, speed, self.rng)

    def _voice(self, backing_mix: BackingMix) -> Audio:
        if backing_mix.voices is not None and self.rng.random() < backing_mix.voices_share:
            return self.augmentation.voice(self._sound(backing_mix.voices), self.rng)
        return self._stem(VOCALS, *self._place())

    def _voice_over_backing(self, backing_mix: BackingMix) -> Audio:
        """Draw a voice over a backing, at a random level."""
        backing, voice = self._sound(backing_mix.backings), self._voice(backing_mix)
        if not voice.any() and self.rng.random() >= SILENT_SHARE:
            voice = self._voice(backing_mix)
        level_db = np.clip(self.rng.normal(*VOICE_DB), -18, 6)
        level, target = float(voice.std()), float(backing.std()) * 10 ** (level_db / 20)
        stems = np.zeros((len(SOURCES), *voice.shape), np.float32)
        stems[OTHER] = backing
        stems[VOCALS] = voice * np.float32(target / level) if level > 1e-4 and target > 0 else voice
        return stems

    def remix_rng(self, number: int) -> np.random.Generator:
        """Return the generator for remixes of the batch with that number."""
        return np.random.default_rng([self.seed, number, 1])

    def draw(self, number: int) -> Batch:
        """Draw the batch with that number, which depends only on it, the seed and the songs.

        Each mixture has the standard deviation `deviation` before the random gain.
        """
        self.rng = np.random.default_rng([self.seed, number])
        mixtures: list[Audio] = []
        backed: list[bool] = []
        while len(mixtures) < self.batch:
            mix = self.backing_mix
            over_backing = mix is not None and self.rng.random() < mix.share
            stems = self._voice_over_backing(mix) if mix is not None and over_backing else self._song()
            mixture = self.augmentation.mixture(stems, self.rng)
            deviation = mixture.sum(0).std()
            if deviation > 1e-4:  # silent mixtures teach nothing
                gain = self.deviation / deviation * self.augmentation.level(self.rng)
                mixtures.append(np.asarray(mixture * gain, np.float32))
                backed.append(over_backing)
        return Batch(np.stack(mixtures), np.array(backed))
