"""Choose the device and the runtime for a model.

PyTorch is imported only if a graphics card may be used: the import takes seconds.
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from unbraid.cores import usable_cores
from unbraid.errors import ModelError, SettingError
from unbraid.models import Model
from unbraid.models.architectures import BY_CLASS
from unbraid.models.folder import DESCRIPTION, read_network
from unbraid.models.roformer import RoformerSizes, read_sizes
from unbraid.models.templates import default_segment, template_of
from unbraid.separation.runtimes.base import GpuOutOfMemory, Runtime

if TYPE_CHECKING:
    import torch

# Graphics cards by PyTorch's names, the best first. "cuda" means cards of NVIDIA, and of AMD with a PyTorch built for
# them.
GPUS = ("cuda", "mps")
# Values of --device; "auto" selects the best available one.
DEVICES = ("auto", "cpu", *GPUS)
# A machine may have several cards. "cuda" means the first one, cuda:0, as in PyTorch and `demucs`.
_NUMBERED = re.compile(r"cuda:(\d{1,3})")

# On Linux, one of these files exists if a driver is installed: for NVIDIA cards, NVIDIA's small boards, WSL, AMD cards.
# Checking for the files takes no time. Importing PyTorch takes seconds, even if there is no card.
DRIVERS = ("/dev/nvidiactl", "/dev/nvhost-gpu", "/dev/dxg", "/dev/kfd")

# Segments computed in parallel on a processor with at least as many cores. Independent segments don't wait for each
# other, and lose less time to other programs. More than two would take more memory (see benchmarks/NOTES.md).
CPU_JOBS = 2
# Longer segments are computed one by one: a segment of hdemucs_mmi (44 s) takes 1.1 GB.
LONGEST_CONCURRENT_S = 20
# Segments in progress on a graphics card: a batch of four is computed, while four others are cut and added up.
GPU_JOBS = 8


class RuntimeLoader:
    """Loader for the networks of `model` on a `device` (one of DEVICES, or `cuda:1` for the second card).

    `threads`: number of CPU threads (None: the runtime decides). `jobs`: expected concurrent calls (None: a default for
    the device). If `auto` selected a card and its memory is full, `notice` receives one line, and the processor
    computes from then on. Raises SettingError if the device is unusable.
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
        _check_name(device)
        self._gpu = choose_gpu(model, device)
        self._gpu_only = device != "auto"
        self._threads = threads
        self._jobs = jobs
        self._notice = notice

    @property
    def device(self) -> str:
        """Where networks are computed: `cpu`, or a graphics card."""
        return self._gpu or "cpu"

    def load(
        self, model: Model, shapes: Mapping[str, Sequence[int]], *, cache_compiled: bool = False
    ) -> Runtime:
        """Load the network of `model` for inputs of exactly these `shapes`, by name.

        `cache_compiled`: keep the compiled network on disk, because other songs need the same shapes. Raises ModelError
        and GpuOutOfMemory.
        """
        if self._gpu:
            from unbraid.separation.runtimes.pytorch import PyTorchRuntime

            try:
                return PyTorchRuntime(model, self._gpu, jobs=self._jobs or GPU_JOBS)
            except GpuOutOfMemory:
                if self._gpu_only:
                    raise
            self._tell(
                f"The graphics card ({self._gpu}) has too little free memory. Using the processor instead."
            )
            self._gpu = None
        threads = self._threads or usable_cores()
        if runtime := self._native(model, shapes, threads, cache_compiled):
            return runtime
        from unbraid.separation.runtimes.native_mdx import NativeMdxRuntime, native_layers

        if layers := native_layers(model):
            return NativeMdxRuntime(layers, threads=threads, jobs=self._jobs or self._cpu_jobs(model))
        if sizes := read_sizes(model.folder):
            return self._roformer(model, sizes, shapes, threads)
        return self._openvino(model, shapes, threads, cache_compiled)

    def _native(
        self, model: Model, shapes: Mapping[str, Sequence[int]], threads: int, cache_compiled: bool
    ) -> Runtime | None:
        """Load a network with the native library; None if OpenVINO computes it."""
        from unbraid.separation.runtimes.native import OUTDATED, NativeRuntime, is_outdated, native_template

        template = native_template(model)
        if template is None:
            if is_outdated(model):
                self._tell(OUTDATED)
            return None
        jobs = self._jobs or self._cpu_jobs(model)
        return self._checked(
            model,
            threads,
            load_native=lambda: NativeRuntime(model, template, shapes, threads=threads, jobs=jobs),
            load_floats=lambda: self._openvino(model, shapes, threads, cache_compiled),
        )

    def _roformer(
        self, model: Model, sizes: RoformerSizes, shapes: Mapping[str, Sequence[int]], threads: int
    ) -> Runtime:
        from unbraid.native.library import is_outdated
        from unbraid.separation.runtimes.native import OUTDATED
        from unbraid.separation.runtimes.native_roformer import library_for
        from unbraid.separation.runtimes.roformer import RoformerRuntime

        # A segment keeps all cores busy, and takes half a gigabyte.
        load = partial(RoformerRuntime, model, sizes, shapes, threads=threads, jobs=self._jobs or 1)
        library = library_for(sizes)
        if library is None:
            if is_outdated():
                self._tell(OUTDATED)
            return load()
        return self._checked(
            model, threads, load_native=lambda: load(library=library), load_floats=lambda: load()
        )

    def _checked(
        self,
        model: Model,
        threads: int,
        *,
        load_native: Callable[[], Runtime],
        load_floats: Callable[[], Runtime],
    ) -> Runtime:
        """Load a network with the native library, which is checked once, or with OpenVINO if it isn't exact enough."""
        from unbraid.separation.runtimes.accuracy import AccuracyRecord, is_exact
        from unbraid.separation.runtimes.checked import CheckedRuntime, inexact_line

        record = AccuracyRecord(model)
        error_db = record.read()
        if error_db is not None:
            if is_exact(error_db):
                return load_native()
            self._tell(inexact_line(model, error_db))
            return load_floats()
        return CheckedRuntime(
            load_native(), model, record, threads=threads, load_floats=load_floats, notice=self._tell
        )

    def _tell(self, line: str) -> None:
        if self._notice:
            self._notice(line)

    def _openvino(
        self, model: Model, shapes: Mapping[str, Sequence[int]], threads: int, cache_compiled: bool
    ) -> Runtime:
        from unbraid.separation.runtimes.openvino import OpenVinoRuntime

        runtime = OpenVinoRuntime(
            model.graph,
            shapes,
            threads=threads,
            jobs=self._jobs or self._cpu_jobs(model),
            description=(model.folder / DESCRIPTION).read_bytes() if cache_compiled else None,
            large=_is_large(model) or (_saves_memory(model) and not cache_compiled),
        )
        if runtime.outputs != set(model.outputs):
            raise ModelError(
                f"doesn't give {' and '.join(model.outputs)} as its description says. "
                "Install the model again.",
                subject=str(model.graph),
            )
        return runtime

    def _cpu_jobs(self, model: Model) -> int:
        if model.segment_s > LONGEST_CONCURRENT_S or _is_large(model):
            return 1
        return min(CPU_JOBS, self._threads or usable_cores())


