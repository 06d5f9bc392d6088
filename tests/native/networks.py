"""HTDemucs with weights to which every layer contributes, and the native library's error relative to PyTorch.

With PyTorch's initial weights the skip connections dominate: without the whole transformer the stems change by less
than -80 dB. With these weights they change by more than -30 dB without the transformer or any other layer.
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

from unbraid.native.htdemucs import NativeHTDemucs, Workspace
from unbraid.native.library import NativeLibrary, load_libraries
from unbraid.networks.htdemucs import HTDemucs
from unbraid.separation.spectral import Spectral

Array = NDArray[np.float32]

LIBRARIES = load_libraries()
"""The native library with each instruction set of this processor."""

needs_library = pytest.mark.skipif(
    not LIBRARIES, reason="the native library is not built, or does not support this processor"
)

SPECTRAL = Spectral(4096, 1024, "demucs")
SAMPLES = 30_011  # not a multiple of any block size


def audible_network(sources: int, width: int, seed: int = 0) -> HTDemucs:
    """The network with seeded float16 weights that keep the level of signals roughly constant from layer to layer."""
    network = HTDemucs(sources, bottom_channels=width).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            values = torch.randn(parameter.shape, generator=generator)
            if name.endswith("scale"):
                values = 0.3 + 0.06 * values
            elif parameter.ndim == 1 and name.endswith("weight"):
                values = 1 + 0.2 * values
            elif parameter.ndim == 1 or "embedding" in name:
                values = 0.1 * values
            else:
                # Each sample of a transposed convolution is the sum of two taps.
                fan_in = 2 * len(values) if "conv_tr" in name else values[0].numel()
                values /= fan_in**0.5
                if ".rewrite." in name:
                    values *= 1.8
                    values[len(values) // 2 :] *= 0.3
                elif name.endswith(("conv.weight", "conv_tr.weight")):
                    values *= 1.4
            parameter.copy_(values.half())
    return network


@contextmanager
def temporarily_changed(network: HTDemucs, *names: str) -> Iterator[list[torch.Tensor]]:
    """The named tensors, which may be changed inside the block and are restored after it."""
    tensors = [network.get_parameter(name).data for name in names]
    before = [tensor.clone() for tensor in tensors]
    try:
        yield tensors
    finally:
        for tensor, old in zip(tensors, before, strict=True):
            tensor.copy_(old)


def round_to_float16(*tensors: torch.Tensor) -> None:
    """Round tensors to float16 in place, as published weights are."""
    for tensor in tensors:
        tensor.copy_(tensor.half())


def song(samples: int = SAMPLES) -> Array:
    """Synthetic music, (2, samples)."""
    return np.asarray(music(samples)[0])


def native_network(
    network: HTDemucs, library: NativeLibrary, samples: int = SAMPLES, threads: int = 1
) -> NativeHTDemucs:
    """The same network in the native library."""
    return NativeHTDemucs(
        library,
        {name: tensor.half().numpy() for name, tensor in network.state_dict().items()},
        sources=network.sources,
        width=network.bottom_channels,
        samples=samples,
        frames=SPECTRAL.frames(samples),
        threads=threads,
    )


def run(network: NativeHTDemucs, mixture: Array, workspace: Workspace | None = None) -> tuple[Array, Array]:
    """Waveforms (sources, 2, samples) and spectra (sources, 2, 2048, frames, 2)."""
    workspace = workspace or network.workspace()
    network.run(mixture[None], SPECTRAL.forward(mixture)[None], workspace)
    return workspace.waveforms[0], workspace.spectra[0]


def run_pytorch(
    network: HTDemucs, mixture: Array, *, noise_db: float | None = None, dtype: torch.dtype = torch.float32
) -> tuple[Array, Array]:
    """Waveforms and spectra by PyTorch. `noise_db`: level of noise added to both inputs, relative to them."""
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


def error_db(actual: Array, true: Array) -> float:
    """Energy of the difference relative to `true`, for the worst source."""
    axes = tuple(range(1, true.ndim))
    error = np.square(actual.astype(np.float64) - true).sum(axes) / np.square(true).sum(axes)
    return float(10 * np.log10(error.max()))


def errors(network: HTDemucs, mixture: Array) -> dict[str, float]:
    """The larger error of waveforms and spectra in dB, by instruction set."""
    true = run_pytorch(network, mixture)
    return {
        library.instructions: max(
            map(error_db, run(native_network(network, library, mixture.shape[-1]), mixture), true)
        )
        for library in LIBRARIES
    }
