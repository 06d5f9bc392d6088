"""Voices of recorded people: speech of free games and of a telephone exchange, from Debian packages.

The words are cut into syllables at the level dips between vowels, so that they can be sung like those of synthesisers.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from training.packages import SoundFile, fetch, sounds
from training.sound import Split
from training.voices.analysis import analyse
from training.voices.grid import GRID_HZ, FloatArray, power_db
from training.voices.voice import Unit, Voice

LONGEST_S = 5.0
SHORTEST_S = 0.25
WORDS = 60  # clips analysed per speaker
PHRASES = 12  # of these, kept as spoken phrases for rap
_DIP_DB = 4.0  # least level dip between two vowels
_CORE_DB = 8.0
_CONSONANTS = 30  # frames, 150 ms: longest consonants on one side of a vowel
_SHORTEST_CORE = 8  # frames


@dataclass(frozen=True)
class RecordedSpeaker:
    """A recorded person: the Debian package, the pattern of their file paths, and their split."""

    name: str
    package: str
    pattern: str
    split: Split = "train"


def _hedgewars(*names: str) -> tuple[RecordedSpeaker, ...]:
    return tuple(RecordedSpeaker(f"hedgewars-{name}", "hedgewars-data", f"/voices/{name}/") for name in names)


def _ktuberling(*languages: str) -> tuple[RecordedSpeaker, ...]:
    return tuple(
        RecordedSpeaker(f"ktuberling-{language}", "ktuberling-data", f"/sounds/{language}/")
        for language in languages
    )


def _asterisk(*languages: str) -> tuple[RecordedSpeaker, ...]:
    pattern = r"/sounds/[a-z]+_[^/]+/[a-z-]+\."
    return tuple(
        RecordedSpeaker(f"asterisk-{language}", f"asterisk-core-sounds-{language}-g722", pattern)
        for language in languages
    )


RECORDED_SPEAKERS: tuple[RecordedSpeaker, ...] = (
    *_hedgewars("British", "Classic", "Default", "Default_es", "Default_pl", "Default_ru", "HillBilly", "Mobster"),
    *_hedgewars("Pirate", "Russian", "Singer", "Surfer"),
    *_ktuberling("ca", "da", "de", "el", "en", "fr", "lt", "nn", "ru", "uk", "wa"),
    *_asterisk("en", "es", "fr", "ru"),
    RecordedSpeaker("fillets-cs-small", "fillets-ng-data-cs", r"/cs/\w+-m-"),
    RecordedSpeaker("fillets-cs-big", "fillets-ng-data-cs", r"/cs/\w+-v-"),
    RecordedSpeaker("fillets-nl-small", "fillets-ng-data-nl", r"/nl/\w+-m-"),
    RecordedSpeaker("fillets-nl-big", "fillets-ng-data-nl", r"/nl/\w+-v-"),
    *(replace(speaker, split="test") for speaker in (
        *_hedgewars("Default_uk", "Russian_pl"), *_ktuberling("gl", "sl"), *_asterisk("it"))),
)  # fmt: skip


def clips(
    speakers: Sequence[RecordedSpeaker], packages: Path
) -> Iterator[tuple[RecordedSpeaker, list[SoundFile]]]:
    """Yield each speaker with their files. Raises RuntimeError if a package is unavailable."""
    for package in dict.fromkeys(speaker.package for speaker in speakers):
        in_package = [speaker for speaker in speakers if speaker.package == package]
        files: dict[str, list[SoundFile]] = {speaker.name: [] for speaker in in_package}
        for file in sounds(fetch(package, packages)):
            for speaker in in_package:
                if re.search(speaker.pattern, f"/{file.path}"):
                    files[speaker.name].append(file)
        for speaker in in_package:
            yield speaker, files[speaker.name]


def spoken(files: Sequence[SoundFile], rng: np.random.Generator) -> Iterator[tuple[NDArray[np.float64], int]]:
    """Yield the audible clips of a useful length in random order, as (samples, rate)."""
    for index in rng.permutation(len(files)):
        try:
            sound, rate = files[int(index)].mono()
        except av.FFmpegError:
            continue
        if SHORTEST_S * rate <= len(sound) and np.abs(sound).max() > 0.01:
            yield sound[: int(LONGEST_S * rate)], rate


def record(folder: Path, packages: Path) -> Iterator[Voice]:
    """Write one file per speaker into a folder, except existing ones, and yield the new voices."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [speaker for speaker in RECORDED_SPEAKERS if not (folder / f"{speaker.name}.npz").exists()]
    for speaker, files in clips(missing, packages):
        voice = recorded_voice(speaker, files)
        if voice is not None:
            voice.save(folder / f"{speaker.name}.npz")
            yield voice


