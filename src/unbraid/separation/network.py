"""A model's network as a function on waveforms: the runtime, and the transforms that its graph leaves out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Protocol

import numpy as np

from unbraid.models.folder import MIXTURE, SPECTRA, SPECTRUM, WAVEFORMS, Model
from unbraid.separation.arrays import Floats
from unbraid.separation.runtime import Runtime
from unbraid.separation.spectral import Spectral

Shapes = Mapping[str, Sequence[int]]


class LoadRuntime(Protocol):
    """Loads a model's graph for inputs of given shapes. Raises ModelError and SettingError."""

    def __call__(self, model: Model, shapes: Shapes) -> Runtime:
        """See `unbraid.separation.runtime.load_runtime`."""
        ...


class Network:
    """Estimates sources from segments of up to `length` samples; safe to call from several threads at once.

    Loads what it needs for segments of `length` when made, and for others when they come. Raises ModelError and
    SettingError as `load` does.
    """

    def __init__(self, model: Model, length: int, load: LoadRuntime) -> None:
        self._model = model
        self._length = length
        self._load = load
        self._lock = Lock()
        self._spectral = Spectral(model.n_fft, model.hop, model.edges) if model.n_fft and model.hop else None
        self._usual = self._runtime(self._read_length(length))
        # The last segments of a song, where the network reads these as they are.
        self._short: tuple[int, Runtime] | None = None

    def estimate(self, mixture: Floats, sources: Sequence[int]) -> Floats:
        """Estimates (len(sources), channels, n) of `sources`, by index, in `mixture` (channels, n)."""
        samples = mixture.shape[-1]
        length = self._read_length(samples)
        if length > samples:
            mixture = np.pad(mixture, ((0, 0), (0, length - samples)))
        runtime = self._runtime_for(length)
        inputs: dict[str, Floats] = {}
        if MIXTURE in runtime.inputs:
            inputs[MIXTURE] = mixture[None]
        if SPECTRUM in runtime.inputs and self._spectral:
            inputs[SPECTRUM] = self._spectral.forward(mixture)[None]
        estimates = np.zeros((len(sources), mixture.shape[0], samples), np.float32)
        with runtime.run(inputs) as outputs:
            for estimate, source in zip(estimates, sources, strict=True):
                if SPECTRA in outputs and self._spectral:
                    estimate += self._spectral.inverse(outputs[SPECTRA][0, source], length)[..., :samples]
                if WAVEFORMS in outputs:
                    estimate += outputs[WAVEFORMS][0, source, :, :samples]
        return estimates

    def _read_length(self, samples: int) -> int:
        """What the graph reads for a segment of `samples`."""
        return self._model.segment if self._model.fixed_length else samples

    def _runtime_for(self, length: int) -> Runtime:
        """A runtime that takes `length` samples. The last but one of unusual length is forgotten."""
        if self._usual.any_length or length == self._read_length(self._length):
            return self._usual
        with self._lock:
            if self._short is None or self._short[0] != length:
                self._short = None  # gives its memory back before the next takes some
                self._short = length, self._runtime(length)
            return self._short[1]

    def _runtime(self, length: int) -> Runtime:
        model = self._model
        shapes: dict[str, Sequence[int]] = {MIXTURE: (1, model.channels, length)}
        if self._spectral:
            shapes[SPECTRUM] = (1, model.channels, self._spectral.bins, self._spectral.frames(length), 2)
        return self._load(model, {name: shapes[name] for name in model.inputs})


class Networks:
    """The networks of a model, each loaded when it is first asked for; the last one stays.

    Safe to use from several threads. `make` loads one.
    """

    def __init__(self, make: Callable[[Model], Network]) -> None:
        self._make = make
        self._lock = Lock()
        self._last: tuple[Model, Network] | None = None

    def get(self, model: Model) -> Network:
        """The network of `model`. Raises ModelError and SettingError."""
        with self._lock:
            if self._last is None or self._last[0] is not model:
                self._last = None  # gives its memory back before the next takes some
                self._last = model, self._make(model)
            return self._last[1]
