"""What runs a network's graph: one small interface, and the choice between those that implement it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from unbraid.errors import ModelError, SettingError
from unbraid.models import Model
from unbraid.separation.arrays import Floats
from unbraid.separation.pytorch_devices import GPUS, choose_gpu

# What --device takes; "auto" is the best there is.
DEVICES = ("auto", "cpu", *GPUS)

# Segments computed at once on a graphics card: a batch of four, and as many that are cut and added up meanwhile.
GPU_JOBS = 8

# Linux control group v2: "QUOTA PERIOD" in microseconds of CPU time, or "max PERIOD".
CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")


class Runtime(Protocol):
    """A loaded graph. Safe to call from several threads at once."""

    inputs: frozenset[str]
    """Names of what it has to be given."""
    outputs: frozenset[str]
    """Names of what it gives; an estimate is the sum of them all, spectra transformed back."""
    any_length: bool
    """Whether it takes segments of other lengths than that it was loaded for."""

    def run(self, inputs: Mapping[str, Floats]) -> AbstractContextManager[Mapping[str, Floats]]:
        """Outputs by name for inputs by name, float32. They are views that end with the context."""
        ...


def load_runtime(
    model: Model,
    shapes: Mapping[str, Sequence[int]],
    *,
    device: str = "auto",
    threads: int | None = None,
    jobs: int = 1,
) -> Runtime:
    """Load the network of `model` for inputs of exactly these `shapes`.

    `threads`: CPU threads in all (None: the runtime decides); `jobs`: calls expected at the same time.
    Raises SettingError for a device that can't be used, and says why; ModelError for a graph that doesn't load.
    """
    if gpu := _gpu(model, device):
        from unbraid.separation.pytorch import PyTorchRuntime

        return PyTorchRuntime(model, gpu, jobs=jobs)
    from unbraid.separation.openvino import OpenVinoRuntime

    runtime = OpenVinoRuntime(model.graph, shapes, threads=threads or cpu_quota(), jobs=jobs)
    if runtime.outputs != set(model.outputs):
        raise ModelError(f"{model.graph} doesn't give {' and '.join(model.outputs)} as its description says")
    return runtime


def usual_jobs(model: Model, device: str) -> int:
    """How many segments to compute at once where nobody says. Raises SettingError as `load_runtime` does."""
    return GPU_JOBS if _gpu(model, device) else 1


def _gpu(model: Model, device: str) -> str | None:
    if device not in DEVICES:
        raise SettingError(f"there is no device {device!r}; there is {', '.join(DEVICES)}")
    return choose_gpu(model, device)


def cpu_quota(limit: Path = CPU_LIMIT) -> int | None:
    """How many cores a container's quota of CPU time amounts to; None without one.

    Which cores there are, and which of them the process is bound to, a runtime finds out by itself.
    """
    try:
        quota, period = limit.read_text(encoding="ascii").split()
        return max(1, round(int(quota) / int(period)))
    except (OSError, ValueError):
        return None
