"""Tempo and beats of rhythms whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from tests.analysis.sounds import RATE_HZ, clicks, noise

from unbraid.analysis import MusicAnalyser, analyse_stems


@pytest.mark.parametrize("bpm", [72.0, 98.6, 120.0, 128.0, 174.0])
def test_finds_tempo_and_beats_of_a_steady_rhythm(bpm: float) -> None:
    drums = clicks(bpm, 20)
    music = analyse_stems({"drums": drums, "other": 0 * drums}, RATE_HZ)
    assert music.bpm is not None
    octave = min((0.5, 1.0, 2.0), key=lambda factor: abs(np.log(music.bpm / bpm / factor)))
    assert music.bpm == pytest.approx(octave * bpm, rel=0.003)
    # Clicks stand at multiples of the beat. At double tempo, every second beat has one.
    step = 60 / max(bpm, music.bpm)
    distance = np.abs(music.beats / step - np.round(music.beats / step)) * step
    assert np.quantile(distance, 0.9) < 0.02
    assert (
        abs(np.mean(music.beats - np.round(music.beats / step) * step)) < 0.003
    )  # a click on them is not early


@pytest.mark.parametrize("rate", [8_000, 48_000, 96_000])
def test_tempo_does_not_depend_on_the_sample_rate(rate: int) -> None:
    music = analyse_stems({"drums": clicks(110, 15, rate)}, rate)
    assert music.bpm == pytest.approx(110, rel=0.003)


def test_finds_no_tempo_in_noise_and_silence() -> None:
    assert analyse_stems({"drums": noise(30), "other": noise(30)}, RATE_HZ).bpm is None
    silence = np.zeros((2, 30 * RATE_HZ), np.float32)
    music = analyse_stems({"vocals": silence, "no_vocals": silence}, RATE_HZ)
    assert (music.bpm, music.key, len(music.beats), music.texts) == (None, None, 0, {})


def test_hears_the_beat_of_other_instruments_without_drums() -> None:
    rhythm = clicks(100, 20)
    for stems in (
        {"drums": 0 * rhythm, "other": rhythm},
        {"vocals": noise(20), "no_vocals": rhythm},
        {"vocals": rhythm},
    ):
        assert analyse_stems(stems, RATE_HZ).bpm == pytest.approx(100, rel=0.003)


def test_very_short_songs_have_no_tempo() -> None:
    for samples in (1, 100, RATE_HZ, 3 * RATE_HZ):
        short = clicks(120, 4)[:, :samples]
        assert analyse_stems({"drums": short, "bass": short}, RATE_HZ).bpm is None


def test_blocks_of_any_size_give_the_same_result() -> None:
    drums = clicks(120, 10)
    whole = analyse_stems({"drums": drums}, RATE_HZ)
    analyser = MusicAnalyser(["drums"], RATE_HZ)
    for start in range(0, drums.shape[1], 7_777):
        analyser.push(drums[None, :, start : start + 7_777])
    music = analyser.finish()
    assert music.bpm == whole.bpm
    np.testing.assert_allclose(music.beats, whole.beats, atol=1e-3)


def test_memory_is_bounded_for_long_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unbraid.analysis.music.LONGEST_S", 10)
    music = analyse_stems({"drums": clicks(120, 40)}, RATE_HZ)
    assert music.bpm == pytest.approx(120, rel=0.003)
    assert music.beats[-1] < 10.5
