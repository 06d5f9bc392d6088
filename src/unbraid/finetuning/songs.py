"""Read one song of a user: its stems in any format, rate and length, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.audio.blocks import equal_blocks, resampled
from unbraid.audio.decode import Decoder
from unbraid.audio.stem_names import COMPLEMENT_PREFIX
from unbraid.errors import InputError
from unbraid.evaluation.multitrack import mixture_source, song_name, stem_sources
from unbraid.evaluation.score import SILENCE
from unbraid.finetuning.alignment import LONGEST_S, RATE, Misaligned, compare
from unbraid.finetuning.spool import CHANNELS, Spool

SAMPLE_RATE = 44_100
SHORTEST_S = 6.0  # two crops of training
AUDIBLE_DB = -50.0  # a second of sound below this level teaches nothing
PADDED_S = 1.0  # a stem that ends earlier is mentioned


@dataclass(frozen=True)
class StemSound:
    """A stem that was read."""

    seconds: float
    audible_s: float
    """Seconds that are not silent."""
    start: int
    """First sample in the spool."""
    samples: int


@dataclass
class Song:
    """A song that was read. `problem` says why it can't be used, as a line for the user."""

    name: str
    path: Path
    stems: dict[str, StemSound] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problem: str | None = None

    @property
    def seconds(self) -> float:
        """Length of the longest stem."""
        return max((stem.seconds for stem in self.stems.values()), default=0.0)

    @property
    def audible(self) -> tuple[str, ...]:
        """Stems that are not silent."""
        return tuple(name for name, stem in self.stems.items() if stem.audible_s > 0)


def read_song(path: Path, spool: Spool | None = None) -> Song:
    """Read all stems of the song at `path`, append them to `spool`, and compare them with the mixture.

    A song with a problem leaves nothing in the spool. Raises OSError for the spool.
    """
    song = Song(song_name(path), path)
    before = 0 if spool is None else spool.samples
    try:
        mono = _read_stems(song, spool)
        song.problem = _problem(song) or _misaligned(path, mono)
    except InputError as error:
        song.problem = error.message
    if song.problem is None:
        song.notes += _notes(song)
    elif spool is not None:
        spool.truncate(before)
    return song


def _read_stems(song: Song, spool: Spool | None) -> dict[str, Floats]:
    """Read the stems of `song` into it. Return them in mono at RATE."""
    sources = stem_sources(song.path)
    complements = [name for name in sources if name.startswith(COMPLEMENT_PREFIX)]
    mono: dict[str, Floats] = {}
    for name, (file, stream) in sources.items():
        if name in complements and len(sources) > 2:
            song.notes.append(f"{name} is left out: it is the sum of other stems.")
            continue
        start = 0 if spool is None else spool.samples
        seconds, audible_s, mono[name] = _read(file, stream, spool)
        song.stems[name] = StemSound(seconds, audible_s, start, round(seconds * SAMPLE_RATE))
    return mono


def decoded(file: Path, stream: int | None = None) -> Iterator[Floats]:
    """Yield the blocks (2, samples) of a sound file in stereo at SAMPLE_RATE. Raises InputError."""
    with Decoder(file, channels=CHANNELS, stream=stream) as decoder:
        yield from resampled(iter(decoder), decoder.sample_rate, SAMPLE_RATE, CHANNELS)


def _read(file: Path, stream: int | None, spool: Spool | None) -> tuple[float, float, Floats]:
    """Decode a stem to stereo at SAMPLE_RATE. Return its length, its audible seconds, and its mono at RATE."""
    step, limit = SAMPLE_RATE // RATE, LONGEST_S * RATE
    samples, audible, kept = 0, 0, 0
    mono: list[Floats] = []
    for block in equal_blocks(decoded(file, stream), SAMPLE_RATE):
        if spool is not None:
            spool.write(block)
        samples += block.shape[1]
        level_db = 10 * np.log10(float(np.mean(np.square(block))) + 1e-12)
        if level_db > AUDIBLE_DB and float(np.abs(block).max()) > SILENCE:
            audible += block.shape[1]
        if kept < limit:
            whole = block.mean(0)[: block.shape[1] // step * step]
            mono.append(whole.reshape(-1, step).mean(1))
            kept += len(mono[-1])
    return samples / SAMPLE_RATE, audible / SAMPLE_RATE, np.concatenate(mono)


def _problem(song: Song) -> str | None:
    """Return why the stems can't be used, apart from the mixture."""
    if len(song.stems) < 2:
        only = ", ".join(song.stems) or "no stem"
        return (
            f"{song.name} has only {only}. Add the song's other stems: together they must make up the song."
        )
    if song.seconds < SHORTEST_S:
        return f"{song.name} is too short: {song.seconds:.1f} s. It needs {SHORTEST_S:.0f} s or more."
    if not song.audible:
        return f"{song.name} is silent in all stems. Export it again."
    return None


def _notes(song: Song) -> list[str]:
    silent = [name for name in song.stems if name not in song.audible]
    notes = [f"silent here: {', '.join(silent)}."] if silent else []
    short = [name for name, stem in song.stems.items() if stem.seconds < song.seconds - PADDED_S]
    if short:
        notes.append(f"ends before the others: {', '.join(short)}. Silence is added.")
    return notes


def _misaligned(path: Path, mono: Mapping[str, Floats]) -> str | None:
    """Return how the stems differ from the mixture beside them; None if there is none, or if they fit."""
    source = mixture_source(path)
    if source is None:
        return None
    _, _, mixture = _read(*source, None)
    found = compare(mono, mixture)
    return None if found is None else _words(song_name(path), found)


def _words(song: str, found: Misaligned) -> str:
    if not found.late_s:
        return (
            f"The stems of {song} don't add up to its mixture: {100 * found.missing:.0f} % of it is in no stem. "
            "Is a stem missing, or from another version of the song?"
        )
    parts = [
        f"{name} starts {abs(lag_s):.2f} s too {'late' if lag_s > 0 else 'early'}"
        for name, lag_s in found.late_s.items()
    ]
    return f"The stems of {song} don't fit its mixture: {', '.join(parts)}. Export all stems from the same start."
