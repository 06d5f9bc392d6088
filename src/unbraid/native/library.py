"""The library in C that `build.py` compiles from `sources/`, where it is there and this processor can run it."""

from __future__ import annotations

import ctypes
from ctypes import CDLL, POINTER, Structure, c_char_p, c_int32, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import ClassVar

LIBRARY = Path(__file__).with_name("_native.so")
VERSION = 1  # of the interface; native.h has the same number


class HTDemucsSizes(Structure):
    """See `native.h`."""

    _fields_: ClassVar = [
        ("sources", c_int32),
        ("width", c_int32),
        ("samples", c_int32),
        ("frames", c_int32),
    ]


# Where the time of a call goes, in the order of native.h.
PARTS = (
    "reading",
    "spectral encoder",
    "waveform encoder",
    "projections",
    "attention",
    "feed-forward",
    "spectral decoder",
    "waveform decoder",
    "writing",
)

SIZES = POINTER(HTDemucsSizes)
# What native.h declares: the result, and the arguments.
DECLARED = {
    "htdemucs_weights_bytes": (c_uint64, [SIZES]),
    "htdemucs_room_bytes": (c_uint64, [SIZES, c_void_p, c_int32]),
    "htdemucs_pack": (c_int32, [SIZES, c_int32, POINTER(c_char_p), POINTER(c_void_p), c_void_p]),
    "htdemucs_run": (None, [SIZES, c_void_p, c_void_p, c_int32, *[c_void_p] * 6]),
}


@cache
def native_library() -> CDLL | None:
    """The library; None where it wasn't built, is another version's, or needs another processor."""
    try:
        library = ctypes.CDLL(str(LIBRARY))
        if library.native_version() != VERSION or not library.native_supported():
            return None
        for name, (result, arguments) in DECLARED.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):
        return None
    return library
