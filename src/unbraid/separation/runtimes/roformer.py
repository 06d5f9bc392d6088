"""The runtime for band-split transformers on the processor: tokens, then layer after layer, then masks band by band.

The native library computes layers and masks, or OpenVINO. OpenVINO computes the tokens.

Each weight of the masks is used once for a segment. In one graph all would be in memory in float32, twice while it is
compiled. Here they stay in their file in float16. One matrix of the masks is read from the system's cache of files at a
time, and converted. With OpenVINO, so are the weights of one layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Protocol

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.errors import ModelError
from unbraid.models import Model
from unbraid.models.folder import SPECTRA, SPECTRUM, WEIGHTS
from unbraid.models.roformer import (
    CHANNELS,
    NUMBERS,
    TOKENS,
    RoformerSizes,
    layout,
    mask_prefix,
)
from unbraid.native.library import NativeLibrary
from unbraid.separation.runtimes.native_roformer import NativeLayers, NativeLinearLayer
from unbraid.separation.runtimes.openvino import (
    InferRequests,
    OpenVinoRuntime,
    compile_network,
    import_openvino,
)
from unbraid.separation.runtimes.roformer_layers import Layers
from unbraid.separation.runtimes.stored_weights import StoredWeights


class TransformTokens(Protocol):
    """All layers of a network. Thread-safe."""

    def apply(self, tokens: Floats) -> None:
        """Replace tokens (bands, frames, width) by the results of all layers."""
        ...


class MultiplyRows(Protocol):
    """A linear layer for matrices of any size. Thread-safe."""

    def apply(self, x: Floats, weight: np.ndarray, bias: Floats, *, use_tanh: bool) -> Floats:
        """Return x (rows, inputs) times weight (outputs, inputs, float16) plus bias, or its hyperbolic tangent."""
        ...


class RoformerRuntime:
    """A band-split transformer. Concurrent calls share the `threads`. See `Runtime`. Raises ModelError.

    `library` computes layers and masks; None: OpenVINO does.
    """

    inputs = frozenset({SPECTRUM})
    outputs = frozenset({SPECTRA})
    any_length = False

    def __init__(
        self,
        model: Model,
        sizes: RoformerSizes,
        shapes: Mapping[str, Sequence[int]],
        *,
        threads: int,
        jobs: int,
        library: NativeLibrary | None = None,
    ) -> None:
        expected = (1, CHANNELS, sizes.bins, sizes.frames, 2)
        if tuple(shapes[SPECTRUM]) != expected or len(model.estimated) != sizes.stems:
            raise ModelError("doesn't fit its network. Install the model again.", subject=str(model.folder))
        self.jobs = jobs
        self._sizes = sizes
        weights = StoredWeights(model.folder / WEIGHTS, layout(sizes))
        self._tokens = OpenVinoRuntime(model.graph, shapes, threads=threads, jobs=jobs)
        self._layers: TransformTokens
        if library:
            self._layers = NativeLayers(library, sizes, weights, threads=threads, jobs=jobs)
            self._masks = Masks(sizes, weights, NativeLinearLayer(library, sizes, threads=threads, jobs=jobs))
        else:
            self._layers = Layers(sizes, weights, threads=threads)
            self._masks = Masks(sizes, weights, LinearLayer(threads))

    @contextmanager
    def run(self, inputs: Mapping[str, Floats]) -> Iterator[Mapping[str, Floats]]:
        """See `Runtime.run`."""
        spectrum = inputs[SPECTRUM].view(np.complex64)[..., 0]  # (1, channels, bins, frames)
        shape = (1, self._sizes.stems, *inputs[SPECTRUM].shape[1:])
        spectra: Floats = np.empty(shape, np.float32)
        products = spectra.view(np.complex64)[..., 0]
        with self._tokens.run(inputs) as outputs:
            tokens = outputs[TOKENS]
            self._layers.apply(tokens)
            for stem in range(self._sizes.stems):
                np.multiply(self._masks.estimate(tokens, stem), spectrum[0], out=products[0, stem])
        yield {SPECTRA: spectra}


class Masks:
    """The networks that estimate masks from tokens. Thread-safe."""

    def __init__(self, sizes: RoformerSizes, weights: StoredWeights, layer: MultiplyRows) -> None:
        self._sizes = sizes
        self._weights = weights
        self._layer = layer

    def estimate(self, tokens: Floats, stem: int) -> np.ndarray:
        """Masks of a stem: tokens (bands, frames, width) -> complex (channels, bins, frames)."""
        sizes = self._sizes
        total = np.zeros((sizes.frames, sizes.bins * NUMBERS), np.float32)
        for band, (start, stop) in enumerate(sizes.bands):
            x = tokens[band]
            last = len(sizes.mask_widths)
            for step in range(last + 1):
                prefix = mask_prefix(stem, band, step)
                weight, bias = (self._weights.read(f"{prefix}.{part}") for part in ("weight", "bias"))
                x = self._layer.apply(x, weight, bias, use_tanh=step < last)
            values, gates = np.split(x, 2, axis=1)
            # A sigmoid that can't overflow.
            total[:, start * NUMBERS : stop * NUMBERS] += values * (0.5 + 0.5 * np.tanh(0.5 * gates))
        total *= np.repeat(sizes.mask_gains, NUMBERS)
        by_bin = total.view(np.complex64).reshape(sizes.frames, sizes.bins, CHANNELS)
        return by_bin.transpose(2, 1, 0)


class LinearLayer:
    """A matrix product in OpenVINO, for matrices of any size. Thread-safe."""

    def __init__(self, threads: int) -> None:
        operations, numpy_types = import_module("openvino.opset13"), (np.float32, np.float16, np.float32)
        shapes = ([-1, -1], [-1, -1], [-1])
        x, weight, bias = (
            operations.parameter(shape, kind) for shape, kind in zip(shapes, numpy_types, strict=True)
        )
        product = operations.matmul(
            x, operations.convert(weight, np.float32), transpose_a=False, transpose_b=True
        )
        network = import_openvino().Model([operations.add(product, bias)], [x, weight, bias], "linear")
        self._requests = InferRequests(compile_network(network, threads=threads))

    def apply(self, x: Floats, weight: np.ndarray, bias: Floats, *, use_tanh: bool) -> Floats:
        """See `MultiplyRows`."""
        with self._requests.run([np.ascontiguousarray(x), weight, bias]) as output:
            return np.tanh(output) if use_tanh else output.copy()
