"""Our PyTorch band-split transformer has the published tensors, and combines bands as the papers say."""

from __future__ import annotations

import pytest
import torch
from tests.models.roformer_files import BS, MEL, small_network

from unbraid.models.roformer import RoformerSizes
from unbraid.networks.roformer import Roformer, Rotation

BOTH = pytest.mark.parametrize("sizes", [pytest.param(MEL, id="mel"), pytest.param(BS, id="bs")])


def random_spectrum(sizes: RoformerSizes) -> torch.Tensor:
    return torch.randn(1, 2, sizes.bins, sizes.frames, 2, generator=torch.Generator().manual_seed(1))


@BOTH
def test_has_the_published_tensors(sizes: RoformerSizes) -> None:
    state = small_network(sizes).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == sizes.shapes()


@BOTH
def test_masks_of_bands_are_averaged(sizes: RoformerSizes) -> None:
    """With constant masks, a bin is multiplied by the mean of the masks of its bands."""
    network = small_network(sizes)
    masks = torch.arange(1.0, len(sizes.bands) + 1)
    for name, parameter in network.named_parameters():
        if name.startswith("mask_estimators."):
            parameter.zero_()
    for estimator in network.mask_estimators:
        for mask, layers in zip(masks, estimator.to_freqs, strict=True):
            bias = layers[0][-1].bias
            bias[: len(bias) // 2 : 2] = 2 * mask  # real parts; the gate of 0.5 halves them
    spectrum = random_spectrum(sizes)
    result = network(spectrum)
    factors = [
        [mask for mask, (start, stop) in zip(masks, sizes.bands, strict=True) if start <= number < stop]
        for number in range(sizes.bins)
    ]
    means = torch.tensor([sum(covering) / len(covering) for covering in factors])
    expected = (means[:, None, None] * spectrum)[:, None].expand_as(result)
    torch.testing.assert_close(result, expected)


@BOTH
def test_loudness_of_the_song_changes_nothing(sizes: RoformerSizes) -> None:
    """Each band is normalised, so masks don't depend on the level. Silence stays silence."""
    network, spectrum = small_network(sizes), random_spectrum(sizes)
    torch.testing.assert_close(network(spectrum * 1e-4), network(spectrum) * 1e-4, rtol=1e-3, atol=1e-8)
    assert network(torch.zeros_like(spectrum)).abs().max() == 0


def test_rotated_products_depend_only_on_the_distance() -> None:
    rotation = Rotation(8)
    query, key = torch.randn(2, 1, 1, 1, 8).expand(2, 1, 1, 20, 8)
    products = rotation(query) @ rotation(key).transpose(-1, -2)
    for distance in (0, 3, 7):
        diagonal = products.diagonal(distance, -2, -1)
        torch.testing.assert_close(diagonal, diagonal[..., :1].expand_as(diagonal), rtol=1e-4, atol=1e-5)


def test_rejects_another_number_of_stems() -> None:
    with pytest.raises(ValueError, match="a network for 3 stems can't estimate 2"):
        Roformer(2, BS.to_dict())
