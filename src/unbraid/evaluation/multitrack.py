"""Read songs with known stems: a folder with one audio file per stem, or a Native Instruments stem file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.audio.decode import decode_all
from unbraid.audio.probe import probe
from unbraid.audio.stem_names import COMPLEMENT_PREFIX, MIXTURE, STEM_FILE_TRACKS
from unbraid.errors import InputError

STEM_FILE_ENDINGS = (".stem.mp4", ".stem.m4a")
SOUND_ENDINGS = (".wav", ".flac", ".aif", ".aiff", ".mp3", ".m4a", ".ogg", ".opus", ".wma")

# Lossy encoders pad their last frame (1152 samples of MP3, 26 ms), and some add a delay of the same length. A larger
# difference means another song, or another edit of it.
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
        """Length of each stem in samples."""
        return int(next(iter(self.stems.values())).shape[1])

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the stems that add up to the mixture: all except complements, or one stem and its complement.

        Raises InputError if the song has only one stem.
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
        """Sum of the stems. Raises InputError if the song has only one."""
        return _total(self.stems[name] for name in self.parts)

    def target(self, name: str) -> Floats | None:
        """Return the stem `name`, or for a missing `no_X` the sum of all stems except X. None if X is unknown too."""
        if name in self.stems:
            return self.stems[name]
        without = name.removeprefix(COMPLEMENT_PREFIX)
        if without == name or without not in self.stems or len(self.parts) < 2:
            return None
        return _total(self.stems[part] for part in self.parts if part != without)

    def trimmed(self, samples: int) -> Multitrack:
        """Return the first `samples` samples of the song."""
        if samples == self.samples:
            return self
        stems = {name: stem[:, :samples] for name, stem in self.stems.items()}
        return Multitrack(self.name, self.sample_rate, stems, self.warnings)

    def stereo(self) -> Multitrack:
        """Return the song in stereo; mono stems are copied to both channels."""
        stems = {name: np.repeat(s, 3 - len(s), axis=0) for name, s in self.stems.items()}
        return Multitrack(self.name, self.sample_rate, stems, self.warnings)


def _total(stems: Iterable[Floats]) -> Floats:
    first, *others = stems
    total = first.copy()
    for stem in others:
        total += stem
    return total


def find_songs(path: Path) -> dict[str, Path]:
    """Map the names of the songs at `path` to their paths.

    `path` is a single song (a folder of stems or a stem file) or a folder of songs. Raises InputError if it has none.
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
    """Whether `path` is a single song: a stem file, or a folder with audio files for stems."""
    if path.is_dir():
        return not path.name.startswith(".") and bool(_stem_files(path))
    return path.name.lower().endswith(STEM_FILE_ENDINGS) and not path.name.startswith(".")


