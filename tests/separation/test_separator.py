"""Stems as arrays: exact, with the length, the rate and the channels of the song; invalid input and settings."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.separation.conftest import WriteSong, level_db, noise
from tests.separation.known_models import BINS, GAINS, N_FFT, SEGMENT, SOURCES, spectral_model

from unbraid import Separator
from unbraid.errors import InputError, SettingError

RATES = [8000, 22050, 44100, 48000, 96000, 192000]


def as_stored(gain: float) -> np.float32:
    """Return the gain in float16, as the model stores it."""
    return np.float32(np.float16(gain))


@settings(max_examples=40, deadline=None)
@given(samples=st.one_of(st.integers(1, 20), st.integers(1, 5 * SEGMENT)), channels=st.integers(1, 2))
def test_stems_are_exact_for_any_length(separator: Separator, samples: int, channels: int) -> None:
    song = noise(channels, samples)
    stems = separator.separate(song)
    assert tuple(stems) == SOURCES
    for name, gain in zip(SOURCES, GAINS, strict=True):
        assert stems[name].shape == song.shape
        assert stems[name].dtype == np.float32
        assert level_db(stems[name] - as_stored(gain) * song, song) < -110


@settings(max_examples=30, deadline=None)
@given(samples=st.integers(1, 30000), channels=st.integers(1, 2), rate=st.sampled_from(RATES))
def test_two_stems_add_up_to_the_song_at_its_rate_and_length(
    separator: Separator, samples: int, channels: int, rate: int
) -> None:
    song = noise(channels, samples)
    stems = separator.separate(song, rate, stems="bass")
    assert tuple(stems) == ("bass", "no_bass")
    assert stems.sample_rate == rate
    assert stems["bass"].shape == stems["no_bass"].shape == song.shape
    assert level_db(stems["bass"] + stems["no_bass"] - song, song) < -120


@pytest.mark.parametrize("rate", RATES)
def test_stems_are_aligned_with_the_song_at_other_rates(separator: Separator, rate: int) -> None:
    time_s = np.arange(rate) / rate
    # Fade in and out, because resamplers may ring at edges.
    song = (np.sin(2 * np.pi * 1000 * time_s) * np.hanning(rate))[None].astype(np.float32)
    stems = separator.separate(song, rate)
    assert level_db(stems["drums"] - as_stored(GAINS[0]) * song, song) < -70


def test_frequencies_above_the_models_bandwidth_stay_in_the_accompaniment(separator: Separator) -> None:
    rate = 96000
    song = (0.5 * np.sin(2 * np.pi * 30000 * np.arange(rate) / rate) * np.hanning(rate))[None].astype(
        np.float32
    )
    stems = separator.separate(song, rate, stems="vocals")
    assert level_db(stems["vocals"], song) < -60
    assert level_db(stems["no_vocals"] - song, song) < -60


def test_frequency_masks_separate_tones(tmp_path: Path) -> None:
    low = np.arange(BINS) < BINS // 2
    model = spectral_model(tmp_path, np.stack([low, ~low]), sources=["low", "high"], normalise=False)
    time_s = np.arange(44100) / 44100
    # Each tone is in the middle of a bin, far from the border between the masks.
    tones = [np.sin(2 * np.pi * bin_ * 44100 / N_FFT * time_s) * np.hanning(44100) for bin_ in (20, 200)]
    song = np.stack([tones[0] + tones[1], tones[0] - tones[1]]).astype(np.float32) / 2
    stems = Separator(tmp_path, threads=1).separate(song)
    assert model == tmp_path
    assert level_db(stems["low"] - np.stack([tones[0], tones[0]]) / 2, song) < -60
    assert level_db(stems["high"] - np.stack([tones[1], -tones[1]]) / 2, song) < -60


def test_a_file_gives_the_same_stems_as_its_samples(separator: Separator, write_song: WriteSong) -> None:
    song = noise(2, 50000)
    from_file = separator.separate(write_song(song, 48000))
    from_array = separator.separate(song, 48000)
    assert from_file.sample_rate == 48000
    for name in SOURCES:
        assert np.allclose(from_file[name], from_array[name], atol=1e-6)


@pytest.mark.parametrize("samples", [1, 10, SEGMENT, 3 * SEGMENT])
@pytest.mark.parametrize("folder", ["gains_folder", "loudness_folder"])
def test_silence_gives_silence(folder: str, samples: int, request: pytest.FixtureRequest) -> None:
    stems = Separator(request.getfixturevalue(folder), threads=1).separate(np.zeros((2, samples), np.float32))
    assert all(not stem.any() for stem in stems.values())


def test_a_dc_offset_is_shared_between_the_stems(separator: Separator) -> None:
    song = noise(2, 20000) * np.float32(0.5) + np.float32(0.2)
    stems = separator.separate(song)
    total = sum(stems.values())
    assert level_db(total - np.float32(sum(map(as_stored, GAINS))) * song, song) < -110


def test_demucs_normalisation_removes_and_restores_the_mean(loudness_folder: Path) -> None:
    song = noise(2, SEGMENT - 100) + np.float32(0.1)
    stems = Separator(loudness_folder, overlap=0, threads=1).separate(song)
    mix = song.mean(axis=0, dtype=np.float64)
    mean, deviation = mix.mean(), mix.std(ddof=1)
    normalised = (song - mean) / deviation
    level = np.abs(normalised).sum() / (2 * SEGMENT)
    for name, gain in zip(SOURCES, GAINS, strict=True):
        assert np.allclose(stems[name], gain * level * normalised * deviation + mean, atol=1e-5)


def test_nan_and_infinity_become_silence(separator: Separator) -> None:
    song = noise(1, 5000)
    song[0, 100], song[0, 200] = np.nan, np.inf
    stems = separator.separate(song)
    assert all(np.isfinite(stem).all() for stem in stems.values())
    assert stems["drums"][0, 100] == pytest.approx(0, abs=1e-6)


def test_a_one_dimensional_array_is_mono(separator: Separator) -> None:
    assert separator.separate(noise(1, 500)[0])["bass"].shape == (1, 500)


def test_a_song_without_samples_is_an_input_error(separator: Separator) -> None:
    with pytest.raises(InputError, match="0 samples"):
        separator.separate(np.zeros((2, 0), np.float32))


def test_an_unknown_stem_lists_the_stems_of_the_model(separator: Separator) -> None:
    with pytest.raises(SettingError, match=r"'guitar'.*all, drums, bass, other, vocals"):
        separator.separate(noise(1, 100), stems="guitar")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"overlap": 1.0}, "overlap"),
        ({"overlap": -0.1}, "overlap"),
        ({"overlap": 0.9999}, "overlap"),
        ({"overlap": float("nan")}, "overlap"),
        ({"overlap": float("inf")}, "overlap"),
        ({"segment_s": float("nan")}, "segment"),
        ({"segment_s": float("inf")}, "segment"),
        ({"segment_s": 0.001}, "segments of"),
        ({"overlap": "0.5"}, "overlap"),
        ({"segment_s": "1"}, "segment"),
        ({"shifts": -1}, "shifts"),
        ({"shifts": 1.5}, "shifts"),
        ({"seed": None}, "seed"),
        ({"seed": "x", "shifts": 1}, "seed"),
        ({"jobs": 1.5}, "jobs"),
        ({"threads": 1.5}, "threads"),
        ({"jobs": 0}, "jobs"),
        ({"threads": 0}, "threads"),
        ({"device": "abacus"}, "Choose one of auto, cpu, cuda, mps"),
        ({"quality": "perfect"}, "Choose fast, balanced, best"),
    ],
)
def test_rejects_invalid_settings(gains_folder: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Separator(gains_folder, **settings)  # type: ignore[arg-type]


def test_fixed_length_networks_reject_longer_segments(tmp_path: Path) -> None:
    folder = spectral_model(tmp_path, fixed_length=True)
    with pytest.raises(SettingError, match=r"at most 0\.136 s, not 0\.2"):
        Separator(folder, segment_s=0.2)
    Separator(folder, segment_s=0.1, threads=1)


def test_quality_presets_set_overlap_and_shifts_unless_given(loudness_folder: Path) -> None:
    song = noise(2, 4 * SEGMENT) * np.linspace(0, 1, 4 * SEGMENT, dtype=np.float32)

    def vocals(**settings: Any) -> np.ndarray:
        return Separator(loudness_folder, threads=1, **settings).separate(song)["vocals"]

    plain = vocals()
    assert np.array_equal(vocals(quality="balanced"), plain)
    assert np.array_equal(vocals(quality="fast"), vocals(overlap=0.1))
    assert np.array_equal(vocals(quality="best"), vocals(overlap=0.5, shifts=2))
    assert np.array_equal(vocals(quality="best", overlap=0.25, shifts=0), plain)
    assert not np.array_equal(vocals(quality="fast"), plain)


@pytest.mark.parametrize("rate", [0, -44100, float("nan"), float("inf"), 44100.5, "44100", True, 10**12])
def test_rejects_an_invalid_sample_rate(separator: Separator, rate: Any) -> None:
    with pytest.raises(SettingError, match="sample rate"):
        separator.separate(noise(2, 100), rate)


@pytest.mark.parametrize("rate", [48000.0, np.int64(48000), np.float32(48000)])
def test_takes_whole_numbers_of_any_type_as_the_sample_rate(separator: Separator, rate: Any) -> None:
    stems = separator.separate(noise(2, 100), rate)
    assert (stems.sample_rate, type(stems.sample_rate)) == (48000, int)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_samples_that_are_not_numbers_become_silence_with_a_warning(
    separator: Separator, value: float
) -> None:
    song = noise(2, 200_000).astype(np.float64)  # several blocks
    song[0, [5, 70_000]] = song[1, 199_999] = value
    stems = separator.separate(song)
    (warning,) = stems.warnings
    assert str(warning) == "the array has 3 samples that are not numbers (NaN); they became silence."
    assert all(np.isfinite(stem).all() for stem in stems.values())
    assert separator.separate(song[:, 6:70_000]).warnings == ()
