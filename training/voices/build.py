"""Build the bank: synthesise the syllables and lines of each speaker, and store their analysis."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.voices.analysis import analyse
from training.voices.speakers import SPEAKERS, Speaker, available, speak
from training.voices.texts import lines, syllables
from training.voices.voice import Unit, Voice

SYLLABLES = 90
LINES = 6
_FEWEST = 20  # speakers with fewer usable syllables are skipped

log = logging.getLogger(__name__)


def build_voice(speaker: Speaker, count: int = SYLLABLES, spoken: int = LINES) -> Voice | None:
    """Build the voice of a speaker. None if its program is missing or gives too few syllables."""
    if not available(speaker):
        return None
    rng = np.random.default_rng(sum(map(ord, speaker.name)))
    texts = syllables(speaker.language, count, rng)
    units = _units(speaker, texts, phrase=False)
    phrases = _units(speaker, lines(speaker.language, spoken, rng), phrase=True) if spoken else []
    if len(units) < min(_FEWEST, count // 2):
        return None
    pitches = np.concatenate([unit.f0_hz[unit.core_start : unit.core_end] for unit in units])
    return Voice(speaker.name, speaker.split, float(np.median(pitches)), units, phrases)


def _units(speaker: Speaker, texts: Sequence[str], *, phrase: bool) -> list[Unit]:
    sounds = speak(speaker, texts)
    names = (
        texts
        if len(sounds) == len(texts)
        else [f"{speaker.language}{number}" for number in range(len(sounds))]
    )
    analysed = [
        analyse(sound, rate, name, phrase=phrase) for (sound, rate), name in zip(sounds, names, strict=True)
    ]
    return [unit for unit in analysed if unit is not None]


def build(folder: Path, speakers: Sequence[Speaker] = SPEAKERS) -> list[str]:
    """Write one file per speaker into a folder, except existing ones. Returns the names of unavailable speakers."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = []
    for speaker in speakers:
        path = folder / f"{speaker.name}.npz"
        if path.exists():
            continue
        start = time.monotonic()
        voice = build_voice(speaker)
        if voice is None:
            missing.append(speaker.name)
            log.warning("%s: not available", speaker.name)
            continue
        voice.save(path)
        log.info(
            "%s: %d syllables, %d lines, %.0f Hz, %.1f s",
            voice.name,
            len(voice.syllables),
            len(voice.phrases),
            voice.f0_hz,
            time.monotonic() - start,
        )
    return missing
