"""Whether a model can be computed by PyTorch on a graphics card here. PyTorch is imported only when it may be."""

from __future__ import annotations

import platform
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from unbraid.errors import SettingError
from unbraid.models import Model
from unbraid.models.graphs import template_of

if TYPE_CHECKING:
    import torch

# As PyTorch calls them, the best first. "cuda" are cards of NVIDIA, and of AMD with a PyTorch made for those.
GPUS = ("cuda", "mps")

# Linux shows by one of these that there is a driver: NVIDIA's own, that of its small boards, WSL's, AMD's. Looking for
# them takes no time; importing PyTorch, to hear that there is no card, takes seconds.
DRIVERS = ("/dev/nvidiactl", "/dev/nvhost-gpu", "/dev/dxg", "/dev/kfd")


def choose_gpu(model: Model, device: str) -> str | None:
    """The graphics card for `device` (auto, cpu or one of GPUS); None: the processor.

    `auto` takes a card where everything that needs is there. Raises SettingError when `device` is a card and
    something is missing, and says what.
    """
    if device == "cpu":
        return None
    if device != "auto":
        _require(model, device)
        return device
    if find_spec("torch") is None or not _driver() or not _all_known(model):
        return None
    return next((gpu for gpu in GPUS if _what_lacks(gpu) is None), None)


def _all_known(model: Model) -> bool:
    """Whether PyTorch can compute `model`, or all the networks of a bag."""
    networks = [member.model for member in model.members] or [model]
    return all(template_of(network) for network in networks)


def _require(model: Model, device: str) -> None:
    if find_spec("torch") is None:
        raise SettingError(f"the device {device} needs PyTorch. Install it: pip install 'unbraid[torch]'")
    if not _all_known(model):
        raise SettingError(
            f"the model {model.name} runs on the processor only, not on {device}: use --device cpu, or a Demucs model"
            " as htdemucs"
        )
    if lack := _what_lacks(device):
        raise SettingError(f"the device {device} can't be used: {lack}. Or use --device cpu")


def _driver() -> bool:
    """Whether there may be a graphics card that PyTorch can use."""
    if sys.platform == "linux":
        return any(Path(driver).exists() for driver in DRIVERS)
    return sys.platform != "darwin" or platform.machine() == "arm64"


def _what_lacks(device: str) -> str | None:
    """What keeps PyTorch from computing on `device`, and what to do; None: nothing."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return f"PyTorch doesn't load ({_first_line(error)}); install it anew"
    if device == "cuda":
        if torch.version.cuda is None and torch.version.hip is None:
            return "this PyTorch was built for the processor alone; install one built for CUDA"
        if not torch.cuda.is_available():
            return "PyTorch finds no card with a driver; `nvidia-smi` shows those that are there"
    elif not torch.backends.mps.is_built():
        return "that are the GPUs of Macs with Apple silicon, and PyTorch was built without them"
    elif not torch.backends.mps.is_available():
        return "PyTorch needs a newer macOS, or a Mac with Apple silicon"
    return _fault(torch.device(device))


def _fault(device: torch.device) -> str | None:
    """What happens when something is computed there: cards too old for PyTorch show up as late as that."""
    import torch

    try:
        torch.ones(1, device=device).add(1).item()
    except RuntimeError as error:
        return f"it fails ({_first_line(error)}); a PyTorch or a driver made for this card may help"
    return None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
