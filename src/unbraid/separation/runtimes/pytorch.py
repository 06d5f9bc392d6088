"""The runtime on graphics cards: PyTorch networks on batches of segments, with the transforms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from unbraid.audio.arrays import Floats
from unbraid.errors import ModelError
from unbraid.models import Model
from unbraid.models.folder import MIXTURE, WAVEFORMS, WEIGHTS
from unbraid.models.graphs import GraphTemplate
from unbraid.models.templates import template_of
from unbraid.networks.build import build_network
from unbraid.separation.runtimes.base import GpuOutOfMemory
from unbraid.separation.runtimes.pytorch_batches import Batches
from unbraid.separation.runtimes.pytorch_stems import TorchModel

# Largest error of half precision, as energy relative to the stems: -50 dB.
ALLOWED_ERROR = 1e-5

# Least power of stems in which this error can be measured: -40 dB relative to the song, which is normalised to a power
# of 1. A quieter segment is nearly silent.
AUDIBLE = 1e-4

# Parts of the messages of CUDA's libraries when a card's memory is full.
_OUT_OF_MEMORY = ("out of memory", "ALLOC_FAILED")


class PyTorchRuntime:
    """A network of a registered architecture in PyTorch. Concurrent calls are computed as one batch.

    The network computes in `precision`, the transforms always in float32. The first segment that isn't silent is also
    computed in float32, to check that half precision is good enough for these weights on this card.
    """

    # The transforms run on the card too: a spectrum has four times as many values to transfer as its waveform.
    inputs = frozenset({MIXTURE})
    outputs = frozenset({WAVEFORMS})
    any_length = True

    def __init__(
        self, model: Model, device: str, *, jobs: int = 1, precision: torch.dtype | None = None
    ) -> None:
        """Load the network.

        `jobs`: expected concurrent calls. Half of them are computed while the others are cut and added up.
        `precision`: of the network; None: `default_precision`. Raises ModelError if PyTorch has no network for `model`,
        and GpuOutOfMemory if it doesn't fit into memory.
        """
        template = template_of(model)
        if template is None:
            raise ModelError(
                f"PyTorch can't compute {model.name}: it is not a published model. Use --device cpu."
            )
        self.jobs = jobs
        self._device = torch.device(device)
        # Complex numbers are unreliable on Apple's cards.
        self._transforms = torch.device("cpu") if device == "mps" else self._device
        self._precision = default_precision(self._device) if precision is None else precision
        self._checked = False
        self._model = TorchModel(model)
        try:
            with _as_memory_error(self._device):
                self._network = load_network(model, template).to(self._device)
        except MemoryError as error:
            raise _gpu_out_of_memory(self._device) from error
        self._batches = Batches(self._compute, (jobs + 1) // 2)

    @contextmanager
    def run(self, inputs: Mapping[str, Floats]) -> Iterator[Mapping[str, Floats]]:
        """See `Runtime.run`. The waveforms include the inverse transforms of the network's spectra."""
        try:
            waveforms = self._batches.run(inputs[MIXTURE])
        except MemoryError as error:
            raise _gpu_out_of_memory(self._device) from error
        yield {WAVEFORMS: waveforms}

    @torch.inference_mode()
    def _compute(self, mixture: Floats) -> Floats:
        """Compute stems (b, sources, channels, n) of a batch (b, channels, n). Raises MemoryError."""
        with _as_memory_error(self._device):
            segments = torch.from_numpy(mixture).to(self._transforms)
            stems = self._stems(segments, self._precision)
            if self._precision != torch.float32 and not self._good_enough(segments, stems):
                self._precision = torch.float32
                stems = self._stems(segments, self._precision)
            return stems.cpu().numpy()

    def _good_enough(self, segments: Tensor, stems: Tensor) -> bool:
        """Whether these stems, computed in half precision, are accurate enough."""
        if not stems.isfinite().all():  # half precision overflowed
            return False
        if self._checked:
            return True
        loudest = int(segments.square().sum((1, 2)).argmax())
        exact = self._stems(segments[loudest : loudest + 1], torch.float32)
        power, error = exact.square().mean(), (stems[loudest] - exact[0]).square().mean()
        self._checked = bool(power > AUDIBLE)
        return bool(error <= ALLOWED_ERROR * power.clamp(min=AUDIBLE))

    def _stems(self, segments: Tensor, precision: torch.dtype) -> Tensor:
        return self._model.stems(self._network, segments, self._device, precision)


def default_precision(device: torch.device) -> torch.dtype:
    """Return float16 for NVIDIA's cards with tensor cores (since Volta, 2017), float32 for other devices."""
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (7, 0):
        return torch.float16
    return torch.float32


def load_network(model: Model, template: GraphTemplate) -> nn.Module:
    """Load the network of a model folder with its weights, in float32, on the processor."""
    network = build_network(template.architecture, len(model.estimated), template.arguments)
    stored = np.fromfile(model.folder / WEIGHTS, np.uint8)
    network.load_state_dict(
        {
            place.name: torch.from_numpy(
                stored[place.offset : place.offset + place.length]
                .view("<f2" if place.float16 else "<f4")
                .reshape(place.shape)
            )
            for place in template.tensors
        }
    )
    return network.eval().requires_grad_(False)


@contextmanager
def _as_memory_error(device: torch.device) -> Iterator[None]:
    """Raise MemoryError if the card's memory runs out, after releasing PyTorch's cache."""
    try:
        yield
        return
    except RuntimeError as error:
        if not (
            isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in _OUT_OF_MEMORY)
        ):
            raise
        message = str(error).partition("\n")[0]
    # The caught error's traceback holds tensors, so memory can be released only after the `except` block.
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    raise MemoryError(message)


def _gpu_out_of_memory(device: torch.device) -> GpuOutOfMemory:
    return GpuOutOfMemory(
        f"The graphics card ({device.type}) has too little free memory for one segment. Close other programs that "
        "use it, or use --device cpu."
    )
