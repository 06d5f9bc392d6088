"""The default runtime: OpenVINO on the CPU."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import Any

import numpy as np

from unbraid.errors import ModelError
from unbraid.out_of_memory import is_out_of_memory, probe_memory
from unbraid.separation.arrays import Floats
from unbraid.separation.runtimes.openvino_cache import THREADS_BYTES, keep, kept_path, load_kept
from unbraid.separation.runtimes.openvino_products import limit_products
from unbraid.separation.runtimes.openvino_sums import refine_sums

# Importing `openvino` imports its model converter, which reports the import over the network, writes an
# identifier to the home folder, and costs 0.07 s. OpenVINO copes with the converter being absent.
_CONVERTER = "openvino.tools.ovc"

# What is done to every graph before it is compiled.
CHANGES = (refine_sums, limit_products)


def import_openvino() -> ModuleType:
    """The `openvino` module, imported without its converter and hence without telemetry."""
    if "openvino" in sys.modules or _CONVERTER in sys.modules:
        import openvino
    else:
        sys.modules[_CONVERTER] = None  # type: ignore[assignment]  # None makes an import fail
        try:
            import openvino
        finally:
            sys.modules.pop(_CONVERTER, None)
    module: ModuleType = openvino
    return module


@cache
def _core() -> Any:
    """OpenVINO itself, once for the process.

    Each Core gives the thread that makes it a stack for signals, and restores the one before when it ends. Where two
    don't end in the reverse order, that is memory which is gone, and the next signal, as Ctrl-C, a crash.
    """
    return import_openvino().Core()


class OpenVinoRuntime:
    """One compiled graph; each running call has an inference request of its own.

    `description` says which graph and weights these are, so that what was compiled can be kept on disk for the next
    time; None: it isn't. Raises ModelError where the graph doesn't load, and MemoryError.
    """

    any_length = False

    def __init__(
        self,
        graph: Path,
        shapes: Mapping[str, Sequence[int]],
        *,
        threads: int | None,
        jobs: int,
        description: bytes | None = None,
    ) -> None:
        self.jobs = jobs
        options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            # The weights are stored in float16 to be small; computing in it costs quality and, without the
            # CPU's support, time.
            "INFERENCE_PRECISION_HINT": "f32",
            # Calls at the same time share the threads between them.
            "NUM_STREAMS": min(jobs, threads or jobs),
        }
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        try:
            self._compiled = _compiled(graph, shapes, options, description)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise MemoryError(str(error)) from error
            raise ModelError(f"{graph} can't be loaded: {str(error).strip().splitlines()[-1]}") from error
        self.inputs = frozenset(shapes)
        self.outputs = frozenset(output.get_any_name() for output in self._compiled.outputs)
        # Made now, as OpenVINO makes none while another is at work for the first time.
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(jobs):
            self._idle.put(self._compiled.create_infer_request())

    @contextmanager
    def run(self, inputs: Mapping[str, Floats]) -> Iterator[Mapping[str, Floats]]:
        """See `Runtime.run`."""
        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._compiled.create_infer_request()
        try:
            # Neither inputs nor outputs are copied: they are tens of megabytes for every segment.
            request.infer(dict(inputs), share_inputs=True, share_outputs=True)
            yield {name: request.get_tensor(name).data for name in self.outputs}
        finally:
            self._idle.put(request)


def _compiled(
    graph: Path, shapes: Mapping[str, Sequence[int]], options: Mapping[str, Any], description: bytes | None
) -> Any:
    """The graph, compiled now or before. Raises RuntimeError."""
    if description is None:
        return _compile(graph, shapes, options)
    made_of = {"model": _digest(description), "shapes": shapes, "options": options, **_circumstances()}
    path, tensor = kept_path(made_of), import_openvino().Tensor
    if (kept := load_kept(path, _core(), tensor, options)) is not None:
        return kept
    compiled = _compile(graph, shapes, options)
    if not keep(compiled, path):
        return compiled
    del compiled  # what is kept takes less memory
    kept = load_kept(path, _core(), tensor, options)
    return _compile(graph, shapes, options) if kept is None else kept


def _compile(graph: Path, shapes: Mapping[str, Sequence[int]], options: Mapping[str, Any]) -> Any:
    network = _core().read_model(graph)
    # Sizes that are known beforehand make the compiled graph a quarter faster than dynamic ones.
    network.reshape({name: list(shape) for name, shape in shapes.items()})
    operations = import_module("openvino.opset13")
    for change in CHANGES:
        change(network, operations)
    probe_memory(THREADS_BYTES)
    return _core().compile_model(network, "CPU", dict(options))


@cache
def _circumstances() -> Mapping[str, Any]:
    """All but the network itself that decides what compiling it gives: the versions of what does, and the processor."""
    changes = "".join(inspect.getsource(sys.modules[change.__module__]) for change in CHANGES)
    extensions = np.show_config(mode="dicts") or {}
    return {
        "openvino": import_openvino().get_version(),
        "changes": _digest(changes.encode()),
        "processor": _core().get_property("CPU", "FULL_DEVICE_NAME"),
        "extensions": extensions.get("SIMD Extensions"),
    }


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
