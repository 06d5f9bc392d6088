"""A linear layer computed by the native library, with weights that are used once."""

from __future__ import annotations

from ctypes import POINTER, Structure, c_int32, c_uint64, c_void_p
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unbraid.native.library import DONE, NativeLibrary, bind_functions

Floats = NDArray[np.float32]


class LinearSizes(Structure):
    """LinearSizes of `linear.h`."""

    _fields_: ClassVar = [
        ("count", c_int32),
        ("inputs", c_int32),
        ("outputs", c_int32),
        ("use_tanh", c_int32),
    ]


_SIZES = POINTER(LinearSizes)

# Result and argument types of the functions in linear.h, without the instruction set in their names.
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "workspace_bytes": (c_uint64, [_SIZES, c_int32]),
    "run": (c_int32, [_SIZES, c_void_p, c_uint64, c_int32, *[c_void_p] * 5]),
}


class NativeLinear:
    """Matrix products of rows with weights. Calls share the `threads`."""

    def __init__(self, library: NativeLibrary, threads: int) -> None:
        self._functions = bind_functions(library.file, library.instructions, "linear", _SIGNATURES)
        self._threads = threads
        self._active_threads = np.zeros(1, np.int32)

    def workspace_bytes(self, count: int, inputs: int) -> int:
        """Return the bytes of the workspace of a call with `count` rows; 0 for unsupported sizes.

        It is enough for fewer inputs too.
        """
        return self._functions["workspace_bytes"](LinearSizes(count, inputs, 1, 0), self._threads)

    def run(
        self,
        x: Floats,
        weight: NDArray[np.float16],
        bias: Floats,
        workspace: NDArray[np.uint8],
        *,
        use_tanh: bool = False,
    ) -> Floats:
        """Return x (rows, inputs) times weight (outputs, inputs) plus bias (outputs), or its hyperbolic tangent.

        The result does not depend on the number of threads. Raises ValueError for shapes that don't fit or aren't
        supported, and for too small a workspace.
        """
        x, bias = np.ascontiguousarray(x, np.float32), np.ascontiguousarray(bias, np.float32)
        weight = np.ascontiguousarray(weight, np.float16)
        outputs, inputs = weight.shape
        # The library does not know the shapes of arrays.
        if x.ndim != 2 or x.shape[1] != inputs or bias.shape != (outputs,):
            raise ValueError("the shapes of the linear layer don't fit")
        out: Floats = np.empty((len(x), outputs), np.float32)
        arrays = (weight, bias, x, out)
        result = self._functions["run"](
            LinearSizes(len(x), inputs, outputs, use_tanh),
            workspace.ctypes.data,
            workspace.size,
            self._threads,
            self._active_threads.ctypes.data,
            *(array.ctypes.data for array in arrays),
        )
        if result != DONE:
            raise ValueError("the native library does not support a linear layer of these sizes")
        return out
