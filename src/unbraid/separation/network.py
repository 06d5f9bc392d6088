"""A model's network as a function on waveforms: the runtime, and the transforms that its graph leaves out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unbraid.models.folder import MIXTURE, SPECTRA, SPECTRUM, WAVEFORMS, Model
from unbraid.separation.arrays import Floats
from unbraid.separation.runtime import Runtime
from unbraid.separation.spectral import Spectral


class Network:
    """Estimates sources from one segment of the mixture; safe to call from several threads at once."""

    def __init__(self, model: Model, runtime: Runtime) -> None:
        self._model = model
        self._runtime = runtime
        self._spectral = Spectral(model.n_fft, model.hop) if model.n_fft and model.hop else None

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
                if SPECTRA in outputs and self._spectral:
                    estimate += self._spectral.inverse(outputs[SPECTRA][0, source], samples)
                if WAVEFORMS in outputs:
                    estimate += outputs[WAVEFORMS][0, source]
        return estimates
