"""What runs a network's graph: one small interface, and the choice between those that implement it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from unbraid.cores import cpu_quota, usable_cores
from unbraid.errors import ModelError, SettingError, UnbraidError
from unbraid.models import Model
from unbraid.models.folder import DESCRIPTION
from unbraid.separation.arrays import Floats
from unbraid.separation.runtimes.pytorch_devices import GPUS, choose_gpu

# What --device takes; "auto" is the best there is.
DEVICES = ("auto", "cpu", *GPUS)

# Segments computed at once on a processor of at least as many cores. Each by itself, they don't wait for each other's
# parts, and other programs slow down less; more would take more memory (see benchmarks/NOTES.md).
CPU_JOBS = 2
# Segments longer than this go one by one: those of hdemucs_mmi, 44 s, take 1.1 GB each.
LONGEST_BESIDE_S = 20
# Segments computed at once on a graphics card: a batch of four, and as many that are cut and added up meanwhile.
GPU_JOBS = 8


class Runtime(Protocol):
    """A loaded graph. Safe to call from several threads at once."""

    inputs: frozenset[str]
    """Names of what it has to be given."""
    outputs: frozenset[str]
    """Names of what it gives; an estimate is the sum of them all, spectra transformed back."""
    any_length: bool
    """Whether it takes segments of other lengths than that it was loaded for."""
    jobs: int
    """How many calls at the same time it is made for."""

    def run(self, inputs: Mapping[str, Floats]) -> AbstractContextManager[Mapping[str, Floats]]:
        """Outputs by name for inputs by name, float32. They are views that end with the context."""
        ...


class GpuOutOfMemory(UnbraidError):  # noqa: N818 - named for what happened
    """A graphics card has too little free memory."""


class RuntimeLoader:
    """Loads the networks of `model` for a `device` (one of DEVICES), which is checked when this is made.

    `threads`: CPU threads in all (None: the runtime decides); `jobs`: calls expected at the same time (None: what suits
    the device). Where the memory of the card that `auto` has chosen is full, the processor computes from then on, and
    `notice` is told so in a line. Raises SettingError for a device that can't be used, and says why.
    """

    def __init__(
        self,
        model: Model,
        device: str = "auto",
        *,
        threads: int | None = None,
        jobs: int | None = None,
        notice: Callable[[str], object] | None = None,
    ) -> None:
        if device not in DEVICES:
            raise SettingError(f"there is no device {device!r}; there is {', '.join(DEVICES)}")
        self._gpu = choose_gpu(model, device)
        self._gpu_only = device != "auto"
        self._threads = threads
        self._jobs = jobs
        self._notice = notice

    def load(self, model: Model, shapes: Mapping[str, Sequence[int]], *, common: bool = False) -> Runtime:
        """The network `model` for inputs of exactly these `shapes`.

        `common`: they are those of many songs, so that what is compiled for them is worth keeping on disk.

        Raises ModelError where it doesn't load, GpuOutOfMemory.
        """
        if self._gpu:
            from unbraid.separation.runtimes.pytorch import PyTorchRuntime

            try:
                return PyTorchRuntime(model, self._gpu, jobs=self._jobs or GPU_JOBS)
            except GpuOutOfMemory:
                if self._gpu_only:
                    raise
            if self._notice:
                self._notice(
                    f"the graphics card ({self._gpu}) has too little free memory; the processor computes"
                )
            self._gpu = None
        from unbraid.separation.runtimes.native import NativeRuntime, native_template

        if template := native_template(model):
            return NativeRuntime(
                model,
                template,
                shapes,
                threads=self._threads or usable_cores(),
                jobs=self._jobs or self._cpu_jobs(model),
            )
        from unbraid.separation.runtimes.openvino import OpenVinoRuntime

        runtime = OpenVinoRuntime(
            model.graph,
            shapes,
            threads=self._threads or cpu_quota(),
            jobs=self._jobs or self._cpu_jobs(model),
            description=(model.folder / DESCRIPTION).read_bytes() if common else None,
        )
        if runtime.outputs != set(model.outputs):
            raise ModelError(
                f"{model.graph} doesn't give {' and '.join(model.outputs)} as its description says"
            )
        return runtime

    def _cpu_jobs(self, model: Model) -> int:
        if model.segment_s > LONGEST_BESIDE_S:
            return 1
        return min(CPU_JOBS, self._threads or usable_cores())
