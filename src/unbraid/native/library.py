"""Load the native library that `build.py` compiles from `sources/`, if this processor can run it."""

from __future__ import annotations

import ctypes
from ctypes import CDLL, POINTER, Structure, c_char_p, c_int32, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import ClassVar

LIBRARY = Path(__file__).with_name("_native.so")
VERSION = 1  # version of the interface: NATIVE_VERSION in native.h


class HTDemucsSizes(Structure):
    """HTDemucsSizes of `native.h`."""

    _fields_: ClassVar = [
        ("sources", c_int32),
        ("width", c_int32),
        ("samples", c_int32),
        ("frames", c_int32),
    ]


# Stages of a call, in the order of native.h.
STAGES = (
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
# Result and argument types of the functions in native.h.
SIGNATURES = {
    "htdemucs_weights_bytes": (c_uint64, [SIZES]),
    "htdemucs_workspace_bytes": (c_uint64, [SIZES, c_void_p, c_int32]),
    "htdemucs_pack": (c_int32, [SIZES, c_int32, POINTER(c_char_p), POINTER(c_void_p), c_void_p]),
    "htdemucs_run": (None, [SIZES, c_void_p, c_void_p, c_int32, *[c_void_p] * 6]),
}


@cache
def native_library() -> CDLL | None:
    """Return the library, or None if it is not built, has another version, or does not support this processor."""
    try:
        library = ctypes.CDLL(str(LIBRARY))
        if library.native_version() != VERSION or not library.native_supported():
            return None
        for name, (result, arguments) in SIGNATURES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):
        return None
    return library
