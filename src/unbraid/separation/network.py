"""A model's network as a function on waveforms: the runtime, and the transforms that its graph leaves out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from unbraid.errors import ModelError
from unbraid.models.folder import MIXTURE, SPECTRA, SPECTRUM, WAVEFORMS, Model
from unbraid.separation.arrays import Floats
from unbraid.separation.runtime import Runtime
from unbraid.separation.spectral import Spectral

LoadRuntime = Callable[[Path, Mapping[str, Sequence[int]]], Runtime]


class Network:
    """Estimates sources from segments of `length` samples; safe to call from several threads at once.

    `load` loads a runtime for inputs of given shapes. Raises ModelError and SettingError as it does.
    """

    def __init__(self, model: Model, length: int, load: LoadRuntime) -> None:
        self._model = model
        self._spectral = Spectral(model.n_fft, model.hop) if model.n_fft and model.hop else None
        shapes: dict[str, Sequence[int]] = {MIXTURE: (1, model.channels, length)}
        if self._spectral:
            bins, frames = self._spectral.bins, self._spectral.frames(length)
            shapes[SPECTRUM] = (1, model.channels, bins, frames, 2)
        self._runtime = load(model.graph, {name: shapes[name] for name in model.inputs})
        if not self._runtime.outputs.issuperset(model.outputs):
            raise ModelError(
                f"{model.graph} doesn't give {' and '.join(model.outputs)} as its description says"
            )

    def estimate(self, mixture: Floats, sources: Sequence[int]) -> Floats:
        """Estimates (len(sources), channels, n) of `sources`, by index, in `mixture` (channels, n)."""
        samples = mixture.shape[-1]
        inputs: dict[str, Floats] = {}
        if MIXTURE in self._model.inputs:
            inputs[MIXTURE] = mixture[None]
        if SPECTRUM in self._model.inputs and self._spectral:
            inputs[SPECTRUM] = self._spectral.forward(mixture)[None]
        estimates = np.zeros((len(sources), *mixture.shape), np.float32)
        with self._runtime.run(inputs) as outputs:
            for estimate, source in zip(estimates, sources, strict=True):
                if SPECTRA in self._model.outputs and self._spectral:
                    estimate += self._spectral.inverse(outputs[SPECTRA][0, source], samples)
                if WAVEFORMS in self._model.outputs:
                    estimate += outputs[WAVEFORMS][0, source]
        return estimates
