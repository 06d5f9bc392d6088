"""The runtime for HTDemucs on processors that the native library supports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.errors import ModelError
from unbraid.models import Model
from unbraid.models.folder import MIXTURE, SPECTRA, SPECTRUM, WAVEFORMS, WEIGHTS
from unbraid.models.graphs import GraphTemplate
from unbraid.models.templates import template_of
from unbraid.native import library
from unbraid.native.htdemucs import NativeHTDemucs
from unbraid.native.library import native_library
from unbraid.separation.runtimes.idle import IdleItems

OUTDATED = (
    "The native library was compiled from other sources, so OpenVINO computes, more slowly. Run ./unbraid once to "
    "compile it again."
)


def native_template(model: Model) -> GraphTemplate | None:
    """Return the graph of `model` if the native library can compute it on this machine; otherwise None.

    None also if the model's description doesn't fit its graph: OpenVINO then reports the mismatch.
    """
    if native_library() is None:
        return None
    template = template_of(model)
    if template is None or not template.architecture.native:
        return None
    return template if _traits(model) == _template_traits(template) else None


def is_outdated(model: Model) -> bool:
    """Whether the native library would compute `model` if it were compiled again."""
    template = template_of(model) if library.is_outdated() else None
    return template is not None and template.architecture.native


def _traits(model: Model) -> tuple[object, ...]:
    """Return the properties that determine the shapes of inputs and outputs, except the length."""
    transform = (model.n_fft, model.hop, model.edges)
    return (len(model.sources), model.channels, *transform, set(model.inputs), set(model.outputs))


def _template_traits(template: GraphTemplate) -> tuple[object, ...]:
    description = template.description
    transform = (description["stft"][name] for name in ("n_fft", "hop", "edges"))
    return (
        len(description["sources"]),
        description["channels"],
        *transform,
        set(description["inputs"]),
        set(description["outputs"]),
    )


class NativeRuntime:
    """An HTDemucs network in the native library. Concurrent calls share the `threads`; each has its own memory.

    See `Runtime`. Raises ModelError and MemoryError.
    """

    inputs = frozenset({MIXTURE, SPECTRUM})
    outputs = frozenset({WAVEFORMS, SPECTRA})
    any_length = False

    def __init__(
        self,
        model: Model,
        template: GraphTemplate,
        shapes: Mapping[str, Sequence[int]],
        *,
        threads: int,
        jobs: int,
    ) -> None:
        loaded = native_library()
        assert loaded is not None
        self.jobs = jobs
        weights = np.memmap(model.folder / WEIGHTS, np.uint8, "r")
        if weights.size < max(place.offset + place.length for place in template.tensors):
            raise ModelError(
                f"is too short for {model.graph}. Install the model again.",
                subject=str(model.folder / WEIGHTS),
            )
        self._network = NativeHTDemucs(
            loaded,
            {
                place.name: weights[place.offset : place.offset + place.length].view(np.float16)
                for place in template.tensors
            },
            sources=len(model.sources),
            width=template.arguments["bottom_channels"],
            samples=shapes[MIXTURE][-1],
            frames=shapes[SPECTRUM][-2],
            threads=threads,
        )
        workspace = self._network.workspace
        self._workspaces = IdleItems(workspace, [workspace() for _ in range(jobs)])

    @contextmanager
    def run(self, inputs: Mapping[str, Floats]) -> Iterator[Mapping[str, Floats]]:
        """See `Runtime.run`."""
        with self._workspaces.borrow() as workspace:
            self._network.run(inputs[MIXTURE], inputs[SPECTRUM], workspace)
            yield {WAVEFORMS: workspace.waveforms, SPECTRA: workspace.spectra}
