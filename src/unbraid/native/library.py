"""Load the native library that `build.py` compiles from `sources/`, with the best instruction set of this processor."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping
from ctypes import CDLL, POINTER, Structure, c_char_p, c_int32, c_int64, c_uint64, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from unbraid.errors import SettingError
from unbraid.native.build import FOLDER, is_current, library_path

INSTRUCTION_SETS = ("avx2", "avx_vnni", "avx512_vnni")
"""Names of the instruction sets, in the order of native.h: the fastest last."""

INSTRUCTIONS = "UNBRAID_INSTRUCTIONS"  # environment variable: the instruction set to use, or "none"
NONE = "none"


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
# Results of pack and run, see native.h.
DONE, UNSUPPORTED_SIZES, MISSING_TENSOR, WRONG_LENGTH, SMALL_MEMORY = range(0, -5, -1)

# Result and argument types of the functions in native.h, without the instruction set in their names.
SIGNATURES: Mapping[str, tuple[Any, list[Any]]] = {
    "weights_bytes": (c_uint64, [SIZES]),
    "workspace_bytes": (c_uint64, [SIZES, c_void_p, c_int32]),
    "pack": (
        c_int32,
        [SIZES, c_int32, POINTER(c_char_p), POINTER(c_void_p), POINTER(c_int64), c_void_p, c_uint64],
    ),
    "run": (c_int32, [SIZES, c_void_p, c_void_p, c_uint64, c_int32, *[c_void_p] * 6]),
}


@dataclass(frozen=True)
class NativeLibrary:
    """The functions of native.h for one instruction set."""

    file: CDLL
    """The loaded file. Other modules find the functions of mdx.h and roformer.h in it."""
    instructions: str
    weights_bytes: Callable[..., int]
    workspace_bytes: Callable[..., int]
    pack: Callable[..., int]
    run: Callable[..., int]


@cache
def native_library() -> NativeLibrary | None:
    """Return the library with the best instruction set of this processor, or the set that $UNBRAID_INSTRUCTIONS names.

    None if the variable is `none`, or the library is not built, is outdated, or does not support this processor. Raises
    SettingError if the named set is unknown or unavailable.
    """
    chosen = os.environ.get(INSTRUCTIONS, "")
    if chosen == NONE:
        return None
    if chosen and chosen not in INSTRUCTION_SETS:
        raise SettingError(
            f"{INSTRUCTIONS} is {chosen!r}. Choose one of {', '.join((*INSTRUCTION_SETS, NONE))}."
        )
    available = {library.instructions: library for library in load_libraries()}
    if chosen and chosen not in available:
        raise SettingError(
            f"{INSTRUCTIONS} is {chosen!r}, which this computer can't use. "
            f"Available: {', '.join(available) or 'none'}."
        )
    best = chosen or next(reversed(available), None)
    return available[best] if best else None


def is_outdated() -> bool:
    """Whether there is a library, compiled from other sources than those beside it."""
    return library_path().is_file() and not is_current()


def load_libraries(folder: Path = FOLDER) -> list[NativeLibrary]:
    """Load the library with every instruction set that it has and this processor supports, the fastest last.

    A library that was compiled from other sources than those beside it is not loaded.
    """
    if not is_current(folder):
        return []
    try:
        library = ctypes.CDLL(str(library_path(folder)))
        supported = [library.native_supported(number) for number in range(len(INSTRUCTION_SETS))]
    except (OSError, AttributeError):
        return []
    return [
        bind(library, instructions)
        for instructions, usable in zip(INSTRUCTION_SETS, supported, strict=True)
        # The build leaves out sets that the compiler lacks.
        if usable and hasattr(library, f"htdemucs_run_{instructions}")
    ]


def bind(library: CDLL, instructions: str) -> NativeLibrary:
    """Return the functions for one instruction set."""
    return NativeLibrary(
        library, instructions, **bind_functions(library, instructions, "htdemucs", SIGNATURES)
    )


def bind_functions(
    library: CDLL, instructions: str, family: str, signatures: Mapping[str, tuple[Any, list[Any]]]
) -> dict[str, Callable[..., int]]:
    """Return the functions for a family of networks, with their result and argument types, by name."""
    functions = {}
    for name, (result, arguments) in signatures.items():
        function = getattr(library, f"{family}_{name}_{instructions}")
        function.restype, function.argtypes = result, arguments
        functions[name] = function
    return functions


def check_call(result: int, built: str) -> None:
    """Raise ValueError for the error of a call into the library, if any. Its line names what is `built`."""
    if result == UNSUPPORTED_SIZES:
        raise ValueError(f"the native library does not support a {built} of these sizes")
    if result in (MISSING_TENSOR, WRONG_LENGTH):
        raise ValueError(f"the tensors don't fit the sizes of the {built}")
    if result != DONE:
        raise ValueError(f"the workspace belongs to another {built}")
