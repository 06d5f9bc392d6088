"""Our PyTorch MDX23C has the published tensors, and treats the spectrum as the paper says."""

from __future__ import annotations

import torch
from tests.models.mdx23c_files import SIZES, small_network

from unbraid.networks.mdx23c import Mdx23c, seeded

ALL_BINS = SIZES.n_fft // 2 + 1


def random_spectrum() -> torch.Tensor:
    return torch.randn(1, 2, ALL_BINS, SIZES.frames, 2, generator=torch.Generator().manual_seed(1))


def test_has_the_published_tensors() -> None:
    state = small_network().state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == SIZES.shapes()


def passing_mixture() -> Mdx23c:
    """A network whose result is its input: the last convolutions add the activations of the mixture and of -mixture."""
    network = seeded(SIZES)
    inputs = SIZES.inputs
    hidden, last = network.final_conv[0], network.final_conv[2]
    identity = torch.eye(inputs)[:, :, None, None]
    hidden.weight = torch.nn.Parameter(torch.zeros(2 * inputs, inputs + SIZES.width, 1, 1))
    hidden.weight[:, :inputs] = torch.cat([identity, -identity])
    last.weight = torch.nn.Parameter(torch.cat([identity, -identity], 1).repeat(SIZES.stems, 1, 1, 1))
    return network.requires_grad_(False)


def test_subbands_are_put_back_in_their_places() -> None:
    """gelu(x) - gelu(-x) = x, so each stem is the mixture in the bins of the network, and zero above them."""
    with torch.no_grad():
        network = passing_mixture()
    spectrum = random_spectrum()
    expected = spectrum.clone()
    expected[:, :, SIZES.bins :] = 0
    stems = network(spectrum)
    torch.testing.assert_close(stems, expected[:, None].expand_as(stems), atol=1e-5, rtol=1e-5)


def test_bins_above_those_of_the_network_change_nothing() -> None:
    spectrum = random_spectrum()
    changed = spectrum.clone()
    changed[:, :, SIZES.bins :] = 5
    torch.testing.assert_close(small_network()(changed), small_network()(spectrum))


def test_stems_of_silence_are_silence() -> None:
    assert small_network()(torch.zeros_like(random_spectrum())).abs().max() == 0


def test_seeded_networks_are_equal_and_leave_other_random_numbers() -> None:
    before = torch.random.get_rng_state()
    first, second = seeded(SIZES).state_dict(), seeded(SIZES).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(torch.random.get_rng_state(), before)