def _is_large(model: Model) -> bool:
    """Whether one segment takes most of the allowed memory."""
    architecture = BY_CLASS.get(read_network(model.folder).get("class", ""))
    return architecture is not None and architecture.large


def _saves_memory(model: Model) -> bool:
    """Whether the weights of the network should leave memory, unless its compiled form comes from the cache.

    That is so for networks whose segments are shorter than published to save memory, and the last ones of songs.
    """
    return default_segment(model) < model.segment


def choose_gpu(model: Model, device: str) -> str | None:
    """Return the graphics card for `device` (one of DEVICES, or `cuda:N`), or None for the processor.

    `auto` selects a card if the card, its driver, PyTorch and a PyTorch network of `model` are all available. Raises
    SettingError if `device` is a card and one of them is missing.
    """
    if device == "cpu":
        return None
    if device != "auto":
        _require(model, device)
        return device
    if find_spec("torch") is None or not _has_driver() or not _has_pytorch_networks(model):
        return None
    return next((gpu for gpu in GPUS if _problem_of(gpu) is None), None)


def _has_pytorch_networks(model: Model) -> bool:
    """Whether PyTorch can compute `model`, or all networks of a bag or an ensemble."""
    return all(template_of(network) for network in model.networks)


def _require(model: Model, device: str) -> None:
    if find_spec("torch") is None:
        raise SettingError(f"The device {device} needs PyTorch. Install it: pip install 'unbraid[torch]'")
    if not _has_pytorch_networks(model):
        raise SettingError(
            f"The model {model.name} runs on the processor only, not on {device}. Use --device cpu, or a Demucs model "
            "such as htdemucs."
        )
    _check_usable(device)


def check_device(device: str) -> None:
    """Raise SettingError unless PyTorch, which is installed, can compute on `device` (one of DEVICES, or `cuda:N`)."""
    _check_name(device)
    if device not in ("auto", "cpu"):
        _check_usable(device)


def _check_name(device: str) -> None:
    if device not in DEVICES and not _NUMBERED.fullmatch(device):
        raise SettingError(
            f"There is no device {device!r}. Choose one of {', '.join(DEVICES)}, or cuda:1 for the second card."
        )


def _check_usable(device: str) -> None:
    if problem := _problem_of(device):
        raise SettingError(f"The device {device} can't be used: {problem}. Or use --device cpu.")


def _has_driver() -> bool:
    """Whether the system may have a graphics card that PyTorch can use."""
    if sys.platform == "linux":
        return any(Path(driver).exists() for driver in DRIVERS)
    return sys.platform != "darwin" or platform.machine() == "arm64"


def _problem_of(device: str) -> str | None:
    """Return why PyTorch can't compute on `device`, and what to do; None if it can."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return f"PyTorch doesn't load ({_first_line(error)}); install it again"
    if device.startswith("cuda"):
        if torch.version.cuda is None and torch.version.hip is None:
            return "this PyTorch was built for the processor only; install one built for CUDA"
        if not torch.cuda.is_available():
            return "PyTorch finds no card with a driver; `nvidia-smi` lists the available ones"
        if problem := _missing_card(device, torch.cuda.device_count()):
            return problem
    elif not torch.backends.mps.is_built():
        return "it needs a Mac with Apple silicon, and PyTorch was built without support for that"
    elif not torch.backends.mps.is_available():
        return "PyTorch needs a newer macOS, or a Mac with Apple silicon"
    return _computation_problem(torch.device(device))


def _missing_card(device: str, cards: int) -> str | None:
    """Return the problem if the number of `device` (`cuda:N`, from 0) is not below the number of `cards`."""
    numbered = _NUMBERED.fullmatch(device)
    if numbered is None or int(numbered[1]) < cards:
        return None
    return "there is only one card, cuda:0" if cards == 1 else f"the last card is cuda:{cards - 1}"


def _computation_problem(device: torch.device) -> str | None:
    """Compute something on `device`, and return the failure if any. A card too old for PyTorch fails only here."""
    import torch

    try:
        torch.ones(1, device=device).add(1).item()
    except RuntimeError as error:
        return f"it fails ({_first_line(error)}); a PyTorch or a driver made for this card may help"
    return None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
