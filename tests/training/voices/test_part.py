"""Stereo vocal parts."""

import numpy as np
import pytest
from tests.training.voices.measures import level_db

from training.sound import SAMPLE_RATE
from training.voices import Note, Style, VoiceBank, sing_part
from training.voices.part import _diatonic, _tonic

NOTES = [Note(0.5 + 0.5 * i, 0.48, pitch, 0.8) for i, pitch in enumerate([60, 64, 67, 65])]
SAMPLES = 3 * SAMPLE_RATE


@pytest.fixture(scope="module")
def bank() -> VoiceBank:
    return VoiceBank.computed()


@pytest.mark.parametrize("style", ["lead", "double", "harmony", "choir", "rap"])
def test_every_style_is_stereo_at_standard_level(bank: VoiceBank, style: Style) -> None:
    sound = sing_part(NOTES, np.random.default_rng(1), "train", bank, SAMPLES, style)
    assert sound.shape == (2, SAMPLES)
    assert sound.dtype == np.float32
    assert np.isfinite(sound).all()
    assert level_db(sound[:, SAMPLE_RATE // 2 : 5 * SAMPLE_RATE // 2]) == pytest.approx(-20, abs=4)
    again = sing_part(NOTES, np.random.default_rng(1), "train", bank, SAMPLES, style)
    np.testing.assert_array_equal(sound, again)


def test_lead_is_centred_and_doubles_and_choirs_are_wide(bank: VoiceBank) -> None:
    def width(style: Style) -> float:
        left, right = sing_part(NOTES, np.random.default_rng(2), "train", bank, SAMPLES, style)
        return level_db(left - right) - level_db(left + right)

    assert width("lead") < -15
    assert width("double") > width("lead") + 5
    assert width("choir") > -12


def test_harmonies_stay_in_the_key() -> None:
    assert _tonic(NOTES) == 0
    assert _diatonic(64, 2, 0) == 67
    assert _diatonic(60, -2, 0) == 57
    assert _diatonic(71, 7, 0) == 83
    assert all(round(_diatonic(note.midi_pitch, 2, 0)) % 12 in (0, 2, 4, 5, 7, 9, 11) for note in NOTES)


def test_part_without_notes_is_silent(bank: VoiceBank) -> None:
    for style in ("lead", "double", "harmony", "choir", "rap"):
        assert not sing_part([], np.random.default_rng(0), "train", bank, 1000, style).any()
