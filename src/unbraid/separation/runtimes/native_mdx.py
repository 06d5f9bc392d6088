"""The runtime for MDX-Nets on processors that the native library supports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from unbraid.audio.arrays import Floats
from unbraid.models import Model
from unbraid.models.folder import SPECTRA, SPECTRUM
from unbraid.models.mdx_layers import MdxLayers, read_layers, sizes_of
from unbraid.native.library import native_library
from unbraid.native.mdx import MdxSizes, NativeMdx, Workspace, is_supported


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
        self._idle: SimpleQueue[Workspace] = SimpleQueue()
        for _ in range(jobs):
            self._idle.put(self._network.workspace())

    @contextmanager
    def run(self, inputs: Mapping[str, Floats]) -> Iterator[Mapping[str, Floats]]:
        """See `Runtime.run`."""
        try:
            workspace = self._idle.get_nowait()
        except Empty:
            workspace = self._network.workspace()
        try:
            self._network.run(inputs[SPECTRUM][0], workspace)
            yield {SPECTRA: workspace.spectra[None, None]}
        finally:
            self._idle.put(workspace)
