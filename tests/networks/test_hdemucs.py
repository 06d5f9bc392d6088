"""HDemucs gives the same results as the published network."""

from typing import Any

import pytest
import torch
from demucs.hdemucs import HDemucs as Peer
from tests.networks.peer import error_db, music, seeded, spectrum, stems
from torch import Tensor, nn

from unbraid.networks.hdemucs import HDemucs


def both(channels: int, **arguments: Any) -> tuple[nn.Module, nn.Module]:
    """The published network and ours, both narrower than published."""
    peer = seeded(lambda: Peer(sources=["stem"] * 4, channels=channels, **arguments))
    network = HDemucs(4, channels, arguments.get("cac", True), arguments.get("wiener_iters", 0)).eval()
    network.load_state_dict(peer.state_dict())
    return peer, network


@pytest.fixture(scope="module")
def networks() -> tuple[nn.Module, nn.Module]:
    return both(16)


def error_of(networks: tuple[nn.Module, nn.Module], mixture: Tensor) -> float:
    peer, network = networks
    with torch.no_grad():
        waveforms, spectra = network(mixture, spectrum(peer, mixture))
        return error_db(stems(peer, {"waveforms": waveforms, "spectra": spectra}), peer(mixture))


# The LSTMs read at most 200 frames of 1024 samples at once; one of them works at half the frame rate.
@pytest.mark.parametrize("samples", [22051, 200 * 1024, 201 * 1024, 300_001])
def test_agrees_with_the_published_network(networks: tuple[nn.Module, nn.Module], samples: int) -> None:
    assert error_of(networks, music(samples)) < -110


@pytest.mark.parametrize("iterations", [0, -1])
@pytest.mark.parametrize("old", [False, True])
def test_estimates_magnitudes_as_the_published_network_does(iterations: int, old: bool) -> None:
    networks = both(4, cac=False, hybrid_old=old, wiener_iters=iterations, end_iters=iterations)
    mixture = music(20_000)
    mixture[..., 5_000:15_000] = 0  # frames without a phase
    assert error_of(networks, mixture) < -100
