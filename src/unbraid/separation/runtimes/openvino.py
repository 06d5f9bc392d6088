"""The default runtime: OpenVINO on the CPU."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.cores import allowed_cores
from unbraid.errors import ModelError
from unbraid.models.cache import cache_folder
from unbraid.out_of_memory import is_out_of_memory, probe_memory
from unbraid.separation.runtimes import openvino_passes
from unbraid.separation.runtimes.idle import IdleItems
from unbraid.separation.runtimes.openvino_cache import (
    THREADS_BYTES,
    cached_path,
    load_compiled,
    store_compiled,
)
from unbraid.separation.runtimes.openvino_weights import MovedWeights

# Importing `openvino` imports its model converter, which reports the import over the network, writes an identifier to
# the home folder, and takes 0.07 s. OpenVINO works without the converter.
_CONVERTER = "openvino.tools.ovc"


def import_openvino() -> ModuleType:
    """Import `openvino` without its converter, and so without telemetry."""
    if "openvino" in sys.modules or _CONVERTER in sys.modules:
        import openvino
    else:
        sys.modules[_CONVERTER] = None  # type: ignore[assignment]  # None makes its import fail
        try:
            import openvino
        finally:
            sys.modules.pop(_CONVERTER, None)
    module: ModuleType = openvino
    return module


@cache
def _core() -> Any:
    """Return the process's only OpenVINO Core.

    A Core sets a signal stack for its thread, and restores the previous one when it is destroyed. If two Cores are not
    destroyed in reverse order, the thread keeps a stack that was freed, and the next signal (Ctrl-C) crashes it.
    """
    openvino = import_openvino()
    # The first conversion of a NumPy array loads NumPy's functions. If two threads did that at the same time, one could
    # wait for the interpreter's lock, and the other, with this lock, for the first.
    tensor = openvino.Tensor(np.zeros(1, np.float32))
    assert tensor.get_element_type().to_dtype() == tensor.data.dtype
    return openvino.Core()


Change = Callable[[Any, ModuleType], None]
"""A change to a graph, with the module of OpenVINO's operations."""

# One network is compiled or loaded at a time in this process; see `OpenVinoRuntime`.
_loading = Lock()


