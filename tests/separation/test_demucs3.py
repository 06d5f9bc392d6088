"""Bags like mdx_extra and mdx_extra_q give the stems of demucs 4.1.0.

The networks are narrower than the published ones. `benchmarks/parity.py` compares the published sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from demucs.apply import BagOfModels, apply_model
from numpy.typing import NDArray
from tests.networks.peer import music
from tests.separation.conftest import level_db
from tests.separation.small_hdemucs import small_graph, small_network, write_bag
from torch import nn

from unbraid import Separator
from unbraid.models import find_model
from unbraid.models.templates import template_of
from unbraid.separation.runtimes.pytorch import PyTorchRuntime

QUANTISED, OLD = "00000001", "00000002"

Bag = tuple[Path, dict[str, nn.Module]]


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bag]:
    """A folder with the bag `mixed`, and its networks: one with quantised weights, one with the old padding."""
    folder = tmp_path_factory.mktemp("demucs3")
    networks = {QUANTISED: small_network(1), OLD: small_network(2, hybrid_old=True)}
    write_bag(folder / "repo", "mixed", networks, {QUANTISED})
    with small_graph(folder / "graphs"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNBRAID_CACHE", str(folder / "cache"))
        yield folder / "repo", networks


def noisy_music(samples: int) -> NDArray[np.float32]:
    """Music with noise in every bin.

    Magnitudes get the phase of the mixture. In an empty bin it depends on rounding errors, and the estimates of seeded
    weights aren't zero there: `demucs` differs from itself in double precision by -30 dB.
    """
    random = np.random.default_rng(0)
    noise = 0.02 * random.standard_normal((2, samples))
    return (music(samples)[0].numpy() + noise).astype(np.float32)


def stems_of_demucs(network: nn.Module, song: NDArray[np.float32]) -> NDArray[np.float32]:
    mix = song.mean(axis=0)
    mean, deviation = mix.mean(), mix.std(ddof=1) + 1e-8
    with torch.no_grad():
        normalised = torch.from_numpy((song - mean) / deviation)[None]
        stems: NDArray[np.float32] = apply_model(network, normalised, shifts=0)[0].numpy() * deviation + mean
    return stems


def test_bag_gives_the_stems_of_demucs(bag: Bag) -> None:
    repo, networks = bag
    song = noisy_music(40_000)
    expected = stems_of_demucs(BagOfModels(list(networks.values()), segment=2), song)
    for actual, true in zip(
        Separator("mixed", repo=repo, device="cpu").separate(song).values(), expected, strict=True
    ):
        assert level_db(actual - true, true) < -80


@pytest.mark.parametrize("signature", [QUANTISED, OLD])
def test_single_network_gives_the_stems_of_demucs_in_pytorch(bag: Bag, signature: str) -> None:
    repo, networks = bag
    song = noisy_music(20_000)
    model = find_model(signature, repo=repo)
    with PyTorchRuntime(model, "cpu").run({"mixture": song[None]}) as outputs, torch.no_grad():
        expected = networks[signature](torch.from_numpy(song)[None]).numpy()
        assert level_db(outputs["waveforms"] - expected, expected) < -80
    template = template_of(model)
    assert template is not None
    assert template.tensors[0].float16 == (signature == OLD)
