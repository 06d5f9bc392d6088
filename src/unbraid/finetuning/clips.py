"""Ten seconds of a held-out song, separated by the model before and after teaching, to compare them by ear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.audio.encode import Encoder
from unbraid.errors import InputError, ModelError
from unbraid.evaluation.contenders import model
from unbraid.evaluation.multitrack import Multitrack, load
from unbraid.finetuning.check import Check
from unbraid.finetuning.material import LAST_PART
from unbraid.finetuning.targets import choose_targets, summed

CLIP_S = 10.0
STEP_S = 1.0  # between two places that are tried
BEFORE, AFTER = "before", "after"


def write_clips(
    check: Check, base: str, taught: Path, sources: Sequence[str], folder: Path
) -> dict[str, Any]:
    """Write the clips of every stem of the new model, and return where they are from.

    `base`: name or folder of the model that the new one in `taught` began with, and `sources` its stems. The files are
    before-0.wav, after-0.wav, before-1.wav, and so on, in the order of `stems`. A stem that the first model lacks has
    no clip of before.
    """
    name = check.held_out[0] if check.held_out else check.used[0].name
    song = load(next(song.path for song in check.used if song.name == name))
    heard = Multitrack(song.name, song.sample_rate, {stem: song.stems[stem] for stem in check.stems})
    targets = choose_targets(check.stems, sources)
    start, clip = loudest(summed(heard, targets), from_share=0.0 if check.held_out else 1 - LAST_PART)
    folder.mkdir(parents=True, exist_ok=True)
    before = _separated_by(base, clip)
    after = model(str(taught)).separate(clip).stems
    has_before = []
    for number, stem in enumerate(targets):
        sounds = {AFTER: after[stem]} | ({BEFORE: before[stem]} if stem in before else {})
        # One gain for both: otherwise the louder one would seem better.
        peak = max(1.0, *(float(np.abs(sound).max()) for sound in sounds.values()))
        for kind, sound in sounds.items():
            _write(folder / f"{kind}-{number}.wav", sound / np.float32(peak), clip.sample_rate)
        has_before += [stem] if BEFORE in sounds else []
    return {
        "song": name,
        "start_s": round(start / song.sample_rate, 1),
        "stems": list(targets),
        "before": has_before,
    }


def loudest(song: Multitrack, from_share: float = 0.0) -> tuple[int, Multitrack]:
    """Return the first sample and the sound of the CLIP_S seconds in which the stems are loudest.

    The softest stem there decides, so that all of them can be heard. `from_share`: share of the song before the part
    that counts.
    """
    length, step = int(CLIP_S * song.sample_rate), int(STEP_S * song.sample_rate)
    first = int(from_share * song.samples)
    starts = range(first, max(first + 1, song.samples - length), step)

    def level(start: int) -> float:
        return min(float(np.mean(np.square(stem[:, start : start + length]))) for stem in song.stems.values())

    best = max(starts, key=level)
    parts = {name: stem[:, best : best + length] for name, stem in song.stems.items()}
    return best, Multitrack(song.name, song.sample_rate, parts)


def _separated_by(name: str, clip: Multitrack) -> Mapping[str, Floats]:
    """Return the stems of the first model; none if it isn't there any more."""
    try:
        return model(name).separate(clip).stems
    except (InputError, ModelError):
        return {}


def _write(path: Path, samples: Floats, rate: int) -> None:
    with Encoder(path, sample_rate=rate, channels=len(samples)) as encoder:
        encoder.write(samples)
