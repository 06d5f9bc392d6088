"""Separate a song into stems such as vocals, drums and bass, in memory that does not grow with the song.

>>> from unbraid import Separator
>>> separator = Separator()
>>> stems = separator.separate("song.mp3")  # doctest: +SKIP

Importing this package is cheap: NumPy, the decoder and the runtime are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unbraid.separation import Separator as Separator

__version__ = "0.1.0"
__all__ = ["Separator", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "Separator":
        from unbraid.separation import Separator

        return Separator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
