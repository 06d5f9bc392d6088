"""HTDemucs with weights that let every layer be heard, and how far the native library is from PyTorch's answer.

With the weights that PyTorch begins with, each layer is a fraction of what the next one gets past it: the stems stay
the same to -80 dB without the whole transformer. Here, without it or any other layer, they differ at -30 dB or more.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.networks.peer import music

from unbraid.native.htdemucs import Desk, NativeHTDemucs
from unbraid.native.library import native_library
from unbraid.networks.htdemucs import HTDemucs
from unbraid.separation.spectral import Spectral

Array = NDArray[np.float32]

needs_library = pytest.mark.skipif(
    native_library() is None, reason="there is no native library for this processor, or it isn't built"
)

SPECTRAL = Spectral(4096, 1024, "demucs")
SAMPLES = 30_011  # a multiple of nothing


def heard(sources: int, width: int, seed: int = 0) -> HTDemucs:
    """The network with seeded float16 weights by which signals neither fade nor grow on their way."""
    network = HTDemucs(sources, bottom_channels=width).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator)
            if name.endswith("scale"):
                drawn = 0.3 + 0.06 * drawn
            elif parameter.ndim == 1 and name.endswith("weight"):
                drawn = 1 + 0.2 * drawn
            elif parameter.ndim == 1 or "embedding" in name:
                drawn = 0.1 * drawn
            else:
                # Two taps of a transposed convolution meet in a sample.
                seen = 2 * len(drawn) if "conv_tr" in name else drawn[0].numel()
                drawn /= seen**0.5
                if ".rewrite." in name:
                    drawn *= 1.8
                    drawn[len(drawn) // 2 :] *= 0.3
                elif name.endswith(("conv.weight", "conv_tr.weight")):
                    drawn *= 1.4
            parameter.copy_(drawn.half())
    return network


@contextmanager
def changed(network: HTDemucs, *names: str) -> Iterator[list[torch.Tensor]]:
    """Tensors of the network, which may be written inside, and are rounded to float16 and in the end restored."""
    tensors = [network.get_parameter(name).data for name in names]
    before = [tensor.clone() for tensor in tensors]
    try:
        yield tensors
    finally:
        for tensor, old in zip(tensors, before, strict=True):
            tensor.copy_(old)


def rounded(*tensors: torch.Tensor) -> None:
    """To what float16 can hold, as published weights are."""
    for tensor in tensors:
        tensor.copy_(tensor.half())


def song(samples: int = SAMPLES) -> Array:
    """Music, (2, samples)."""
    return np.asarray(music(samples)[0])


def native(network: HTDemucs, samples: int = SAMPLES, threads: int = 1) -> NativeHTDemucs:
    """The same network by the native library."""
    library = native_library()
    assert library is not None
    return NativeHTDemucs(
        library,
        {name: tensor.half().numpy() for name, tensor in network.state_dict().items()},
        sources=network.sources,
        width=network.bottom_channels,
        samples=samples,
        frames=SPECTRAL.frames(samples),
        threads=threads,
    )


def run(network: NativeHTDemucs, mixture: Array, desk: Desk | None = None) -> tuple[Array, Array]:
    """Waveforms (sources, 2, samples) and spectra (sources, 2, 2048, frames, 2)."""
    desk = desk or network.desk()
    network.run(mixture[None], SPECTRAL.forward(mixture)[None], desk)
    return desk.waveforms[0], desk.spectra[0]


def expected(
    network: HTDemucs, mixture: Array, *, noise_db: float | None = None, dtype: torch.dtype = torch.float32
) -> tuple[Array, Array]:
    """The same by PyTorch; `noise_db`: of noise that is added to both inputs, relative to them."""
    inputs = [torch.from_numpy(value)[None].to(dtype) for value in (mixture, SPECTRAL.forward(mixture))]
    if noise_db is not None:
        generator = torch.Generator().manual_seed(1)
        for value in inputs:
            value += 10 ** (noise_db / 20) * value.std() * torch.randn(value.shape, generator=generator)
    if dtype != torch.float32:
        network = copy.deepcopy(network).to(dtype)
    with torch.no_grad():
        waveforms, spectra = network(*inputs)
    return waveforms[0].numpy(), spectra[0].numpy()


def error_db(found: Array, true: Array) -> float:
    """Energy of the difference, relative to what is expected; the worst of all sources."""
    axes = tuple(range(1, true.ndim))
    error = np.square(found.astype(np.float64) - true).sum(axes) / np.square(true).sum(axes)
    return float(10 * np.log10(error.max()))


def errors(network: HTDemucs, mixture: Array) -> tuple[float, float]:
    """Of waveforms and spectra, dB."""
    found = run(native(network, mixture.shape[-1]), mixture)
    waveforms, spectra = (
        error_db(one, other) for one, other in zip(found, expected(network, mixture), strict=True)
    )
    return waveforms, spectra
