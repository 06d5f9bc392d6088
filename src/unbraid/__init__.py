"""Separate a song into stems such as vocals, drums and bass, in memory that does not grow with the song.

>>> from unbraid import Separator
>>> separator = Separator()
>>> stems = separator.separate("song.mp3")  # doctest: +SKIP

Importing this package is cheap: NumPy, the decoder and the runtime are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unbraid.errors import Cancelled as Cancelled
    from unbraid.errors import InputError as InputError
    from unbraid.errors import ModelError as ModelError
    from unbraid.errors import OutOfMemory as OutOfMemory
    from unbraid.errors import OutputError as OutputError
    from unbraid.errors import SettingError as SettingError
    from unbraid.errors import SongWarning as SongWarning
    from unbraid.errors import UnbraidError as UnbraidError
    from unbraid.separation import Progress as Progress
    from unbraid.separation import Result as Result
    from unbraid.separation import Separator as Separator
    from unbraid.separation import Stems as Stems

__version__ = "0.1.0"
__all__ = [
    "Cancelled",
    "InputError",
    "ModelError",
    "OutOfMemory",
    "OutputError",
    "Progress",
    "Result",
    "Separator",
    "SettingError",
    "SongWarning",
    "Stems",
    "UnbraidError",
    "__version__",
]
_OF_SEPARATION = ("Progress", "Result", "Separator", "Stems")


if not TYPE_CHECKING:  # type checkers know the names above, and report all others

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = "unbraid.separation" if name in _OF_SEPARATION else "unbraid.errors"
        return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__} - {"TYPE_CHECKING", "annotations", "_OF_SEPARATION"})
