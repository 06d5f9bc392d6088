"""Singing voices: pitch, level, reproducibility."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import signal
from tests.training.voices.measures import band_db, cents, level_db, midi_hz, pitch_hz

from training.sound import SAMPLE_RATE
from training.voices import Note, Voice, VoiceBank, sing
from training.voices.melody import contour_hz
from training.voices.notes import octave_for, phrases
from training.voices.sing import sing_as
from training.voices.singer import draw_singer
from training.voices.tract import Tract

SCALE = [60, 62, 64, 65, 67, 69, 67, 65, 64, 62]


@pytest.fixture(scope="module")
def bank() -> VoiceBank:
    return VoiceBank.computed()


def melody() -> list[Note]:
    return [Note(0.5 + 0.6 * i, 0.58, pitch, 0.8) for i, pitch in enumerate(SCALE)]


@pytest.mark.parametrize("seed", range(6))
def test_notes_are_in_tune_within_50_cents(bank: VoiceBank, seed: int) -> None:
    notes = melody()
    sound = sing(
        notes, np.random.default_rng(seed), split="train", bank=bank, total_samples=int(7.5 * SAMPLE_RATE)
    )
    for note in notes:
        middle = note.start_s + note.duration_s * np.linspace(0.35, 0.65, 7)
        detune = np.median([cents(pitch_hz(sound, at_s), midi_hz(note.midi_pitch)) for at_s in middle])
        assert abs(detune) < 50


def test_vibrato_has_rate_and_depth_of_singer(bank: VoiceBank) -> None:
    rng = np.random.default_rng(3)
    singer = replace(
        draw_singer(bank.voices[0], rng),
        vibrato_hz=5.5,
        vibrato_cents=60.0,
        vibrato_delay_s=0.2,
        vibrato_share=1.0,
        scoop_cents=0.0,
        wander_cents=1.0,
    )
    hz, _ = contour_hz([Note(0, 3.0, 60, 0.8)], 0, 0.0, 600, singer, rng)
    steady = 1200 * np.log2(hz[120:560] / midi_hz(60))
    spectrum = np.abs(np.fft.rfft((steady - steady.mean()) * np.hanning(len(steady)), 8192))
    rate = np.argmax(spectrum) * 200 / 8192
    assert rate == pytest.approx(5.5, abs=0.5)
    assert 30 < np.sqrt(2) * steady.std() < 80


def test_pitch_glides_between_notes(bank: VoiceBank) -> None:
    rng = np.random.default_rng(4)
    singer = replace(draw_singer(bank.voices[0], rng), scoop_cents=0.0, vibrato_cents=0.0, glide_hz=5.0)
    hz, _ = contour_hz([Note(0, 0.5, 60, 0.8), Note(0.5, 0.5, 67, 0.8)], 0, 0.0, 200, singer, rng)
    step = np.abs(np.diff(1200 * np.log2(hz)))
    assert step.max() < 150  # in 5 ms, of the 700 cents of the fifth
    assert 1200 * np.log2(hz[160] / hz[40]) == pytest.approx(700, abs=60)


@pytest.mark.parametrize("seed", range(4))
def test_band_reaches_16_khz(bank: VoiceBank, seed: int) -> None:
    sound = sing(
        melody(), np.random.default_rng(seed), split="train", bank=bank, total_samples=int(7 * SAMPLE_RATE)
    )
    assert -45 < band_db(sound, 8000, 12000) < -8
    assert -50 < band_db(sound, 12000, 16000) < -10


def test_level_of_singing_is_minus_20_dbfs(bank: VoiceBank) -> None:
    notes = [Note(1.0 + i, 1.0, 60, 0.8) for i in range(4)]
    sound = sing(notes, np.random.default_rng(1), split="train", bank=bank, total_samples=6 * SAMPLE_RATE)
    assert level_db(sound[SAMPLE_RATE : 5 * SAMPLE_RATE]) == pytest.approx(-20, abs=2)
    assert np.abs(sound).max() < 2.0


def test_seed_decides_samples(bank: VoiceBank) -> None:
    def take(seed: int) -> np.ndarray:
        return sing(melody()[:3], np.random.default_rng(seed), split="test", bank=bank, total_samples=100_000)

    np.testing.assert_array_equal(take(5), take(5))
    assert np.abs(take(5) - take(6)).max() > 0.01


def test_is_silent_between_notes(bank: VoiceBank) -> None:
    notes = [Note(3.0, 0.5, 60, 0.8), Note(8.0, 0.5, 64, 0.8)]
    sound = sing(notes, np.random.default_rng(2), split="train", bank=bank, total_samples=11 * SAMPLE_RATE)
    for start_s, end_s in [(0.0, 2.0), (4.2, 7.0), (9.2, 11.0)]:
        assert level_db(sound[int(start_s * SAMPLE_RATE) : int(end_s * SAMPLE_RATE)]) < -80


def test_accepts_no_notes_and_notes_beyond_the_end(bank: VoiceBank) -> None:
    rng = np.random.default_rng(0)
    assert not sing([], rng, split="train", bank=bank, total_samples=1000).any()
    for start_s in (0.0, 0.05, 1.9, 5.0):
        sound = sing(
            [Note(start_s, 1.0, 60, 0.8)], rng, split="train", bank=bank, total_samples=2 * SAMPLE_RATE
        )
        assert sound.shape == (2 * SAMPLE_RATE,)
        assert np.isfinite(sound).all()


def test_syllables_join_without_clicks() -> None:
    tract = Tract(scale=1.0, bandwidth=1.0, tilt_db=6.0, breath=0.02, f0_hz=110.0)
    vowels = [tract.syllable("", vowel, "") for vowel in ("a", "i", "u", "e", "o")]
    voice = Voice("vowels", "train", 110.0, vowels)
    singer = replace(draw_singer(voice, np.random.default_rng(0)), breath=0.0, growl_share=0.0)
    notes = [Note(0.5 + 0.4 * i, 0.4, 60 + i % 3, 0.8, vowels[i % len(vowels)].text) for i in range(10)]
    sound = sing_as(notes, np.random.default_rng(0), voice, singer, 5 * SAMPLE_RATE)
    sos = signal.butter(4, 15000, "high", fs=SAMPLE_RATE, output="sos")
    power = signal.sosfilt(sos, sound)[: 5 * SAMPLE_RATE // 256 * 256].reshape(-1, 256)
    power = np.mean(power**2, axis=1)
    sung = slice(int(0.6 * SAMPLE_RATE / 256), int(4.4 * SAMPLE_RATE / 256))
    assert power[sung].max() < 12 * np.percentile(power[sung], 90)


def test_rests_split_phrases_and_chords_become_one_note() -> None:
    notes = [Note(0, 0.5, 60, 1), Note(0.01, 0.5, 64, 1), Note(0.5, 0.5, 62, 1), Note(2, 0.5, 60, 1)]
    assert [len(phrase) for phrase in phrases(notes)] == [2, 1]


def test_transposes_by_octaves_into_range() -> None:
    assert octave_for([Note(0, 1, 72, 1), Note(1, 1, 76, 1)], 45, 67) % 12 == 0
    assert octave_for([Note(0, 1, 72, 1), Note(1, 1, 76, 1)], 45, 67) in (-12, -24)
    assert octave_for([Note(0, 1, 64, 1)], 54, 79) == 0
