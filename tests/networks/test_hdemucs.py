"""HDemucs gives the same results as the published network."""

import pytest
import torch
from demucs.hdemucs import HDemucs as Peer
from tests.networks.peer import error_db, music, seeded, spectrum, stems
from torch import nn

from unbraid.networks.hdemucs import HDemucs


@pytest.fixture(scope="module")
def networks() -> tuple[nn.Module, nn.Module]:
    """The published network and ours, both narrower than published."""
    peer = seeded(lambda: Peer(sources=["stem"] * 4, channels=16))
    network = HDemucs(4, 16).eval()
    network.load_state_dict(peer.state_dict())
    return peer, network


# The LSTMs read at most 200 frames of 1024 samples at once; one of them works at half the frame rate.
@pytest.mark.parametrize("samples", [22051, 200 * 1024, 201 * 1024, 300_001])
def test_agrees_with_the_published_network(networks: tuple[nn.Module, nn.Module], samples: int) -> None:
    peer, network = networks
    mixture = music(samples)
    with torch.no_grad():
        waveforms, spectra = network(mixture, spectrum(peer, mixture))
        outputs = {"waveforms": waveforms, "spectra": spectra}
        assert error_db(stems(peer, outputs), peer(mixture)) < -110
