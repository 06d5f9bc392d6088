"""Songs whose stems are known: a folder with a sound file for each, or a Native Instruments stem file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from unbraid.audio.decode import Decoder
from unbraid.audio.probe import probe
from unbraid.errors import InputError

Floats: TypeAlias = NDArray[np.float32]

# Sound streams of a stem file. The first is the mastered mixture, which is not the sum of the others.
STEM_FILE_STREAMS = ("mixture", "drums", "bass", "other", "vocals")
STEM_FILE_ENDINGS = (".stem.mp4", ".stem.m4a")
SOUND_ENDINGS = (".wav", ".flac", ".aif", ".aiff", ".mp3", ".m4a", ".ogg", ".opus", ".wma")
MIXTURE = "mixture"  # a file of this name lies beside the stems in MUSDB18-HQ; the sum of the stems is used
COMPLEMENT_PREFIX = "no_"

# Lossy encoders fill up their last frame (1152 samples of MP3, 26 ms) and some add a delay of as much again. A larger
# difference is another song, or another cut of it.
LENGTH_TOLERANCE_S = 0.1


@dataclass(frozen=True)
class Multitrack:
    """A song's stems: name -> float32 (channels, samples), all of one shape, at `sample_rate` Hz."""

    name: str
    sample_rate: int
    stems: Mapping[str, Floats]
    warnings: tuple[str, ...] = ()

    @property
    def samples(self) -> int:
        """Length of every stem."""
        return int(next(iter(self.stems.values())).shape[1])

    @property
    def parts(self) -> tuple[str, ...]:
        """The stems that add up to the mixture: all but complements, or one stem and its complement.

        Raises InputError where only one stem is known.
        """
        parts = tuple(name for name in self.stems if not name.startswith(COMPLEMENT_PREFIX))
        if len(parts) == 1 and COMPLEMENT_PREFIX + parts[0] in self.stems:
            parts += (COMPLEMENT_PREFIX + parts[0],)
        if len(parts) < 2:
            raise InputError(
                f"has only {', '.join(self.stems)}. Add the song's other stems: the mixture is their sum.",
                subject=self.name,
            )
        return parts

    @cached_property
    def mixture(self) -> Floats:
        """Sum of the stems. Raises InputError where only one is known."""
        return _total(self.stems[name] for name in self.parts)

    def target(self, name: str) -> Floats | None:
        """The stem `name`; for `no_X` that isn't there, the sum of all stems but X; None where neither is known."""
        if name in self.stems:
            return self.stems[name]
        without = name.removeprefix(COMPLEMENT_PREFIX)
        if without == name or without not in self.stems or len(self.parts) < 2:
            return None
        return _total(self.stems[part] for part in self.parts if part != without)

    def trimmed(self, samples: int) -> Multitrack:
        """The song without what comes after `samples`."""
        if samples == self.samples:
            return self
        stems = {name: stem[:, :samples] for name, stem in self.stems.items()}
        return Multitrack(self.name, self.sample_rate, stems, self.warnings)

    def stereo(self) -> Multitrack:
        """The song with two channels; a mono stem is the same on both."""
        stems = {name: np.repeat(s, 3 - len(s), axis=0) for name, s in self.stems.items()}
        return Multitrack(self.name, self.sample_rate, stems, self.warnings)


def _total(stems: Iterable[Floats]) -> Floats:
    first, *others = stems
    total = first.copy()
    for stem in others:
        total += stem
    return total


def find_songs(path: Path) -> dict[str, Path]:
    """Songs at `path`, name -> place: one (a folder of stems, a stem file), or those in the folder.

    Raises InputError where there is none.
    """
    if not path.exists():
        raise InputError("doesn't exist. Check the name and the folder.", subject=str(path))
    if is_song(path):
        return {song_name(path): path}
    songs = {song_name(p): p for p in sorted(path.iterdir()) if is_song(p)} if path.is_dir() else {}
    if not songs:
        raise InputError(
            "has no stems. Give a folder with vocals.wav, drums.wav and so on, a .stem.mp4 file, "
            "or a folder of those.",
            subject=str(path),
        )
    return songs


def is_song(path: Path) -> bool:
    """Whether this is one song: a stem file, or a folder with sound files that are stems."""
    if path.is_dir():
        return not path.name.startswith(".") and bool(_stem_files(path))
    return path.name.lower().endswith(STEM_FILE_ENDINGS) and not path.name.startswith(".")


