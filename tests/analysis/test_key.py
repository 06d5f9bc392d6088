"""The key of chords, and its names."""

from __future__ import annotations

import numpy as np
import pytest
from tests.analysis.sounds import RATE_HZ, chords, clicks, noise

from unbraid.analysis import analyse_stems
from unbraid.analysis.chords import QUALITIES, read_chords
from unbraid.analysis.key import Key, Pitches, rate_keys
from unbraid.analysis.key_features import FEATURES, key_features


def progression(tonic: int, minor: bool) -> list[tuple[int, ...]]:
    """I IV V I, or i iv v i."""
    third = 3 if minor else 4
    triad = [(root, root + third, root + 7) for root in (tonic, tonic + 5, tonic + 7, tonic)]
    return 3 * [(notes[0] - 12, *notes) for notes in triad]


def scale(tonic: int, minor: bool) -> list[tuple[int, ...]]:
    """Up and down, twice: 28 s, a whole song."""
    steps = (0, 2, 3, 5, 7, 8, 10, 12) if minor else (0, 2, 4, 5, 7, 9, 11, 12)
    return 2 * [(tonic + step,) for step in (*steps, *steps[-2:0:-1])]


@pytest.mark.parametrize("minor", [False, True])
@pytest.mark.parametrize("tonic", range(12))
def test_finds_the_key_of_cadences_and_scales(tonic: int, minor: bool) -> None:
    for notes in (progression(48 + tonic, minor), scale(36 + tonic, minor)):
        music = analyse_stems({"other": chords(notes)}, RATE_HZ)
        assert (music.key, music.short_key) == (Key(tonic, minor).name, Key(tonic, minor).short_name)


def test_a_transposed_song_has_a_transposed_rating() -> None:
    frames = np.random.default_rng(3).random((80, 2, 12)) ** 4
    ratings = rate_keys(frames)
    assert ratings.shape == (2, 12)
    for semitones in (1, 5, 11):
        moved = rate_keys(np.roll(frames, semitones, axis=-1))
        np.testing.assert_allclose(moved, np.roll(ratings, semitones, axis=-1), atol=1e-4)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
def test_few_frames_have_features(count: int) -> None:
    frames = np.full((count, 2, 12), 1 / 12)
    chords = read_chords(frames)
    assert chords.shape == (count, 12, len(QUALITIES))
    np.testing.assert_allclose(chords.sum(axis=(1, 2)), 1, rtol=1e-5)
    features = key_features(frames, chords)
    assert features.shape == (12, FEATURES)
    assert np.all(np.isfinite(features))


@pytest.mark.parametrize("tuning_hz", [430.0, 440.0, 451.0])
def test_the_tuning_does_not_matter(tuning_hz: float) -> None:
    sound = chords(progression(50, minor=True), tuning_hz=tuning_hz)
    assert analyse_stems({"bass": 0 * sound, "other": sound}, RATE_HZ).key == "D minor"


def test_drums_and_vocals_do_not_count() -> None:
    sound = chords(progression(60, minor=False))
    others = chords(progression(66, minor=False))
    stems = {"vocals": others, "drums": others, "bass": sound, "other": sound}
    assert analyse_stems(stems, RATE_HZ).key == "C major"


def test_the_song_itself_counts_before_its_vocals() -> None:
    song, vocals = chords(progression(60, minor=False)), 3 * chords(progression(66, minor=False))
    assert analyse_stems({"mix": song, "vocals": vocals}, RATE_HZ).key == "C major"
    assert analyse_stems({"vocals": song}, RATE_HZ).key == "C major"


def test_frames_of_silence_are_left_out() -> None:
    pitches = Pitches(RATE_HZ)
    sound = chords([(48, 52, 55)])
    pause = np.zeros((2, 5 * RATE_HZ), np.float32)
    pitches.push(np.concatenate([sound, pause, sound], axis=1)[0], last=True)
    times_s = pitches.times_s()
    assert len(times_s) == len(pitches.classes())
    ends_s = sound.shape[1] / RATE_HZ
    assert not np.any((times_s > ends_s + 0.5) & (times_s < ends_s + 4.5))
    assert times_s[-1] > ends_s + 5


def test_noise_and_clicks_have_no_key() -> None:
    assert analyse_stems({"drums": clicks(120, 20)}, RATE_HZ).key is None
    assert analyse_stems({"vocals": noise(20), "no_vocals": noise(20)}, RATE_HZ).key is None
    assert analyse_stems({"other": np.zeros((1, 20 * RATE_HZ), np.float32)}, RATE_HZ).key is None


def test_a_single_chord_is_too_short_for_a_key() -> None:
    assert analyse_stems({"other": chords([(45, 57, 60, 64)])}, RATE_HZ).key is None


@pytest.mark.parametrize(
    ("key", "name", "short"),
    [(Key(9, True), "A minor", "Am"), (Key(1, False), "Db major", "Db"), (Key(1, True), "C# minor", "C#m")],
)
def test_names_keys_as_musicians_and_tags_do(key: Key, name: str, short: str) -> None:
    assert (key.name, key.short_name) == (name, short)
