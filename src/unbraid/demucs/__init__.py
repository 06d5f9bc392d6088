"""The Python names of `demucs` 4.1.0, so that a script changes only its import.

>>> import unbraid.demucs as demucs
>>> demucs.api.save_audio  # doctest: +ELLIPSIS
<function save_audio at ...>

PyTorch isn't needed. `python -m unbraid.demucs` is the command `unbraid demucs`. docs/demucs.md lists the differences.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unbraid.demucs import api as api
    from unbraid.demucs import audio as audio
    from unbraid.demucs import separate as separate

__all__ = ["api", "audio", "separate"]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
