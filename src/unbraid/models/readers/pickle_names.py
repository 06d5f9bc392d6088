"""What the pickle of a package may name, and what becomes of it.

Python's own reader imports what a pickle names and calls it. Here the names stand for things of this file, by which
nothing but a description of the package can be made.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np

from unbraid.models.architectures import ARCHITECTURES, SUPPORTED
from unbraid.models.readers.tensors import HALF, SINGLE, PackageError

DONT_TRUST = "it may be meant to do harm: don't open it with other programs either"

# How Fraction writes itself as a text.
_FRACTION = re.compile(r"[0-9]{1,18}(/[0-9]{1,18})?")


@dataclass(frozen=True, slots=True)
class NetworkClass:
    """The class of the network, by name alone."""

    name: str


@dataclass(frozen=True, slots=True)
class Storage:
    """The numbers of one tensor, kept in a file of its own beside the pickle."""

    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True, slots=True)
class SavedTensor:
    """A storage seen as a tensor in C order."""

    storage: Storage
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unneeded:
    """Takes the place of what a package may hold and nobody needs."""


@dataclass(frozen=True, slots=True)
class Maker:
    """What the pickle may call, by the name that PyTorch's reader would import."""

    make: Callable[..., object]


def _tensor(
    numbers: object, start: object, shape: object, strides: object, _gradient: object, _hooks: object
) -> SavedTensor:
    """As `torch._utils._rebuild_tensor_v2`, for tensors that fill their storage in C order."""
    if not isinstance(numbers, Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise PackageError("a tensor in it makes no sense")
    count = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if type(size) is not int or type(stride) is not int or size < 1:
            raise PackageError("a tensor in it has an absurd shape")
        if size > 1 and stride != count:
            raise PackageError("a tensor in it is a view of another", "save it again from contiguous tensors")
        count *= size
    if start != 0 or count != numbers.count:
        raise PackageError(
            "a tensor in it does not fill its storage", "save it again from contiguous tensors"
        )
    return SavedTensor(numbers, shape)


def _fraction(*parts: object) -> Fraction:
    """From its parts, or from the text that Python before 3.11 wrote."""
    match parts:
        # Digits alone: Fraction also reads 1e999999999, and works it out.
        case (str() as text,) if _FRACTION.fullmatch(text):
            return Fraction(text)
        case (int() as numerator, int() as denominator):
            return Fraction(numerator, denominator)
    raise PackageError("a fraction in it makes no sense")


def _empty_dict() -> dict[object, object]:
    return {}


def _nothing(*_: object) -> Unneeded:
    return Unneeded()


NAMES: Final[dict[str, object]] = {
    **{
        " ".join(known.published_class.rsplit(".", 1)): NetworkClass(known.class_name)
        for known in ARCHITECTURES
    },
    "torch HalfStorage": HALF,
    "torch FloatStorage": SINGLE,
    "torch._utils _rebuild_tensor_v2": Maker(_tensor),
    "collections OrderedDict": Maker(_empty_dict),
    "fractions Fraction": Maker(_fraction),
    # numpy scalars, and how protocol 2 writes their bytes
    "numpy.core.multiarray scalar": Maker(_nothing),
    "numpy._core.multiarray scalar": Maker(_nothing),
    "numpy dtype": Maker(_nothing),
    "_codecs encode": Maker(_nothing),
}


def named(name: str) -> object:
    """What stands for "MODULE NAME". Raises PackageError for all but a few."""
    if name in NAMES:
        return NAMES[name]
    if name.startswith("torch ") and name.endswith("Storage"):
        raise PackageError(
            f"it holds numbers of a kind that weights aren't ({name[6:]!r:.40})", "save it as float16"
        )
    if name.startswith("demucs.") and name.count(" ") == 1 and name.split()[1].isidentifier():
        raise PackageError(
            f"it holds a network of class {name.split()[1]:.40}",
            f"Unbraid runs {SUPPORTED}: take another model",
        )
    if name.startswith("diffq"):
        raise PackageError("its weights are quantised", "take a model that isn't")
    raise PackageError(
        f"it asks for {name.replace(' ', '.')!r:.80}, which no package of weights needs", DONT_TRUST
    )


def storage(named: object) -> Storage:
    """The storage of ("storage", type, key, device, elements), as `torch.save` names one."""
    match named:
        case ("storage", np.dtype() as dtype, str() as key, str(), int() as count) if (
            0 < len(key) < 20 and key.isascii() and key.isdigit()
        ):
            return Storage(key, dtype, count)
    raise PackageError("it names a storage that makes no sense")
