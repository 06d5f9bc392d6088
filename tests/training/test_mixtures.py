"""Mixtures of stems, with their pooled spectra."""

import numpy as np
import pytest
import torch

from unbraid.networks.lite import pool
from unbraid.training.mixtures import Remix, Stems
from unbraid.training.stft import spectra

SAMPLES = 12 * 1024
SONGS = np.zeros(3, bool)


@pytest.mark.parametrize("remixed", [False, True])
def test_pooled_sums_equal_those_of_full_spectrograms(remixed: bool) -> None:
    torch.manual_seed(0)
    audio = torch.randn(3, 4, 2, SAMPLES)
    target = Stems(audio).mix(Remix.random(SONGS, 4, np.random.default_rng(5)) if remixed else None)
    stems = spectra(target.stems)
    mixture = stems.sum(1)
    close = {"atol": 1e-4, "rtol": 1e-4}
    torch.testing.assert_close(target.spectrum, torch.view_as_real(mixture), **close)
    torch.testing.assert_close(target.mixture_power[:, 0], pool(mixture.abs().square()), **close)
    torch.testing.assert_close(target.cross, pool((stems * mixture[:, None].conj()).real), **close)
    torch.testing.assert_close(target.power, pool(stems.abs().square()), **close)


def test_without_remix_items_are_unchanged() -> None:
    audio = torch.randn(2, 4, 2, SAMPLES)
    torch.testing.assert_close(Stems(audio).mix().stems, audio)


def test_remix_uses_every_stem_once() -> None:
    audio = torch.randn(3, 4, 2, SAMPLES)
    mixed = Stems(audio).mix(Remix.random(SONGS, 4, np.random.default_rng(5))).stems
    for source in range(4):  # with a random gain, and perhaps swapped channels
        shapes = audio[:, source].abs().amax((1, 2))
        found = [
            index
            for item in mixed[:, source]
            for index in range(3)
            for order in ([0, 1], [1, 0])
            if torch.allclose(item / item.abs().max(), audio[index, source][order] / shapes[index], atol=1e-4)
        ]
        assert sorted(found) == [0, 1, 2]


def test_remix_permutes_voices_but_not_backings() -> None:
    backed = np.array([True, False, False, True])
    moved = False
    for seed in range(10):
        remix = Remix.random(backed, 4, np.random.default_rng(seed))
        items = np.array(remix.items)
        assert np.array_equal(items[backed, :3], [[0] * 3, [3] * 3])
        for source in range(3):
            assert set(items[~backed, source]) == {1, 2}
        assert set(items[:, 3]) == {0, 1, 2, 3}
        moved = moved or items[0, 3] in (1, 2)
    assert moved
    known = Stems(torch.randn(4, 4, 2, SAMPLES), backed).mix(remix).known
    assert known.tolist() == [[0, 0, 0, 1], [1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 1]]
