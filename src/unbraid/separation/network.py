"""A network as a function on waveforms: its runtime, and the Fourier transforms that its graph doesn't contain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isfinite
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Protocol

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.errors import ModelError
from unbraid.models.folder import MIXTURE, SPECTRA, SPECTRUM, WAVEFORMS, Model
from unbraid.separation.runtimes.base import Runtime
from unbraid.separation.spectral import Spectral

Shapes = Mapping[str, Sequence[int]]

# Samples of a damaged song may be so large that any network overflows. Beyond this it is not the model's fault.
LOUDEST = 1e6


class LoadRuntime(Protocol):
    """Signature of `unbraid.separation.runtimes.choose.RuntimeLoader.load`."""

    def __call__(self, model: Model, shapes: Shapes, *, cache_compiled: bool) -> Runtime:
        """Load the network of `model` for inputs of these `shapes`."""
        ...


class Network:
    """A loaded network that estimates sources in segments of up to `length` samples. Thread-safe.

    The constructor loads the runtime for segments of `length`. If the network reads the shorter last segments of a song
    at their own length, each length needs its own runtime; only one is in memory at a time. Raises ModelError and
    SettingError.
    """

    def __init__(self, model: Model, length: int, load: LoadRuntime) -> None:
        self._model = model
        self._load = load
        self._lock = Lock()
        self._spectral = Spectral(model.n_fft, model.hop, model.edges) if model.n_fft and model.hop else None
        length = self._read_length(length)
        runtime = self._runtime(length)
        self._loaded: tuple[int, Runtime] | None = length, runtime
        self._spectra: SimpleQueue[Floats] = SimpleQueue()
        self.jobs = runtime.jobs
        """Number of parallel calls of `estimate` that it is set up for."""

    @np.errstate(over="ignore", invalid="ignore")  # infinite samples are an error below
    def estimate(self, mixture: Floats, sources: Sequence[int]) -> Floats:
        """Estimate `sources` (their indices) in `mixture` (channels, n). Return (len(sources), channels, n).

        Raises ModelError if the estimates aren't finite, unless the mixture is extremely loud.
        """
        samples = mixture.shape[-1]
        length = self._read_length(samples)
        if length > samples:
            mixture = np.pad(mixture, ((0, 0), (0, length - samples)))
        runtime = self._runtime_for(length)
        inputs = {MIXTURE: mixture[None]} if MIXTURE in runtime.inputs else {}
        with self._spectrum_of(mixture, runtime) as spectrum, runtime.run({**inputs, **spectrum}) as outputs:
            waveforms = outputs.get(WAVEFORMS)
            if waveforms is None:
                estimates: Floats = np.zeros((len(sources), mixture.shape[0], samples), np.float32)
            else:
                estimates = np.take(waveforms[0, :, :, :samples], sources, axis=0)
            if SPECTRA in outputs and self._spectral:
                for estimate, source in zip(estimates, sources, strict=True):
                    self._spectral.add_inverse(outputs[SPECTRA][0, source], length, estimate)
        finite = not estimates.size or (isfinite(estimates.min()) and isfinite(estimates.max()))
        if not finite and np.abs(mixture).max() < LOUDEST:
            raise ModelError(
                "computed infinite or undefined samples. Use another model.", subject=self._model.name
            )
        return estimates

    @contextmanager
    def _spectrum_of(self, mixture: Floats, runtime: Runtime) -> Iterator[Mapping[str, Floats]]:
        """Yield the spectrum as an input if `runtime` needs it, else no input.

        The buffer is reused: allocating memory takes longer than the transform.
        """
        if SPECTRUM not in runtime.inputs or not self._spectral:
            yield {}
            return
        frames = self._spectral.frames(mixture.shape[-1])
        try:
            buffer = self._spectra.get_nowait()
        except Empty:
            buffer = None
        shape = (1, mixture.shape[0], self._spectral.bins, frames, 2)
        if buffer is None or buffer.shape != shape:  # the last segments of a song may be shorter
            buffer = np.empty(shape, np.float32)
        self._spectral.forward(mixture, out=buffer[0])
        yield {SPECTRUM: buffer}
        self._spectra.put(buffer)

    def _read_length(self, samples: int) -> int:
        """Return the length that the network reads for a segment of `samples`."""
        return self._model.segment if self._model.fixed_length else samples

    def _runtime_for(self, length: int) -> Runtime:
        """Return a runtime for `length` samples."""
        with self._lock:
            if self._loaded is None or not (self._loaded[0] == length or self._loaded[1].any_length):
                self._loaded = None  # release its memory before loading the next one
                self._loaded = length, self._runtime(length)
            return self._loaded[1]

    def _runtime(self, length: int) -> Runtime:
        model = self._model
        shapes: dict[str, Sequence[int]] = {MIXTURE: (1, model.channels, length)}
        if self._spectral:
            shapes[SPECTRUM] = (1, model.channels, self._spectral.bins, self._spectral.frames(length), 2)
        return self._load(
            model, {name: shapes[name] for name in model.inputs}, cache_compiled=length == model.segment
        )


class NetworkSlot:
    """Place in memory for one network."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.last: tuple[Model, Network] | None = None


class NetworkCache:
    """Cache for the most recent network of a bag. Thread-safe.

    `load` loads the network of a model. Caches that share a `slot` hold one network between them.
    """

    def __init__(self, load: Callable[[Model], Network], slot: NetworkSlot | None = None) -> None:
        self._load = load
        self.slot = slot or NetworkSlot()

    def get(self, model: Model) -> Network:
        """Return the network of `model`, loaded if necessary. Raises ModelError and SettingError."""
        slot = self.slot
        with slot.lock:
            if slot.last is None or slot.last[0] is not model:
                slot.last = None  # release its memory before loading the next one
                slot.last = model, self._load(model)
            return slot.last[1]
