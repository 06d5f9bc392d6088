"""Synthesised songs and recorded sounds on disk, and the batches drawn from them.

A song is a folder with `drums.npy`, `bass.npy`, `other.npy` and `vocals.npy`: int16 of shape (samples, 2) at
44.1 kHz, mapped into memory, so that a random crop costs one read. `python -m training.songs` writes
such folders. A sound, be it a backing to sing over or a voice, is one such file.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unbraid.networks.lite import SOURCES
from unbraid.training.augment import Augmentation

Audio = NDArray[np.float32]

INT16_PEAK = 32_768
SILENT_KEPT = 0.3  # of the silent crops: voices rest half of the time, and rests teach little
VOICE_DB = (-6.0, 5.0)  # mean and deviation of a voice's level over a backing's, within (-18, 6)
OTHER, VOCALS = SOURCES.index("other"), SOURCES.index("vocals")


class SongPool:
    """All songs of one split in a folder; `refresh` takes in those that were added meanwhile."""

    def __init__(self, folder: Path, split: str) -> None:
        self.folder, self.split = folder, split
        self.songs: list[list[NDArray[np.int16]]] = []
        self._names: set[str] = set()
        self.refresh()
        if not self.songs:
            raise FileNotFoundError(
                f"{folder} holds no songs of the split '{split}': make some with `training.songs`"
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


class SoundPool:
    """All `SPLIT-*.npy` in a folder; `refresh` takes in those that were added meanwhile."""

    def __init__(self, folder: Path, split: str) -> None:
        self.folder, self.split = folder, split
        self.sounds: list[NDArray[np.int16]] = []
        self._names: set[str] = set()
        self.refresh()
        if not self.sounds:
            raise FileNotFoundError(f"{folder} holds no sounds of the split '{split}'")

    def refresh(self) -> None:
        for path in sorted(self.folder.glob(f"{self.split}-*.npy")):
            if path.name not in self._names:
                self._names.add(path.name)
                self.sounds.append(np.load(path, mmap_mode="r"))

    def crop(self, rng: np.random.Generator, samples: int) -> Audio:
        """(2, samples) from a random place of a random sound; silence beyond its end."""
        sound = self.sounds[int(rng.integers(len(self.sounds)))]
        start = int(rng.integers(max(1, len(sound) - samples)))
        part = np.asarray(sound[start : start + samples], np.float32).T / INT16_PEAK
        return np.pad(part, ((0, 0), (0, samples - part.shape[1])))


@dataclass(frozen=True)
class Draw:
    """Stems of a batch, float32 (batch, 4, 2, samples); of the items `whole` (batch,), what is not the voice is one
    backing, written where `other` is."""

    stems: Audio
    whole: NDArray[np.bool_]


@dataclass(frozen=True)
class Recorded:
    """Backings without a voice, and voices besides those of the songs; what share of the items are sung over one."""

    backings: SoundPool
    voices: SoundPool | None = None
    share: float = 0.5
    voices_share: float = 0.5  # of the voices over backings

    def refresh(self) -> None:
        self.backings.refresh()
        if self.voices is not None:
            self.voices.refresh()


class Batches:
    """Random mixtures, as stems.

    A part of them keeps a song's stems together; the rest takes each stem from another song (Uhlich et al.,
    "Improving music source separation based on deep neural networks through data augmentation and network
    blending", ICASSP 2017), or a voice and a recorded backing.
    """

    def __init__(
        self,
        pool: SongPool,
        batch: int,
        samples: int,
        seed: int,
        augmentation: Augmentation,
        remixed: float = 0.5,
        recorded: Recorded | None = None,
    ) -> None:
        self.pool, self.batch, self.samples, self.remixed = pool, batch, samples, remixed
        self.augmentation, self.recorded = augmentation, recorded
        self.rng = np.random.default_rng(seed)

    def refresh(self) -> None:
        """Take in what was added to the folders."""
        self.pool.refresh()
        if self.recorded is not None:
            self.recorded.refresh()

    def _stem(self, source: int, song: int, position: float, speed: float) -> Audio:
        """One augmented stem, (2, samples), from a random place or from `position` (0 to 1) in `song`."""
        needed = self._needed(speed)
        length = len(self.pool.songs[song][source])
        start = int(position * max(0, length - needed))
        part = self.pool.crop(song, source, start, needed)
        stem = self.augmentation.stem(part, self.samples, speed, self.rng)
        return self.augmentation.voice(stem, self.rng) if source == VOCALS else stem

    def _needed(self, speed: float) -> int:
        return int(np.ceil(self.samples * speed)) + 1

    def _place(self) -> tuple[int, float, float]:
        """A song, a position in it and a speed."""
        song, position = int(self.rng.integers(len(self.pool.songs))), float(self.rng.random())
        return song, position, self.augmentation.speed(self.rng)

    def _song(self) -> Audio:
        """Four stems of one song or of four."""
        together = self.rng.random() >= self.remixed
        song, position, speed = self._place()
        stems = []
        for source in range(len(SOURCES)):
            if not together:
                song, position, speed = self._place()
            stem = self._stem(source, song, position, speed)
            if not together and not stem.any() and self.rng.random() >= SILENT_KEPT:
                stem = self._stem(source, song, float(self.rng.random()), speed)  # another place of the song
            stems.append(stem)
        return np.stack(stems)

    def _sound(self, pool: SoundPool) -> Audio:
        speed = self.augmentation.speed(self.rng)
        return self.augmentation.stem(pool.crop(self.rng, self._needed(speed)), self.samples, speed, self.rng)

    def _voice(self, recorded: Recorded) -> Audio:
        if recorded.voices is not None and self.rng.random() < recorded.voices_share:
            return self.augmentation.voice(self._sound(recorded.voices), self.rng)
        return self._stem(VOCALS, *self._place())

    def _sung_over(self, recorded: Recorded) -> Audio:
        """A voice over a backing, at a level of its own."""
        backing, voice = self._sound(recorded.backings), self._voice(recorded)
        if not voice.any() and self.rng.random() >= SILENT_KEPT:
            voice = self._voice(recorded)
        level_db = np.clip(self.rng.normal(*VOICE_DB), -18, 6)
        loud, wanted = float(voice.std()), float(backing.std()) * 10 ** (level_db / 20)
        stems = np.zeros((len(SOURCES), *voice.shape), np.float32)
        stems[OTHER] = backing
        stems[VOCALS] = voice * np.float32(wanted / loud) if loud > 1e-4 and wanted > 0 else voice
        return stems

    def draw(self) -> Draw:
        mixtures: list[Audio] = []
        whole: list[bool] = []
        while len(mixtures) < self.batch:
            over = self.recorded is not None and self.rng.random() < self.recorded.share
            stems = self._sung_over(self.recorded) if over and self.recorded is not None else self._song()
            mixture = self.augmentation.mixture(stems, self.rng)
            deviation = mixture.sum(0).std()
            if deviation > 1e-4:  # silent places teach nothing
                mixtures.append(mixture / deviation * self.augmentation.level(self.rng))
                whole.append(over)
        return Draw(np.stack(mixtures), np.array(whole))
