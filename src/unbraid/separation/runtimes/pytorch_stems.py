"""A PyTorch network with the transforms around it: segments in, stems out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unbraid.errors import ModelError
from unbraid.models import Model
from unbraid.models.folder import MIXTURE, SPECTRA, SPECTRUM, WAVEFORMS
from unbraid.separation.runtimes.pytorch_spectral import CentredTorchSpectral, TorchSpectral


class TorchModel:
    """The transforms of a model, and the order of its network's inputs and outputs."""

    def __init__(self, model: Model) -> None:
        """Raise ModelError if the model has no spectra."""
        if model.n_fft is None or model.hop is None:
            raise ModelError(
                f"PyTorch can't compute {model.name}: it is not a published model. Use --device cpu."
            )
        self.spectral = (
            CentredTorchSpectral(model.n_fft, model.hop)
            if model.edges == "centred"
            else TorchSpectral(model.n_fft, old=model.edges == "demucs_old")
        )
        self._inputs, self._outputs = model.inputs, model.outputs

    def stems(
        self, network: nn.Module, segments: Tensor, device: torch.device, precision: torch.dtype
    ) -> Tensor:
        """Return the estimates (b, sources, channels, n) of segments (b, channels, n), in float32.

        The network computes on `device` in `precision`, the transforms on the device of `segments` in float32.
        """
        inputs = {MIXTURE: segments, SPECTRUM: self.spectral.forward(segments)}
        arguments = [inputs[name].to(device) for name in self._inputs]
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            results = network(*arguments)
        parts = results if isinstance(results, tuple) else (results,)
        outputs = {
            name: part.to(segments.device, torch.float32)
            for name, part in zip(self._outputs, parts, strict=True)
        }
        stems: Tensor = self.spectral.inverse(outputs[SPECTRA], segments.shape[-1])
        return stems + outputs[WAVEFORMS] if WAVEFORMS in outputs else stems
