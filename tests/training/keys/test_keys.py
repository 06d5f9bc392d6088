"""The estimator of the key learns from scores, and its weights know scores that it has never seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from training.keys.__main__ import fit, ratings, save
from training.keys.examples import plain_examples
from training.keys.notes import Doubles, Layer, hear, score_frames
from training.songs.score import Note
from unbraid.analysis import key_model
from unbraid.analysis.key import best_key
from unbraid.analysis.key_features import key_features
from unbraid.analysis.key_model import rate_keys

UNSEEN = range(800_000, 800_060)
"""Seeds of the split `test`, which no training uses."""


@pytest.fixture(scope="module")
def scores() -> list[tuple[Doubles, int, bool]]:
    return [score_frames(seed, "test") for seed in UNSEEN]


def key_by_network(frames: Doubles) -> tuple[int, bool]:
    minor, tonic = np.unravel_index(int(np.argmax(rate_keys(frames))), (2, 12))
    return int(tonic), bool(minor)


def test_the_weights_know_more_songs_than_profiles(scores: list[tuple[Doubles, int, bool]]) -> None:
    learned = np.mean([key_by_network(frames) == (tonic, minor) for frames, tonic, minor in scores])
    profiles = []
    for frames, tonic, minor in scores:
        bass, harmony = frames.sum(axis=0)
        key = best_key(harmony, bass)
        profiles.append((key.tonic, key.minor) == (tonic, minor))
    assert learned > 0.8
    assert learned > np.mean(profiles) + 0.1


def test_frames_have_the_pitches_of_the_notes() -> None:
    bass = Layer([Note(0, 3, 36, 0.8)], 1.0)  # C2, 65 Hz
    chord = Layer([Note(0, 3, pitch, 0.8) for pitch in (64, 67)], 1.0)  # E4 and G4, 330 and 392 Hz
    frames = hear(np.random.default_rng(0), [bass, chord], 3.0)
    assert frames.shape == (14, 2, 12)
    np.testing.assert_allclose(frames.sum(axis=2), 1)
    low, high = frames.sum(axis=0)
    assert int(np.argmax(low)) == 0
    assert set(np.argsort(high)[-2:].tolist()) == {4, 7}


def test_equal_seeds_give_equal_songs() -> None:
    for first, again in (
        (score_frames(7), score_frames(7)),
        *zip(plain_examples(1, 8), plain_examples(1, 8), strict=True),
    ):
        np.testing.assert_array_equal(first[0], again[0])
        assert first[1:] == again[1:]


def test_training_learns_and_saves_what_the_package_reads(
    scores: list[tuple[Doubles, int, bool]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = torch.from_numpy(
        np.stack([key_features(frames) for frames, _, _ in scores]).astype(np.float32)
    )
    keys = torch.tensor([tonic + 12 * minor for _, tonic, minor in scores])
    network = fit(features, keys, epochs=40)
    rated = ratings(network, features)
    assert (rated.argmax(dim=1) == keys).float().mean() > 0.7  # by chance: 0.04
    save(network, tmp_path / "weights.npz")
    monkeypatch.setattr(key_model, "WEIGHTS", tmp_path / "weights.npz")
    key_model._weights.cache_clear()
    try:
        found = rate_keys(scores[0][0]).ravel()
    finally:
        key_model._weights.cache_clear()
    np.testing.assert_allclose(found, rated[0].detach().numpy(), atol=0.02)  # weights are rounded to 16 bits