class OpenVinoRuntime:
    """A compiled graph, as often as calls run at the same time, each with its own threads.

    OpenVINO can share one compiled graph between several calls (`NUM_STREAMS`), but it then prepares them in parallel,
    and in one of fifteen processes one of them gave wrong stems (docs/decisions/0006). So each call has its own, and
    they are loaded one after the other. Each holds the weights.

    `threads`: for all calls together. `description` identifies graph and weights in the key of the cache on disk; None:
    no caching. `large`: save memory; see `unbraid.separation.runtimes.openvino_weights`. Raises ModelError if the graph
    doesn't load, and MemoryError.
    """

    any_length = False

    def __init__(
        self,
        graph: Path,
        shapes: Mapping[str, Sequence[int]],
        *,
        threads: int,
        jobs: int,
        description: bytes | None = None,
        large: bool = False,
    ) -> None:
        self.jobs = jobs
        copies = min(jobs, threads)
        options = _options(threads // copies)
        try:
            with _loading:
                self._compiled: list[Any] = []
                self._weights: list[MovedWeights] = []  # OpenVINO may read them again
                for _ in range(copies):
                    if large:
                        compiled, weights = compile_large(graph, shapes, options)
                        self._weights.append(weights)
                    else:
                        compiled = _load(graph, shapes, options, description)
                    self._compiled.append(compiled)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise MemoryError(str(error)) from error
            reason = str(error).strip().splitlines()[-1]
            raise ModelError(
                f"can't be loaded: {reason}. Install the model again.", subject=str(graph)
            ) from error
        self.inputs = frozenset(shapes)
        self.outputs = frozenset(output.get_any_name() for output in self._compiled[0].outputs)
        # Created in advance, because OpenVINO can't create a request while another one runs for the first time.
        self._requests = IdleItems(
            self._compiled[0].create_infer_request,
            [self._compiled[job % copies].create_infer_request() for job in range(jobs)],
        )

    @contextmanager
    def run(self, inputs: Mapping[str, Floats]) -> Iterator[Mapping[str, Floats]]:
        """See `Runtime.run`."""
        with self._requests.borrow() as request:
            # Share inputs and outputs instead of copying tens of megabytes for every segment.
            request.infer(dict(inputs), share_inputs=True, share_outputs=True)
            yield {name: request.get_tensor(name).data for name in self.outputs}


def compile_network(network: Any, *, threads: int, more: Mapping[str, Any] | None = None) -> Any:
    """Compile a network in memory; its sizes may be dynamic. `more`: other options of OpenVINO."""
    with _loading:
        return _core().compile_model(network, "CPU", {**_options(threads), **(more or {})})


class InferRequests:
    """Requests of a compiled network: one for each concurrent call. Thread-safe."""

    def __init__(self, compiled: Any) -> None:
        self._requests: IdleItems[Any] = IdleItems(compiled.create_infer_request)

    @contextmanager
    def run(self, inputs: Any) -> Iterator[Floats]:
        """Yield the only output for `inputs`, by name or in order. It is valid inside the context."""
        with self._requests.borrow() as request:
            request.infer(inputs, share_inputs=True, share_outputs=True)
            yield request.get_output_tensor().data


def _options(threads: int) -> dict[str, Any]:
    """Return OpenVINO's options for a graph that `threads` threads compute."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        # Weights are stored in float16 to save space. Computing in float16 would cost quality, and time on
        # processors that don't support it.
        "INFERENCE_PRECISION_HINT": "f32",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        # Threads are bound from the first core on. Fewer threads than cores would meet those of other graphs and other
        # processes there, while the last cores are idle.
        "ENABLE_CPU_PINNING": threads >= allowed_cores(),
    }


def _load(
    graph: Path, shapes: Mapping[str, Sequence[int]], options: Mapping[str, Any], description: bytes | None
) -> Any:
    """Load the compiled graph from the cache, or compile it. Raises RuntimeError."""
    if description is None:
        return _compile(graph, shapes, options)
    key = {"model": _digest(description), "shapes": shapes, "options": options, **_environment()}
    path, tensor = cached_path(key), import_openvino().Tensor
    if (cached := load_compiled(path, _core(), tensor, options)) is not None:
        return cached
    compiled = _compile(graph, shapes, options)
    if not store_compiled(compiled, path):
        return compiled
    del compiled  # the mapped copy takes less memory
    cached = load_compiled(path, _core(), tensor, options)
    return _compile(graph, shapes, options) if cached is None else cached


def _compile(graph: Path, shapes: Mapping[str, Sequence[int]], options: Mapping[str, Any]) -> Any:
    network = prepare_network(graph, shapes)
    probe_memory(THREADS_BYTES)
    return _core().compile_model(network, "CPU", dict(options))


def compile_large(
    graph: Path, shapes: Mapping[str, Sequence[int]], options: Mapping[str, Any]
) -> tuple[Any, MovedWeights]:
    """Compile a graph with its weights in a temporary file, which has to stay. Raises RuntimeError."""
    network, weights = prepare_large(graph, shapes)
    probe_memory(THREADS_BYTES)
    compiled = _core().compile_model(network, "CPU", dict(options))
    weights.drop()
    return compiled, weights


def prepare_large(graph: Path, shapes: Mapping[str, Sequence[int]]) -> tuple[Any, MovedWeights]:
    """Read a graph, and move its weights to a temporary file."""
    # The partial sums of `refine_sums` would take three more tensors as large as the largest ones.
    changes = (openvino_passes.average_rows, *openvino_passes.PASSES)
    network = prepare_network(graph, shapes, changes)
    fold_constants(network)
    operations = import_module("openvino.opset13")
    return network, MovedWeights(network, operations, import_openvino().Tensor, cache_folder())


def prepare_network(
    graph: Path | bytes,
    shapes: Mapping[str, Sequence[int]],
    changes: Sequence[Change] = openvino_passes.PASSES,
) -> Any:
    """Read a graph from a file or its content, for inputs of these shapes, and apply our changes to it."""
    network = _core().read_model(graph)
    if shapes:
        # Static shapes make the compiled graph a quarter faster than dynamic ones.
        network.reshape({name: list(shape) for name, shape in shapes.items()})
    operations = import_module("openvino.opset13")
    for change in changes:
        change(network, operations)
    return network


def fold_constants(network: Any) -> None:
    """Compute what depends on weights only, such as slices of them.

    OpenVINO would do it while it compiles, and keep the results in memory besides the packed weights.
    """
    passes = import_module("openvino.passes")
    manager = passes.Manager()
    manager.register_pass(passes.ConstantFolding())
    manager.run_passes(network)


@cache
def _environment() -> Mapping[str, Any]:
    """Return the versions and the processor: a compiled network depends on them."""
    extensions = np.show_config(mode="dicts") or {}
    return {
        "openvino": import_openvino().get_version(),
        "passes": _digest(inspect.getsource(openvino_passes).encode()),
        "processor": _core().get_property("CPU", "FULL_DEVICE_NAME"),
        "extensions": extensions.get("SIMD Extensions"),
    }


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
