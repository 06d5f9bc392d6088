"""Synthesised songs on disk, and the batches drawn from them.

A song is a folder with `drums.npy`, `bass.npy`, `other.npy` and `vocals.npy`: int16 of shape (samples, 2) at
44.1 kHz, mapped into memory, so that a random crop costs one read. `python -m unbraid.training.songs` writes
such folders.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unbraid.networks.lite import SOURCES
from unbraid.training.augment import Augmentation

Audio = NDArray[np.float32]

INT16_PEAK = 32_768
SILENT_KEPT = 0.3  # of the silent crops: voices rest half of the time, and rests teach little


class SongPool:
    """All songs of one split in a folder; `refresh` takes in those that were added meanwhile."""

    def __init__(self, folder: Path, split: str) -> None:
        self.folder, self.split = folder, split
        self.songs: list[list[NDArray[np.int16]]] = []
        self._names: set[str] = set()
        self.refresh()
        if not self.songs:
            raise FileNotFoundError(
                f"{folder} holds no songs of the split '{split}': make some with `unbraid.training.songs`"
            )

    def refresh(self) -> None:
        for path in sorted(self.folder.glob(f"{self.split}-*")):
            if path.name not in self._names and (path / "song.json").exists():
                self._names.add(path.name)
                self.songs.append([np.load(path / f"{source}.npy", mmap_mode="r") for source in SOURCES])

    def crop(self, song: int, source: int, start: int, samples: int) -> Audio:
        """(2, samples) of one stem; beyond the song's end there is silence."""
        stem = self.songs[song][source]
        part = np.asarray(stem[start : start + samples], np.float32).T / INT16_PEAK
        return np.pad(part, ((0, 0), (0, samples - part.shape[1])))


class Batches:
    """Random mixtures, as stems: every `draw` gives float32 (batch, 4, 2, samples).

    A part of them keeps a song's stems together; the rest takes each stem from another song (Uhlich et al.,
    "Improving music source separation based on deep neural networks through data augmentation and network
    blending", ICASSP 2017).
    """

    def __init__(
        self,
        pool: SongPool,
        batch: int,
        samples: int,
        seed: int,
        augmentation: Augmentation,
        remixed: float = 0.5,
    ) -> None:
        self.pool, self.batch, self.samples, self.remixed = pool, batch, samples, remixed
        self.augmentation = augmentation
        self.rng = np.random.default_rng(seed)

    def _stem(self, source: int, song: int, position: float, speed: float) -> Audio:
        """One augmented stem, (2, samples), from a random place or from `position` (0 to 1) in `song`."""
        needed = int(np.ceil(self.samples * speed)) + 1
        length = len(self.pool.songs[song][source])
        start = int(position * max(0, length - needed))
        part = self.pool.crop(song, source, start, needed)
        stem = self.augmentation.stem(part, self.samples, speed, self.rng)
        return self.augmentation.voice(stem, self.rng) if SOURCES[source] == "vocals" else stem

    def draw(self) -> Audio:
        mixtures: list[Audio] = []
        while len(mixtures) < self.batch:
            together = self.rng.random() >= self.remixed
            song, position = self.rng.integers(len(self.pool.songs)), self.rng.random()
            speed = self.augmentation.speed(self.rng)
            stems = []
            for source in range(len(SOURCES)):
                if not together:
                    song, position = self.rng.integers(len(self.pool.songs)), self.rng.random()
                    speed = self.augmentation.speed(self.rng)
                stem = self._stem(source, int(song), float(position), speed)
                if not together and not stem.any() and self.rng.random() >= SILENT_KEPT:
                    position = self.rng.random()  # another place of the song
                    stem = self._stem(source, int(song), float(position), speed)
                stems.append(stem)
            mixture = self.augmentation.mixture(np.stack(stems), self.rng)
            deviation = mixture.sum(0).std()
            if deviation > 1e-4:  # silent places teach nothing
                mixtures.append(mixture / deviation * self.augmentation.level(self.rng))
        return np.stack(mixtures)
