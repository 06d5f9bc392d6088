"""The estimator of the key learns from scores, and its weights know scores that it has never seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from training.keys.__main__ import fit, ratings, save
from training.keys.chords import chords_at, fit_chords, quality_of, read, score_example
from training.keys.collages import Cuts, make_collage
from training.keys.examples import plain_examples
from training.keys.notes import Doubles, Example, Layer, hear
from training.keys.sound import sound_example
from training.songs.form import make_plan
from training.songs.harmony import Chord
from training.songs.render import compose
from training.songs.score import Note
from training.sound import SPLIT_SEED
from unbraid.analysis import key_model
from unbraid.analysis.chords import QUALITIES, read_chords
from unbraid.analysis.key import FRAME_S, best_key, rate_keys
from unbraid.analysis.key_features import key_features

UNSEEN = range(800_000, 800_060)
"""Seeds of the split `test`, which no training uses."""


@pytest.fixture(scope="module")
def scores() -> list[Example]:
    return [score_example(seed, "test") for seed in UNSEEN]


def key_by_network(frames: Doubles) -> tuple[int, bool]:
    minor, tonic = np.unravel_index(int(np.argmax(rate_keys(frames))), (2, 12))
    return int(tonic), bool(minor)


def test_the_weights_know_more_songs_than_profiles(scores: list[Example]) -> None:
    learned = np.mean([key_by_network(song.frames) == (song.tonic, song.minor) for song in scores])
    profiles = []
    for song in scores:
        bass, harmony = song.frames.sum(axis=0)
        key = best_key(harmony, bass)
        profiles.append((key.tonic, key.minor) == (song.tonic, song.minor))
    assert learned > 0.8
    assert learned > np.mean(profiles) + 0.1


def test_the_weights_read_chords(scores: list[Example]) -> None:
    roots, qualities = [], []
    for song in scores:
        assert song.chords is not None
        found = read_chords(song.frames).reshape(len(song.frames), -1).argmax(axis=1)
        roots.append(np.mean(found // len(QUALITIES) == song.chords // len(QUALITIES)))
        qualities.append(np.mean(found == song.chords))
    assert np.mean(roots) > 0.75
    assert np.mean(qualities) > 0.6


@pytest.mark.parametrize(
    ("intervals", "quality"),
    [
        ((0, 4, 7, 11), "major"),
        ((0, 4, 7, 10), "dominant seventh"),
        ((0, 3, 7, 10), "minor"),
        ((0, 3, 6), "diminished"),
        ((0, 7, 12), "no third"),
        ((0, 5, 7), "no third"),
    ],
)
def test_chords_have_a_quality(intervals: tuple[int, ...], quality: str) -> None:
    assert QUALITIES[quality_of(Chord(2, intervals, 2))] == quality


def test_frames_know_the_chord_of_their_time() -> None:
    plan = compose(3, "train").plan
    span = plan.spans[2]
    middle = plan.clock.seconds(span.start + span.length / 2)
    [number] = chords_at(plan, np.array([middle]))
    assert number == span.chord.root * len(QUALITIES) + quality_of(span.chord)


def test_frames_have_the_pitches_of_the_notes() -> None:
    bass = Layer([Note(0, 3, 36, 0.8)], 1.0)  # C2, 65 Hz
    chord = Layer([Note(0, 3, pitch, 0.8) for pitch in (64, 67)], 1.0)  # E4 and G4, 330 and 392 Hz
    frames, times_s = hear(np.random.default_rng(0), [bass, chord], 3.0)
    assert frames.shape == (14, 2, 12)
    np.testing.assert_allclose(np.diff(times_s), FRAME_S)
    np.testing.assert_allclose(frames.sum(axis=2), 1)
    low, high = frames.sum(axis=0)
    assert int(np.argmax(low)) == 0
    assert set(np.argsort(high)[-2:].tolist()) == {4, 7}


def test_a_song_with_sound_has_the_chords_of_its_score() -> None:
    heard, score = sound_example(900_000), score_example(900_000)
    assert heard.key == score.key
    assert heard.chords is not None and score.chords is not None
    assert len(heard.frames) == len(heard.times_s) == len(heard.chords)
    roots = heard.chords // len(QUALITIES)
    bass = heard.frames[np.arange(len(roots)), 0, roots]
    assert bass.mean() > 3 * heard.frames[:, 0].mean()


def test_a_collage_has_the_progression_of_its_plan_and_the_pitches_of_its_songs(
    scores: list[Example],
) -> None:
    exact = [
        replace(song, frames=np.eye(12)[song.chords // len(QUALITIES)][:, None].repeat(2, axis=1))
        for song in scores[:5]
        if song.chords is not None
    ]
    plan = make_plan(np.random.default_rng([11, SPLIT_SEED["train"]]))
    collage = make_collage(11, Cuts(exact))
    assert collage.chords is not None
    assert collage.tonic == plan.key.tonic
    np.testing.assert_array_equal(collage.chords, chords_at(plan, collage.times_s))
    # Each frame has mostly the root of its chord, whichever song it is cut from.
    np.testing.assert_array_equal(collage.frames[:, 0].argmax(axis=1), collage.chords // len(QUALITIES))


def test_equal_seeds_give_equal_songs() -> None:
    for first, again in (
        (score_example(7), score_example(7)),
        *zip(plain_examples(1, 8), plain_examples(1, 8), strict=True),
    ):
        np.testing.assert_array_equal(first.frames, again.frames)
        assert first.key == again.key


def test_training_learns_and_saves_what_the_package_reads(
    scores: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chords = fit_chords(scores, epochs=8)
    features = torch.from_numpy(
        np.stack([key_features(song.frames, read(chords, song.frames)) for song in scores]).astype(np.float32)
    )
    keys = torch.tensor([song.key for song in scores])
    network = fit(features, keys, epochs=40)
    rated = ratings(network, features)
    assert (rated.argmax(dim=1) == keys).float().mean() > 0.7  # by chance: 0.04
    save({"chords": chords, "keys": network}, tmp_path / "weights.npz")
    monkeypatch.setattr(key_model, "WEIGHTS", tmp_path / "weights.npz")
    key_model.load_network.cache_clear()
    try:
        found = rate_keys(scores[0].frames).ravel()
    finally:
        key_model.load_network.cache_clear()
    np.testing.assert_allclose(found, rated[0].detach().numpy(), atol=0.05)  # weights are rounded to 16 bits