def song_name(path: Path) -> str:
    """Name of a song by its place; the folder that separating `a.stem.mp4` leaves is `a.stem`, and the song is `a`."""
    name = path.resolve().name
    for ending in (*STEM_FILE_ENDINGS, ".stem"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name


def _stem_files(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in SOUND_ENDINGS
        and not path.name.startswith(".")
        and not path.name.lower().endswith(STEM_FILE_ENDINGS)
        and path.stem.lower() != MIXTURE
        and path.is_file()
    ]


def load(path: Path) -> Multitrack:
    """Read all stems of one song into memory. Raises InputError for what can't be read or doesn't fit together."""
    sources: dict[str, tuple[Path, int | None]] = {}
    if path.is_dir():
        for file in _stem_files(path):
            name = file.stem.lower()
            if name in sources:
                raise InputError(
                    f"has two files for {name}: {sources[name][0].name}, {file.name}. Remove one.",
                    subject=str(path),
                )
            sources[name] = (file, None)
    else:
        streams = probe(path).streams
        if streams != len(STEM_FILE_STREAMS):
            raise InputError(
                f"has {streams} sound streams. A stem file has five: {', '.join(STEM_FILE_STREAMS)}.",
                subject=path.name,
            )
        sources = {name: (path, index) for index, name in enumerate(STEM_FILE_STREAMS) if name != MIXTURE}
    stems: dict[str, Floats] = {}
    rates: dict[str, int] = {}
    warnings: list[str] = []
    for name in display_order(sources):
        file, stream = sources[name]
        with Decoder(file, stream=stream) as decoder:
            stems[name] = np.concatenate(list(decoder), axis=1)
        rates[name] = decoder.sample_rate
        warnings += map(str, decoder.warnings)
    song = song_name(path)
    (rate,) = _only(song, rates)
    samples = min(stem.shape[1] for stem in stems.values())
    longest = max(stem.shape[1] for stem in stems.values())
    warnings += _trim_warning(f"the stems of {song}", samples, longest, rate)
    channels = max(len(stem) for stem in stems.values())
    stems = {name: np.repeat(s, channels // len(s), axis=0)[:, :samples] for name, s in stems.items()}
    return Multitrack(song, rate, stems, tuple(warnings))


def fit(reference: Multitrack, estimate: Multitrack) -> tuple[Multitrack, Multitrack, list[str]]:
    """Both with the same length and number of channels, and warnings of what was done for it.

    Raises InputError where they differ in sample rate, or in length by more than LENGTH_TOLERANCE_S.
    """
    if reference.sample_rate != estimate.sample_rate:
        raise InputError(
            f"has {reference.sample_rate} Hz and its estimate {estimate.sample_rate} Hz. "
            "Write the estimate at the reference's sample rate: resampling would be scored too.",
            subject=reference.name,
        )
    shorter, longer = sorted((reference.samples, estimate.samples))
    what = f"{reference.name} and its estimate"
    warnings = _trim_warning(what, shorter, longer, reference.sample_rate)
    if {len(next(iter(song.stems.values()))) for song in (reference, estimate)} == {1, 2}:
        reference, estimate = reference.stereo(), estimate.stereo()
    return reference.trimmed(shorter), estimate.trimmed(shorter), warnings


def display_order(names: Iterable[str]) -> list[str]:
    """Drums, bass, other, vocals, then further stems by name, and complements last."""
    usual = STEM_FILE_STREAMS[1:]
    return sorted(
        names,
        key=lambda n: (n.startswith(COMPLEMENT_PREFIX), usual.index(n) if n in usual else len(usual), n),
    )


def _only(song: str, rates: Mapping[str, int]) -> set[int]:
    if len(set(rates.values())) > 1:
        found = ", ".join(f"{name} {rate} Hz" for name, rate in rates.items())
        raise InputError(f"the stems of {song} differ in sample rate ({found}). Write them at one rate.")
    return set(rates.values())


def _trim_warning(what: str, shorter: int, longer: int, rate: int) -> list[str]:
    if shorter == longer:
        return []
    if longer - shorter > LENGTH_TOLERANCE_S * rate:
        raise InputError(
            f"{what} differ in length: {shorter / rate:.2f} s and {longer / rate:.2f} s. "
            "They have to be the same cut of one song."
        )
    return [f"{what} differ in length by {longer - shorter} samples; the end of the longer is left out."]