def recorded_voice(speaker: RecordedSpeaker, files: Sequence[SoundFile]) -> Voice | None:
    """Build a voice from the syllables of the recorded words. None if there are too few."""
    rng = np.random.default_rng(sum(map(ord, speaker.name)))
    phrases: list[Unit] = []
    syllables: list[Unit] = []
    for number, (sound, rate) in enumerate(spoken(files, rng)):
        if number >= WORDS:
            break
        unit = analyse(sound, rate, f"{speaker.name}{number}", phrase=True)
        if unit is None:
            continue
        syllables += cut(unit)
        if len(unit) > 150:
            phrases.append(unit)
    if len(syllables) < 20:
        return None
    pitches = np.concatenate([unit.f0_hz[unit.core_start : unit.core_end] for unit in syllables])
    return Voice(speaker.name, speaker.split, float(np.median(pitches)), syllables, phrases[:PHRASES])


def _loudness(unit: Unit) -> FloatArray:
    """Level (frames,) between 500 and 4000 Hz where voiced, smoothed over 35 ms, in dB."""
    band = (GRID_HZ > 500) & (GRID_HZ < 4000)
    loud = 10 * np.log10(np.mean(10 ** (unit.envelope_db[:, band] / 10), axis=1) + 1e-10)
    loud = np.where(unit.voiced > 0.5, loud, -60.0)
    padded = np.pad(loud, 3, mode="edge")
    return np.convolve(padded, np.ones(7) / 7, mode="valid").astype(np.float32)


def cut(unit: Unit) -> list[Unit]:
    """Cut a spoken phrase into syllables: each level peak with the dips around it is one."""
    loud = _loudness(unit)
    peaks: list[int] = []
    order = [i for i in np.argsort(loud)[::-1] if loud[i] > loud.max() - 20]
    for frame in map(int, order):
        if all(loud[slice(*sorted((frame, other)))].min() < loud[frame] - _DIP_DB for other in peaks):
            peaks.append(frame)
    peaks.sort()
    syllables = []
    for index, peak in enumerate(peaks):
        before = peaks[index - 1] if index else 0
        after = peaks[index + 1] if index + 1 < len(peaks) else len(loud) - 1
        first = before + int(np.argmin(loud[before:peak])) if index else 0
        end = peak + int(np.argmin(loud[peak : after + 1])) + 1 if index + 1 < len(peaks) else len(loud)
        inside = (loud > loud[peak] - _CORE_DB) & (unit.voiced > 0.5)
        start = stop = peak
        while start > first and inside[start - 1]:
            start -= 1
        while stop < end and inside[stop]:
            stop += 1
        margin = min((stop - start) // 6, 8)
        start, stop = start + margin, stop - margin
        if stop - start < _SHORTEST_CORE:
            continue
        span = slice(max(first, start - _CONSONANTS), min(end, stop + _CONSONANTS))
        syllables.append(_syllable(unit, span, start, stop))
    return syllables


def _syllable(unit: Unit, span: slice, start: int, stop: int) -> Unit:
    """Return the syllable with the frames `span` of a phrase; its vowel, from `start` to `stop`, has 0 dB."""
    core = unit.envelope_db[start:stop]
    level = 10 * np.log10(np.mean(10 ** (power_db(core) / 10)))
    return Unit(
        f"{unit.text}-{start}",
        np.maximum(unit.envelope_db[span] - level, -100).astype(np.float32),
        unit.noise[span],
        unit.voiced[span],
        unit.f0_hz[span],
        start - span.start,
        stop - span.start,
    )
