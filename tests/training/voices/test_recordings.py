"""Syllables of recorded words."""

import numpy as np

from training.voices.grid import GRID_HZ, POINTS
from training.voices.recordings import RECORDED_SPEAKERS, cut
from training.voices.voice import Unit


def word(vowels: int) -> Unit:
    """A word of 100 ms vowels, separated and surrounded by consonants of 100 ms that are 20 dB softer."""
    loud = np.concatenate(
        [np.full(20, -20.0), *(np.r_[np.zeros(20), np.full(20, -20.0)] for _ in range(vowels))]
    )
    slope = np.where(GRID_HZ > 4000, -20.0, 0.0)
    count = len(loud)
    return Unit(
        "word",
        (loud[:, None] + slope).astype(np.float32),
        np.full((count, 10), 0.1, np.float32),
        np.ones(count, np.float32),
        np.full(count, 200.0, np.float32),
        0,
        count,
    )


def test_cuts_words_between_vowels() -> None:
    syllables = cut(word(3))
    assert len(syllables) == 3
    for unit in syllables:
        assert unit.envelope_db.shape == (len(unit), POINTS)
        assert 10 <= unit.core_end - unit.core_start <= 20
        assert 0 < unit.core_start < unit.core_end < len(unit)
        core = unit.envelope_db[unit.core_start : unit.core_end, GRID_HZ < 3000]
        assert abs(core.mean() - core.min()) < 1  # the core contains no consonant
        assert unit.envelope_db[0].mean() < core.mean() - 10
    assert len({unit.text for unit in syllables}) == 3


def test_splits_share_no_speaker() -> None:
    names = [speaker.name for speaker in RECORDED_SPEAKERS]
    assert len(names) == len(set(names))
    assert {speaker.split for speaker in RECORDED_SPEAKERS} == {"train", "test"}
