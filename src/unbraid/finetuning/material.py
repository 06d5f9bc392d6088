"""The songs of a check as arrays: those to learn from, and those that are held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unbraid.evaluation.multitrack import Multitrack
from unbraid.finetuning.check import Check
from unbraid.finetuning.songs import SAMPLE_RATE, Song
from unbraid.finetuning.spool import Spool

Stored = NDArray[np.float16]

_BLOCK = 1 << 20  # samples that are read at a time
LAST_PART = 0.25  # of a single song, which is held out


@dataclass(frozen=True)
class Tracks:
    """The stems of a song, or of a part of it: name -> (samples, 2). They may differ in length."""

    name: str
    stems: Mapping[str, Stored]

    def multitrack(self) -> Multitrack:
        """Read all stems into memory, at SAMPLE_RATE, padded to equal length."""
        samples = max(map(len, self.stems.values()))
        stems = {}
        for name, stored in self.stems.items():
            stems[name] = np.zeros((2, samples), np.float32)
            stems[name][:, : len(stored)] = stored.T
        return Multitrack(self.name, SAMPLE_RATE, stems)


def split(check: Check, spool: Spool) -> tuple[list[Tracks], list[Tracks]]:
    """Return the songs to learn from and those that are held out. Their sound stays in the spool."""
    sounds = spool.sounds()
    songs = [_tracks(song, sounds) for song in check.used]
    if len(songs) > 1:
        learnt = [song for song in songs if song.name not in check.held_out]
        return learnt, [song for song in songs if song.name in check.held_out]
    (song,) = songs
    cut = int((1 - LAST_PART) * max(map(len, song.stems.values())))
    first = {name: stem[:cut] for name, stem in song.stems.items()}
    last = {name: stem[cut:] for name, stem in song.stems.items()}
    return [Tracks(song.name, first)], [Tracks(f"{song.name} (last quarter)", last)]


def _tracks(song: Song, sounds: Stored) -> Tracks:
    return Tracks(
        song.name,
        {name: sounds[stem.start : stem.start + stem.samples] for name, stem in song.stems.items()},
    )


def fingerprint(check: Check) -> list[list[object]]:
    """Return what identifies the songs of a run: names, stems and lengths."""
    return [
        [song.name, *sorted([name, stem.samples] for name, stem in song.stems.items())] for song in check.used
    ]


def shares(tracks: Sequence[Tracks], targets: Mapping[str, Sequence[str]]) -> list[float]:
    """Return the mean share of each target in the energy of a song. Silent songs don't count."""
    found = []
    for song in tracks:
        energies = np.array([sum(_energy(song.stems[stem]) for stem in parts) for parts in targets.values()])
        if energies.any():
            found.append(energies / energies.sum())
    return [float(share) for share in np.mean(found, axis=0)]


def _energy(stem: Stored) -> float:
    blocks = range(0, len(stem), _BLOCK)
    return sum(float(np.square(stem[start : start + _BLOCK], dtype=np.float32).sum()) for start in blocks)


def in_order(tracks: Sequence[Tracks], stems: Sequence[str]) -> list[list[Stored]]:
    """Return the arrays of each song in the order of `stems`."""
    return [[song.stems[name] for name in stems] for song in tracks]
