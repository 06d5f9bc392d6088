"""Stems of a song: shape, level, sum and reproducibility."""

import numpy as np
import pytest

from training.songs import STEMS, render_song
from training.songs.mastering import limiter_gain, master
from training.songs.mixing import loudness
from training.songs.render import Song, render
from training.voices import VoiceBank


def test_song_has_four_stems_of_equal_shape(song: Song) -> None:
    assert tuple(song.stems) == STEMS
    total = int(song.score.plan.seconds * 44_100)
    for stem in song.stems.values():
        assert stem.dtype == np.float32
        assert stem.shape == (2, total)


def test_stems_with_notes_are_audible(song: Song) -> None:
    played = {
        "drums": song.score.hits, "bass": song.score.bass, "vocals": song.score.melody, "other": song.about["other"],
    }  # fmt: skip
    for name, part in played.items():
        assert (np.abs(song.stems[name]).max() > 0.003) == bool(part)


def test_mixture_does_not_clip(song: Song) -> None:
    peak = np.abs(np.sum(list(song.stems.values()), axis=0)).max()
    assert 0.2 < peak <= 1.0


def test_stems_are_finite_and_free_of_dc(song: Song) -> None:
    for stem in song.stems.values():
        assert np.all(np.isfinite(stem))
        assert np.abs(stem.mean(axis=1)).max() < 2e-3


def test_notes_end(song: Song) -> None:
    """The bass stem decays after its last note."""
    last = max((note.end_s for note in song.score.bass), default=0.0)
    after = song.stems["bass"][:, int((last + 2.5) * 44_100) :]
    if after.shape[1] > 4410:
        assert np.sqrt(np.mean(after**2)) < 0.1 * loudness(song.stems["bass"])


def test_same_seed_gives_same_sound(song: Song, bank: VoiceBank) -> None:
    again = render_song(3, "test", bank)
    for name in STEMS:
        assert np.array_equal(again[name], song.stems[name])


def test_a_stem_alone_sounds_as_among_others(song: Song) -> None:
    stems = render(3, "test", parts=("bass",)).stems
    assert [name for name in STEMS if np.any(stems[name])] == ["bass"]
    alone, among = stems["bass"].mean(axis=0), song.stems["bass"].mean(axis=0)
    # Its level over time differs: the master compresses the mixture.
    assert alone @ among > 0.9 * np.linalg.norm(alone) * np.linalg.norm(among)


def test_synthesisers_replace_missing_soundfonts(bank: VoiceBank, monkeypatch: pytest.MonkeyPatch) -> None:
    from training.songs import sounds

    monkeypatch.setattr(sounds, "have_fonts", lambda split: False)
    monkeypatch.setattr(sounds, "have_samples", lambda: False)
    stems = render_song(1, "test", bank)
    assert np.abs(np.sum(list(stems.values()), axis=0)).max() <= 1.0
    assert np.any(stems["other"])


def test_limiter_keeps_samples_under_ceiling() -> None:
    rng = np.random.default_rng(0)
    mixture = (rng.standard_normal((2, 50_000)) * np.linspace(0.1, 3, 50_000)).astype(np.float32)
    mixture[:, 20_000] = 9.0
    gain = limiter_gain(mixture, 0.9)
    assert np.abs(mixture * gain).max() <= 0.9 + 1e-6
    assert np.all(gain > 0)


def test_mastering_applies_one_gain_to_all_stems() -> None:
    """The stems keep their ratio at every sample, so that they still sum to the mixture."""
    rng = np.random.default_rng(0)
    stems = {name: rng.standard_normal((2, 30_000)).astype(np.float32) for name in STEMS}
    mastered = master(np.random.default_rng(1), dict(stems))
    ratio = mastered["drums"] / stems["drums"]
    assert np.allclose(mastered["vocals"], stems["vocals"] * ratio, rtol=1e-3, atol=1e-5)
