"""Sources of voices: the computed tract, speech synthesisers, and the bank."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import signal
from tests.training.voices.measures import cents, midi_hz, pitch_hz

from training.sound import SAMPLE_RATE
from training.voices import Note, Voice, VoiceBank
from training.voices.grid import GRID_HZ
from training.voices.grid import power_db as envelope_power_db
from training.voices.sing import sing_as
from training.voices.singer import draw_singer
from training.voices.speakers import SPEAKERS, Speaker
from training.voices.texts import lines, syllables
from training.voices.tract import VOWELS, Tract
from training.voices.vocoder import Frames, render
from training.voices.voice import NOISE_TO_GRID

MAN = Tract(scale=1.0, bandwidth=1.0, tilt_db=6.0, breath=0.02, f0_hz=110.0)


def render_vowel(vowel: str, f0_hz: float = 90.0) -> np.ndarray:
    """Render one second of a computed vowel."""
    unit = MAN.syllable("", vowel, "")
    rows = np.full(200, len(unit) // 2)
    noise = unit.noise[rows] @ NOISE_TO_GRID
    pitch = np.full(200, f0_hz, np.float32)
    return render(
        Frames(unit.envelope_db[rows], noise, pitch, np.ones(200, np.float32)), np.random.default_rng(0)
    )


@pytest.mark.parametrize("vowel", ["a", "i", "u"])
def test_vowels_have_their_formants(vowel: str) -> None:
    frequency, power = signal.welch(render_vowel(vowel), SAMPLE_RATE, nperseg=8192)
    level = 10 * np.log10(power)
    partials = np.arange(90, 4000, 90)
    partial_db = np.array([level[np.abs(frequency - hz) < 20].max() for hz in partials])
    for formant_hz in VOWELS[vowel][:2]:
        near = np.abs(partials - formant_hz) < 0.3 * formant_hz + 100
        around = np.abs(partials - formant_hz) < 0.12 * formant_hz + 60
        steep = partial_db + 6.0 * np.log2(partials / formant_hz)  # without the slope of the source
        assert steep[around].max() == steep[near].max()


def test_rendered_vowel_has_requested_pitch_and_power() -> None:
    sound = render_vowel("a", 220.0)
    assert abs(cents(pitch_hz(sound, 0.5), 220.0)) < 5
    # The tolerance covers partials that lie beside the formants.
    assert 10 * np.log10(np.mean(sound[4410:-4410] ** 2)) == pytest.approx(0.0, abs=3)


def test_fricatives_are_noise_above_vowel_formants() -> None:
    unit = MAN.syllable("s", "a", "")
    hiss = unit.envelope_db[8:16].mean(axis=0)
    assert GRID_HZ[np.argmax(hiss)] > 5000
    assert unit.voiced[:20].max() == 0
    assert envelope_power_db(unit.envelope_db[8:16]).max() < 0


def test_splits_share_no_voice() -> None:
    names = [speaker.name for speaker in SPEAKERS]
    assert len(set(names)) == len(names)
    people = {"slt": "test", "kal": "train", "rms": "test"}
    for person, split in people.items():
        assert {speaker.split for speaker in SPEAKERS if person in speaker.voice} == {split}
    bank = VoiceBank.computed()
    assert not {voice.name for voice in bank.of("train")} & {voice.name for voice in bank.of("test")}
    assert {speaker.split for speaker in SPEAKERS} == {"train", "test"}


def test_every_language_has_syllables_and_lines() -> None:
    for language in {speaker.language for speaker in SPEAKERS}:
        texts = syllables(language, 40, np.random.default_rng(0))
        assert len(set(texts)) == 40
        assert len(lines(language, 3, np.random.default_rng(0))) == 3


def test_saved_voice_is_restored(tmp_path: Path) -> None:
    voice = VoiceBank.computed().voices[0]
    voice.save(tmp_path / f"{voice.name}.npz")
    loaded = Voice.load(tmp_path / f"{voice.name}.npz")
    assert (loaded.name, loaded.split) == (voice.name, voice.split)
    assert [unit.text for unit in loaded.syllables] == [unit.text for unit in voice.syllables]
    np.testing.assert_allclose(loaded.syllables[3].envelope_db, voice.syllables[3].envelope_db, atol=0.05)
    assert len(VoiceBank.load(tmp_path).of("train")) == len(VoiceBank.computed().of("train")) + 1


def test_empty_bank_error_says_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"python -m training\.voices build"):
        VoiceBank.load(tmp_path)
    with pytest.raises(ValueError, match="speaking voice for test"):
        VoiceBank.computed().of("test", speaking=True)


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
@pytest.mark.skipif(importlib.util.find_spec("pyworld") is None, reason="pyworld is not installed")
@pytest.mark.filterwarnings("ignore:pkg_resources")
def test_synthesised_voice_sings_in_tune() -> None:
    from training.voices.build import build_voice

    voice = build_voice(Speaker("espeak-ng", "en-us+m3", "en"), count=12, spoken=1)
    assert voice is not None
    assert voice.low
    assert len(voice.syllables) >= 10
    assert len(voice.phrases) == 1
    for unit in voice.syllables:
        core = slice(unit.core_start, unit.core_end)
        assert unit.voiced[core].all()
        assert len(unit) < 400
        high = unit.envelope_db[core][:, GRID_HZ > 12000]  # above the band of espeak at 22 kHz
        assert high.min() > -95
    notes = [Note(0.5 + i, 0.9, 52 + 2 * i, 0.8) for i in range(4)]
    rng = np.random.default_rng(0)
    sound = sing_as(notes, rng, voice, draw_singer(voice, rng), 5 * SAMPLE_RATE, 0.0)
    for note in notes:
        middle = note.start_s + np.linspace(0.3, 0.6, 7)
        detune = [cents(pitch_hz(sound, at_s), midi_hz(note.midi_pitch)) for at_s in middle]
        assert abs(np.median(detune)) < 50
