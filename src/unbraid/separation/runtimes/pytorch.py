"""The runtime for graphics cards: published networks in PyTorch, several segments at once, transforms included."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unbraid.errors import ModelError
from unbraid.models import Model
from unbraid.models.folder import MIXTURE, WAVEFORMS
from unbraid.models.graphs import GraphTemplate, template_of
from unbraid.networks.hdemucs import HDemucs
from unbraid.networks.htdemucs import HTDemucs
from unbraid.separation.arrays import Floats
from unbraid.separation.runtimes.base import GpuOutOfMemory
from unbraid.separation.runtimes.pytorch_batches import Batches
from unbraid.separation.runtimes.pytorch_spectral import TorchSpectral

# By class: the network, for so many sources and the arguments of its template.
NETWORKS: Mapping[str, Callable[[int, Mapping[str, Any]], nn.Module]] = {
    "HTDemucs": lambda sources, arguments: HTDemucs(
        sources, arguments["channels"], arguments["bottom_channels"]
    ),
    "HDemucs": lambda sources, arguments: HDemucs(sources, arguments["channels"]),
}

# Energy of what half precision may change, relative to the stems': -50 dB.
ALLOWED_ERROR = 1e-5

# Power of stems from which on a segment can show that; below, it is nearly silent: -40 dB of the song, which networks
# hear at a power of 1.
AUDIBLE = 1e-4

# How libraries beside PyTorch itself say that a card's memory is full.
_FULL = ("out of memory", "ALLOC_FAILED")


class PyTorchRuntime:
    """One of the published networks; calls at the same time are computed together.

    The network computes with `precision`, transforms with float32 always. Whether half precision is good enough for
    these weights on this card, the first segment that isn't silent shows, which is computed in float32 too.
    """

    # The network's transforms are done here as well: a spectrum is four times as much to move as its waveform.
    inputs = frozenset({MIXTURE})
    outputs = frozenset({WAVEFORMS})
    any_length = True

    def __init__(
        self, model: Model, device: str, *, jobs: int = 1, precision: torch.dtype | None = None
    ) -> None:
        """`jobs`: calls expected at the same time; half of them are computed while others are cut and added up.

        Raises ModelError when `model` is no published network, GpuOutOfMemory when it doesn't fit into memory.
        """
        template = template_of(model)
        if template is None or template.class_name not in NETWORKS or model.n_fft is None:
            raise ModelError(f"PyTorch can't compute {model.name}: it is none of the published networks")
        self.jobs = jobs
        self._device = torch.device(device)
        # Apple's cards have no complex numbers that can be relied on.
        self._transforms = torch.device("cpu") if device == "mps" else self._device
        self._precision = usual_precision(self._device) if precision is None else precision
        self._tried = False
        self._spectral = TorchSpectral(model.n_fft)
        try:
            with _out_of_memory_as_memory_error(self._device):
                self._network = load_network(model, template).to(self._device)
        except MemoryError as error:
            raise _too_little_memory(self._device) from error
        self._batches = Batches(self._compute, (jobs + 1) // 2)

    @contextmanager
    def run(self, inputs: Mapping[str, Floats]) -> Iterator[Mapping[str, Floats]]:
        """See `Runtime.run`. Waveforms are complete: those of the network plus those of its spectra."""
        try:
            waveforms = self._batches.run(inputs[MIXTURE])
        except MemoryError as error:
            raise _too_little_memory(self._device) from error
        yield {WAVEFORMS: waveforms}

    @torch.inference_mode()
    def _compute(self, mixture: Floats) -> Floats:
        """Stems (b, sources, channels, n) of a batch (b, channels, n). Raises MemoryError."""
        with _out_of_memory_as_memory_error(self._device):
            segments = torch.from_numpy(mixture).to(self._transforms)
            stems = self._stems(segments, self._precision)
            if self._precision != torch.float32 and not self._good_enough(segments, stems):
                self._precision = torch.float32
                stems = self._stems(segments, self._precision)
            return stems.cpu().numpy()

    def _good_enough(self, segments: Tensor, stems: Tensor) -> bool:
        """Whether these stems, of half precision, can be taken, and those after them."""
        if not stems.isfinite().all():  # numbers that it can't hold
            return False
        if self._tried:
            return True
        loudest = int(segments.square().sum((1, 2)).argmax())
        exact = self._stems(segments[loudest : loudest + 1], torch.float32)
        power, error = exact.square().mean(), (stems[loudest] - exact[0]).square().mean()
        self._tried = bool(power > AUDIBLE)
        return bool(error <= ALLOWED_ERROR * power.clamp(min=AUDIBLE))

    def _stems(self, segments: Tensor, precision: torch.dtype) -> Tensor:
        spectrum = self._spectral.forward(segments).to(self._device)
        with torch.autocast(self._device.type, precision, enabled=precision != torch.float32):
            waveforms, spectra = self._network(segments.to(self._device), spectrum)
        waveforms, spectra = (part.to(self._transforms, torch.float32) for part in (waveforms, spectra))
        stems: Tensor = waveforms + self._spectral.inverse(spectra, segments.shape[-1])
        return stems


def usual_precision(device: torch.device) -> torch.dtype:
    """What networks compute with on `device`: float16 on NVIDIA's cards with tensor cores (since Volta, 2017)."""
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (7, 0):
        return torch.float16
    return torch.float32


def load_network(model: Model, template: GraphTemplate) -> nn.Module:
    """The network of a model folder with its weights, in float32 on the processor."""
    network = NETWORKS[template.class_name](len(model.sources), template.arguments)
    stored = np.fromfile(model.folder / "weights.bin", np.uint8)
    network.load_state_dict(
        {
            place.name: torch.from_numpy(
                stored[place.offset : place.offset + place.length].view("<f2").reshape(place.shape)
            )
            for place in template.tensors
        }
    )
    return network.eval().requires_grad_(False)


@contextmanager
def _out_of_memory_as_memory_error(device: torch.device) -> Iterator[None]:
    """Inside, a card's memory running out is a MemoryError; what PyTorch keeps for later has been given back then."""
    try:
        yield
        return
    except RuntimeError as error:
        if not (isinstance(error, torch.OutOfMemoryError) or any(sign in str(error) for sign in _FULL)):
            raise
        message = str(error).partition("\n")[0]
    # Only here has the error let go of the tensors that its traceback held.
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    raise MemoryError(message)


def _too_little_memory(device: torch.device) -> GpuOutOfMemory:
    return GpuOutOfMemory(
        f"the graphics card ({device.type}) has too little free memory for one segment. Close other programs that "
        "use it, or take --device cpu."
    )
