"""HTDemucs gives the same results as the published network."""

from fractions import Fraction

import pytest
import torch
from demucs.htdemucs import HTDemucs as Peer
from tests.networks.peer import error_db, music, seeded, spectrum, stems

from unbraid.networks.htdemucs import HTDemucs


@pytest.mark.parametrize(("sources", "bottom_channels"), [(4, 64), (6, 0)])
def test_agrees_with_the_published_network(sources: int, bottom_channels: int) -> None:
    peer = seeded(
        lambda: Peer(
            sources=["stem"] * sources,
            channels=16,
            dconv_mode=3,
            bottom_channels=bottom_channels,
            segment=Fraction(1, 2),
        )
    )
    network = HTDemucs(sources, 16, bottom_channels).eval()
    network.load_state_dict(peer.state_dict())
    mixture = music(22050, batch=2)
    with torch.no_grad():
        waveforms, spectra = network(mixture, spectrum(peer, mixture))
        outputs = {"waveforms": waveforms, "spectra": spectra}
        assert error_db(stems(peer, outputs), peer(mixture)) < -110
