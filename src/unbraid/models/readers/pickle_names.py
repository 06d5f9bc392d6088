"""The names that the pickle of a package may use, and the object for each.

Python's own reader imports the names in a pickle and calls them. Here a name maps to an object of this module. These
objects can only build a description of the package.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np

from unbraid.models.architectures import CLASS_NAMES, SUPPORTED
from unbraid.models.readers.quantised import GROUPED, UNIFORM
from unbraid.models.readers.tensors import HALF, LONG, SINGLE, PackageError

DONT_TRUST = "It may be malicious: don't open it with other programs either."

# A Fraction as text.
_FRACTION = re.compile(r"[0-9]{1,18}(/[0-9]{1,18})?")


@dataclass(frozen=True, slots=True)
class NetworkClass:
    """The name of the network's class."""

    name: str


@dataclass(frozen=True, slots=True)
class QuantiserClass:
    """The name of the class of diffq that quantised the weights."""

    name: str


@dataclass(frozen=True, slots=True)
class Storage:
    """The numbers of a tensor, in their own file beside the pickle."""

    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True, slots=True)
class SavedTensor:
    """A tensor: a storage with a shape, in C order."""

    storage: Storage
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ignored:
    """Placeholder for an object of a package that Unbraid doesn't need."""


@dataclass(frozen=True, slots=True)
class Factory:
    """A function that the pickle may call. It replaces the function that PyTorch's reader would import."""

    make: Callable[..., object]


def _tensor(
    numbers: object, start: object, shape: object, strides: object, _gradient: object, _hooks: object
) -> SavedTensor:
    """Replace `torch._utils._rebuild_tensor_v2`, for tensors that fill their storage in C order."""
    if not isinstance(numbers, Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise PackageError("a tensor is invalid")
    count = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        # diffq saves empty tensors of integers.
        if type(size) is not int or type(stride) is not int or size < (numbers.dtype != LONG):
            raise PackageError("a tensor has an invalid shape")
        if size > 1 and 0 not in shape and stride != count:
            raise PackageError("a tensor is a view of another", "Save it again from contiguous tensors.")
        count *= size
    if start != 0 or count != numbers.count:
        raise PackageError("a tensor doesn't fill its storage", "Save it again from contiguous tensors.")
    return SavedTensor(numbers, shape)


def _fraction(*parts: object) -> Fraction:
    """Build a Fraction from its parts, or from the text that Python before 3.11 wrote."""
    match parts:
        # Digits only: Fraction also accepts 1e999999999, and computes it.
        case (str() as text,) if _FRACTION.fullmatch(text):
            return Fraction(text)
        case (int() as numerator, int() as denominator):
            return Fraction(numerator, denominator)
    raise PackageError("a fraction is invalid")


def _empty_dict() -> dict[object, object]:
    return {}


def _ignore(*_: object) -> Ignored:
    return Ignored()


NAMES: Final[dict[str, object]] = {
    **{
        " ".join(published.rsplit(".", 1)): NetworkClass(class_name)
        for published, class_name in CLASS_NAMES.items()
    },
    "torch HalfStorage": HALF,
    "torch FloatStorage": SINGLE,
    "torch LongStorage": LONG,
    "diffq.diffq DiffQuantizer": QuantiserClass(GROUPED),
    "diffq.uniform UniformQuantizer": QuantiserClass(UNIFORM),
    "torch._utils _rebuild_tensor_v2": Factory(_tensor),
    "collections OrderedDict": Factory(_empty_dict),
    "fractions Fraction": Factory(_fraction),
    # numpy scalars, and the encoding of their bytes in protocol 2
    "numpy.core.multiarray scalar": Factory(_ignore),
    "numpy._core.multiarray scalar": Factory(_ignore),
    "numpy dtype": Factory(_ignore),
    "_codecs encode": Factory(_ignore),
}


def resolve(name: str) -> object:
    """Return the object for "MODULE NAME". Raises PackageError for names that are not allowed."""
    if name in NAMES:
        return NAMES[name]
    if name.startswith("torch ") and name.endswith("Storage"):
        raise PackageError(f"its numbers have an unsupported type ({name[6:]!r:.40})", "Save it as float16.")
    if name.startswith("demucs.") and name.count(" ") == 1 and name.split()[1].isidentifier():
        raise PackageError(
            f"its network has the class {name.split()[1]:.40}",
            f"Unbraid runs {SUPPORTED}. Use another model.",
        )
    if name.startswith("diffq"):
        raise PackageError(
            f"its weights are quantised by {name.split()[-1]:.40}, which Unbraid can't unpack",
            "Use another model.",
        )
    raise PackageError(f"it refers to {name.replace(' ', '.')!r:.80}, which weights don't need", DONT_TRUST)


def storage(reference: object) -> Storage:
    """Build a storage from `torch.save`'s reference: ("storage", type, key, device, elements)."""
    match reference:
        case ("storage", np.dtype() as dtype, str() as key, str(), int() as count) if (
            0 < len(key) < 20 and key.isascii() and key.isdigit()
        ):
            return Storage(key, dtype, count)
    raise PackageError("a storage is invalid")
