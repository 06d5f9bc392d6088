"""The default runtime: OpenVINO on the CPU."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import Any

from unbraid.errors import ModelError
from unbraid.separation.arrays import Floats
from unbraid.separation.openvino_sums import refine_sums
from unbraid.shortage import is_shortage

# Importing `openvino` imports its model converter, which reports the import over the network, writes an
# identifier to the home folder, and costs 0.07 s. OpenVINO copes with the converter being absent.
_CONVERTER = "openvino.tools.ovc"


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
    """One compiled graph; each running call has an inference request of its own."""

    any_length = False

    def __init__(
        self, graph: Path, shapes: Mapping[str, Sequence[int]], *, threads: int | None, jobs: int
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
            core = _core()
            network = core.read_model(graph)
            # Sizes that are known beforehand make the compiled graph a quarter faster than dynamic ones.
            network.reshape({name: list(shape) for name, shape in shapes.items()})
            refine_sums(network, import_module("openvino.opset13"))
            self._compiled = core.compile_model(network, "CPU", options)
        except RuntimeError as error:
            if is_shortage(error):
                raise MemoryError(str(error)) from error
            raise ModelError(f"{graph} can't be loaded: {str(error).strip().splitlines()[-1]}") from error
        self.inputs = frozenset(shapes)
        self.outputs = frozenset(output.get_any_name() for output in self._compiled.outputs)
        self._idle: SimpleQueue[Any] = SimpleQueue()

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