def song_name(path: Path) -> str:
    """Return the name of the song at `path`: `a` for `a`, `a.stem.mp4` and `a.stem` (a folder of separated stems)."""
    name = path.resolve().name
    for ending in (*STEM_FILE_ENDINGS, ".stem"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name


def _sound_files(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in SOUND_ENDINGS
        and not path.name.startswith(".")
        and not path.name.lower().endswith(STEM_FILE_ENDINGS)
        and path.is_file()
    ]


def _stem_files(folder: Path) -> list[Path]:
    # MUSDB18-HQ has the mixture beside the stems. It is ignored: the mixture is the sum of the stems.
    return [path for path in _sound_files(folder) if path.stem.lower() != MIXTURE]


def mixture_source(path: Path) -> tuple[Path, int | None] | None:
    """Return file and audio stream of the mixture that lies beside the stems of a song; None if there is none."""
    if not path.is_dir():
        return path, 0
    files = [file for file in _sound_files(path) if file.stem.lower() == MIXTURE]
    return (files[0], None) if files else None


def stem_sources(path: Path) -> dict[str, tuple[Path, int | None]]:
    """Map the names of the stems of one song to file and audio stream (None: the only one), in display order.

    Raises InputError if two files have the same name, or if a stem file has another number of streams.
    """
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
        if streams != len(STEM_FILE_TRACKS):
            raise InputError(
                f"has {streams} audio streams. A stem file has five: {', '.join(STEM_FILE_TRACKS)}.",
                subject=path.name,
            )
        # The first is the mastered mixture, which differs from the sum of the others.
        sources = {name: (path, index) for index, name in enumerate(STEM_FILE_TRACKS) if name != MIXTURE}
    return {name: sources[name] for name in display_order(sources)}


def load(path: Path) -> Multitrack:
    """Read all stems of one song into memory. Raises InputError if they are unreadable or don't match each other."""
    stems: dict[str, Floats] = {}
    rates: dict[str, int] = {}
    warnings: list[str] = []
    for name, (file, stream) in stem_sources(path).items():
        stems[name], decoder = decode_all(file, stream)
        rates[name] = decoder.sample_rate
        warnings += map(str, decoder.warnings)
    song = song_name(path)
    rate = _common_rate(song, rates)
    samples = min(stem.shape[1] for stem in stems.values())
    longest = max(stem.shape[1] for stem in stems.values())
    warnings += _trim_warning(f"The stems of {song}", samples, longest, rate)
    channels = max(len(stem) for stem in stems.values())
    stems = {name: np.repeat(s, channels // len(s), axis=0)[:, :samples] for name, s in stems.items()}
    return Multitrack(song, rate, stems, tuple(warnings))


def fit(reference: Multitrack, estimate: Multitrack) -> tuple[Multitrack, Multitrack, list[str]]:
    """Trim both songs to the same length, make both stereo if one is stereo, and return them with warnings.

    Raises InputError if their sample rates differ, or their lengths by more than LENGTH_TOLERANCE_S.
    """
    if reference.sample_rate != estimate.sample_rate:
        raise InputError(
            f"has {reference.sample_rate} Hz and its estimate {estimate.sample_rate} Hz. Make the estimate "
            "at the sample rate of the reference: resampling would lower its score.",
            subject=reference.name,
        )
    shorter, longer = sorted((reference.samples, estimate.samples))
    pair = f"{reference.name} and its estimate"
    warnings = _trim_warning(pair, shorter, longer, reference.sample_rate)
    if {len(next(iter(song.stems.values()))) for song in (reference, estimate)} == {1, 2}:
        reference, estimate = reference.stereo(), estimate.stereo()
    return reference.trimmed(shorter), estimate.trimmed(shorter), warnings


def display_order(names: Iterable[str]) -> list[str]:
    """Sort stem names: drums, bass, other, vocals, then further stems by name, then complements."""
    standard = STEM_FILE_TRACKS[1:]
    return sorted(
        names,
        key=lambda n: (
            n.startswith(COMPLEMENT_PREFIX),
            standard.index(n) if n in standard else len(standard),
            n,
        ),
    )


def _common_rate(song: str, rates: Mapping[str, int]) -> int:
    """Return the sample rate of all stems. Raises InputError if they differ."""
    if len(set(rates.values())) > 1:
        listed = ", ".join(f"{name} {rate} Hz" for name, rate in rates.items())
        raise InputError(f"The stems of {song} differ in sample rate ({listed}). Convert them to one rate.")
    return next(iter(rates.values()))


def _trim_warning(sounds: str, shorter: int, longer: int, rate: int) -> list[str]:
    """Return the warning that `sounds` differ in length, if they do. Raises InputError if they differ by too much."""
    if shorter == longer:
        return []
    if longer - shorter > LENGTH_TOLERANCE_S * rate:
        raise InputError(
            f"{sounds} differ in length: {shorter / rate:.2f} s and {longer / rate:.2f} s. "
            "Use the same version of the song for both."
        )
    return [f"{sounds} differ in length by {longer - shorter} samples. The end of the longer one is ignored."]
