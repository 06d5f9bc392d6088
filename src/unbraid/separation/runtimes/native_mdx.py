"""The runtime for MDX-Nets on processors that the native library supports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from unbraid.audio.arrays import Floats
from unbraid.models import Model
from unbraid.models.folder import SPECTRA, SPECTRUM
from unbraid.models.mdx_layers import MdxLayers, read_layers, sizes_of
from unbraid.native.library import native_library
from unbraid.native.mdx import MdxSizes, NativeMdx, is_supported
from unbraid.separation.runtimes.idle import IdleItems


def native_layers(model: Model) -> MdxLayers | None:
    """Return the layers of `model` if the native library can compute it on this machine; otherwise None."""
    library = native_library()
    layers = read_layers(model) if library else None
    if library is None or layers is None or not is_supported(library, MdxSizes(**sizes_of(layers))):
        return None
    return layers


class NativeMdxRuntime:
    """An MDX-Net in the native library. Concurrent calls share the `threads`; each has its own memory.

    See `Runtime`. Raises MemoryError.
    """

    inputs = frozenset({SPECTRUM})
    outputs = frozenset({SPECTRA})
    any_length = False

    def __init__(self, layers: MdxLayers, *, threads: int, jobs: int) -> None:
        library = native_library()
        assert library is not None
        self.jobs = jobs
        self._network = NativeMdx(library, MdxSizes(**sizes_of(layers)), layers.tensors, threads=threads)
        workspace = self._network.workspace
        self._workspaces = IdleItems(workspace, [workspace() for _ in range(jobs)])

    @contextmanager
    def run(self, inputs: Mapping[str, Floats]) -> Iterator[Mapping[str, Floats]]:
        """See `Runtime.run`."""
        with self._workspaces.borrow() as workspace:
            self._network.run(inputs[SPECTRUM][0], workspace)
            yield {SPECTRA: workspace.spectra[None, None]}
