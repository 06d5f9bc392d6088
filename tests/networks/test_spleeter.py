"""Spleeter's network: the properties of its stems, TensorFlow's padding, and its shipped graph."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.networks.peer import error_db
from tests.networks.seeded_spleeter import FIVE, FOUR, SOURCES, seeded_spleeter, spleeter_model

from unbraid.networks.spleeter import (
    BINS,
    NETWORK_BINS,
    SCALE,
    UPPER_BINS,
    Conv2D,
    Conv2DTranspose,
    Spleeter,
)
from unbraid.separation.runtimes.openvino import OpenVinoRuntime


@pytest.fixture(autouse=True)
def own_random_numbers() -> Iterator[None]:
    """Leave the random numbers of other tests as they are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="module")
def network() -> Spleeter:
    return seeded_spleeter()


def draw_spectrum(frames: int) -> torch.Tensor:
    return torch.randn(1, 2, BINS, frames, 2, generator=torch.Generator().manual_seed(1)) * 0.1


@pytest.mark.parametrize("sources", [SOURCES, FOUR, FIVE], ids=len)
def test_stems_add_up_to_the_mixture(sources: tuple[str, ...]) -> None:
    spectrum = draw_spectrum(64)
    stems = seeded_spleeter(sources)(spectrum)
    assert stems.shape == (1, len(sources), 2, BINS, 64, 2)
    assert stems.std((0, 2, 3, 4, 5)).min() > 0.01  # none is silent
    torch.testing.assert_close(stems.sum(1), spectrum, atol=1e-6, rtol=1e-5)


def test_shares_of_five_stems_add_up_before_they_are_squared() -> None:
    network = seeded_spleeter(FIVE)
    spectrum = draw_spectrum(64)
    part = spectrum[:, :, :NETWORK_BINS]
    magnitudes = part.square().sum(-1).sqrt() * SCALE
    logits = torch.stack([network.logits(magnitudes, source) for source in range(5)], 1)
    shares = torch.softmax(logits, 1)
    expected = shares.square() / shares.square().sum(1, keepdim=True)
    torch.testing.assert_close(network.masks(spectrum), expected, atol=1e-4, rtol=1e-3)


def test_silence_is_divided_evenly(network: Spleeter) -> None:
    masks = network.masks(torch.zeros(1, 2, BINS, 64, 2))
    torch.testing.assert_close(masks, torch.full((1, 2, 2, NETWORK_BINS, 64), 0.5))


def test_masks_continue_above_the_bins_of_the_network(network: Spleeter) -> None:
    spectrum = torch.ones(1, 2, BINS, 64, 2)
    masks, stems = network.masks(spectrum), network(spectrum)
    torch.testing.assert_close(stems[..., :NETWORK_BINS, :, 0], masks)
    mean = masks[..., NETWORK_BINS - UPPER_BINS :, :].mean(-2)
    for upper in (NETWORK_BINS, BINS - 1):
        torch.testing.assert_close(stems[..., upper, :, 1], mean)


def filled(layer: torch.nn.Module) -> torch.nn.Module:
    """Draw the kernel of a layer, without a bias."""
    for name, parameter in layer.named_parameters():
        torch.nn.init.normal_(parameter) if name == "kernel" else torch.nn.init.zeros_(parameter)
    return layer.requires_grad_(False)


def test_convolution_pads_more_after_than_before() -> None:
    layer = filled(Conv2D(1, 1, 5, stride=2))
    impulse = torch.zeros(1, 1, 8, 6)
    impulse[..., 0, 0] = 1
    expected = torch.zeros(4, 3)
    expected[0, 0] = layer.kernel[1, 1, 0, 0]  # the window of the first output begins one before the impulse
    torch.testing.assert_close(layer(impulse)[0, 0], expected)


def test_kernels_are_time_by_frequency() -> None:
    layer = filled(Conv2D(1, 1, 4, dilation=2))
    impulse = torch.zeros(1, 1, 20, 20)
    impulse[..., 10, 10] = 1
    # Three zeros before, a step of two: output (10 + 3 - 2 f, 10 + 3 - 2 t) reads kernel (t, f).
    assert layer(impulse)[0, 0, 13 - 2 * 3, 13 - 2 * 1] == layer.kernel[1, 3, 0, 0]


def test_transposed_convolution_is_the_adjoint_of_the_convolution() -> None:
    forward, transposed = filled(Conv2D(3, 4, 5, stride=2)), Conv2DTranspose(4, 3)
    transposed.load_state_dict({"kernel": forward.kernel, "bias": torch.zeros(3)})
    x, y = torch.randn(1, 3, 16, 12), torch.randn(1, 4, 8, 6)
    assert transposed(y).shape == x.shape
    torch.testing.assert_close((forward(x) * y).sum(), (x * transposed(y)).sum(), atol=1e-3, rtol=1e-4)


def test_layers_are_numbered_over_both_networks(network: Spleeter) -> None:
    names = set(network.state_dict())
    assert len(names) == 148
    assert {
        "conv2d.kernel",
        "conv2d_13.bias",
        "conv2d_transpose_11.bias",
        "batch_normalization_23.beta",
    } <= names
    assert network.state_dict()["conv2d_6.kernel"].shape == (4, 4, 1, 2)


@pytest.mark.parametrize("sources", [SOURCES, FOUR, FIVE], ids=len)
def test_shipped_graph_agrees_with_the_network(sources: tuple[str, ...], tmp_path: Path) -> None:
    network = seeded_spleeter(sources)
    model = spleeter_model(tmp_path, network, sources)
    assert model.sources == sources
    spectrum = draw_spectrum(128)
    runtime = OpenVinoRuntime(model.graph, {"spectrum": spectrum.shape}, threads=1, jobs=1)
    with runtime.run({"spectrum": spectrum.numpy()}) as outputs:
        spectra = torch.from_numpy(np.array(outputs["spectra"]))
    assert error_db(spectra, network(spectrum)) < -90
