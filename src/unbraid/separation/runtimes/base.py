"""The interface of a runtime: a loaded network that turns inputs into outputs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from unbraid.errors import OutOfMemory
from unbraid.separation.arrays import Floats


class Runtime(Protocol):
    """A loaded network. Several threads may call it at once."""

    inputs: frozenset[str]
    """Names of its inputs."""
    outputs: frozenset[str]
    """Names of its outputs. An estimate is the sum of all outputs, spectra transformed back."""
    any_length: bool
    """Whether it accepts segments of other lengths than the one it was loaded for."""
    jobs: int
    """Number of concurrent calls it is prepared for."""

    def run(self, inputs: Mapping[str, Floats]) -> AbstractContextManager[Mapping[str, Floats]]:
        """Compute outputs by name from inputs by name, float32. Outputs are views, valid inside the context."""
        ...


class GpuOutOfMemory(OutOfMemory):
    """A graphics card has too little free memory."""
