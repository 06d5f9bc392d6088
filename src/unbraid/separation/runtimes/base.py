"""The interface of a runtime: a loaded network that turns inputs into outputs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from unbraid.audio.arrays import Floats
from unbraid.errors import OutOfMemory


class Runtime(Protocol):
    """A loaded network. Thread-safe."""

    inputs: frozenset[str]
    """Names of the inputs."""
    outputs: frozenset[str]
    """Names of the outputs. An estimate is the sum of all outputs, after spectra are transformed back."""
    any_length: bool
    """Whether `run` accepts segments of any length, or only the length that the network was loaded for."""
    jobs: int
    """Number of parallel calls of `run` that it is set up for."""

    def run(self, inputs: Mapping[str, Floats]) -> AbstractContextManager[Mapping[str, Floats]]:
        """Compute outputs by name from inputs by name, float32. Outputs are views, valid inside the context."""
        ...


class GpuOutOfMemory(OutOfMemory):
    """A graphics card has too little free memory."""
