"""Read published Demucs models without PyTorch, and without running code from the files.

`.th`           written by `torch.save`: a zip with a pickle {klass, args, kwargs, state, …} and the tensors' numbers
`.safetensors`  a JSON header and the tensors; class and arguments are JSON in its metadata
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from io import FileIO
from itertools import count
from pathlib import Path
from typing import Any

from unbraid.errors import ModelError
from unbraid.files.oserrors import read_cause
from unbraid.models.architectures import CLASS_NAMES, SUPPORTED
from unbraid.models.published import PACKAGES as ENDINGS
from unbraid.models.published import signature_of
from unbraid.models.readers.pickle_names import NetworkClass, QuantiserClass, SavedTensor
from unbraid.models.readers.pickles import LONGEST, read_pickle
from unbraid.models.readers.quantised import INVALID, QuantisedState, quantised_state
from unbraid.models.readers.safetensors import parse, read_header, rebuild
from unbraid.models.readers.tensors import LONG, PackageError, State, StoredTensor, Weights, size_in_bytes
from unbraid.models.readers.torch_zip import Entry, stored_entries

# Bytes. Published files have 55 to 170 MB; in float32, the largest would have 340 MB.
LARGEST = 1 << 30

# The same for networks in files without a class. Published files have up to 1.7 GB, and 0.25 MB of names.
LARGEST_STATE = 4 << 30
LONGEST_STATE = 1 << 20
STATE_KEYS = ("state_dict", "state")

# Limits of the nesting and the number of constructor arguments; the published networks have 2 and about 60.
DEEPEST_ARGUMENT = 4
MOST_ARGUMENTS = 1000

# The same for quantised weights; a published network has about 2,000 tensors.
DEEPEST_STATE = 5
MOST_TENSORS = 10_000

# Names of stems become file names.
STEM = re.compile(r"\w([\w .-]{0,38}\w)?")

ZIP = b"PK\x03\x04"
BEFORE_ZIP = (
    b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # first bytes of files by `torch.save` before 1.6 (2020)
)

Argument = None | bool | int | float | str | Fraction | list["Argument"] | dict[str, "Argument"]


@dataclass(frozen=True, slots=True)
class Package:
    """A published network: its class, its constructor's arguments, and its weights."""

    path: Path
    class_name: str
    """See `unbraid.models.architectures.Architecture.class_name`."""
    arguments: Mapping[str, Argument]
    state: Weights | QuantisedState

    @property
    def signature(self) -> str:
        """The name that bags use for the network."""
        return signature_of(self.path)


def read_package(path: Path) -> Package:
    """Read a `.th` or `.safetensors` file without its weights; `Package.state` reads a tensor on each access.

    No code from the file is run. Raises ModelError for a file that is missing, damaged, truncated, malicious, or not a
    package of a supported network.
    """
    try:
        if not path.is_file():
            raise PackageError("there is no such file", "Check its name.")
        with path.open("rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size > LARGEST:
                raise PackageError("it is larger than any package of weights", "Check its name.")
            if path.suffix == ENDINGS[1]:
                return _from_safetensors(path, file)
            return _from_archive(path, file)
    except OSError as error:
        raise ModelError(f"can't be read: {read_cause(error)}.", subject=str(path)) from error
    except PackageError as error:
        raise error.about(path) from error


def _from_safetensors(path: Path, file: FileIO) -> Package:
    tensors, metadata = read_header(file)
    klass = metadata.get("klass")
    if klass is None or klass not in CLASS_NAMES:
        raise PackageError(
            f"Unbraid doesn't support its network ({klass!r:.60})",
            f"Unbraid runs {SUPPORTED}. Use another model.",
        )
    args, kwargs = (parse(metadata.get(key, "null")) for key in ("args", "kwargs"))
    arguments = _arguments(args, kwargs)
    if "structure" in metadata:
        state = rebuild(parse(metadata["structure"]), tensors)
        return Package(path, CLASS_NAMES[klass], arguments, _quantised(path, state))
    return Package(path, CLASS_NAMES[klass], arguments, State(path, _without_integers(tensors)))


def _from_archive(path: Path, file: FileIO) -> Package:
    _check_start(file)
    entries = stored_entries(file)
    match _unpickled(file, entries, LONGEST):
        case {"klass": NetworkClass(name), "args": args, "kwargs": kwargs, "state": dict() as state}:
            if "__quantized" in state:
                tensors = _Tensors(entries).inside(state, DEEPEST_STATE)
                return Package(path, name, _arguments(args, kwargs), _quantised(path, tensors))
            return Package(path, name, _arguments(args, kwargs), State(path, _stored(state, entries)))
    raise PackageError("it is not a package of weights: klass, args, kwargs or state is missing or invalid")


def read_state(path: Path) -> State:
    """Read a file with the tensors of a network and nothing else: `.ckpt`, `.th`, `.pt` or `.safetensors`.

    A `.ckpt` is a file of `torch.save`: a dict of tensors, or a dict with such a dict called `state_dict` or `state`.
    Tensors may share their numbers. No code from the file is run. Raises ModelError.
    """
    try:
        if not path.is_file():
            raise PackageError("there is no such file", "Check its name.")
        with path.open("rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size > LARGEST_STATE:
                raise PackageError("it is larger than any known network", "Check its name.")
            if path.suffix == ENDINGS[1]:
                return State(path, _without_integers(read_header(file)[0]))
            _check_start(file)
            entries = stored_entries(file)
            state = _unpickled(file, entries, LONGEST_STATE)
            for key in STATE_KEYS:
                if isinstance(state, dict) and isinstance(state.get(key), dict):
                    state = state[key]
            if not isinstance(state, dict) or not state:
                raise PackageError("it has no tensors by name")
            return State(path, _stored(state, entries, shared=True))
    except OSError as error:
        raise ModelError(f"can't be read: {read_cause(error)}.", subject=str(path)) from error
    except PackageError as error:
        raise error.about(path) from error


def _check_start(file: FileIO) -> None:
    """Raise PackageError unless the file is a zip file of `torch.save`."""
    start = file.read(len(BEFORE_ZIP))
    if start == BEFORE_ZIP:
        raise PackageError("a PyTorch older than 1.6 saved it", "Save it again with a newer one.")
    if not start.startswith(ZIP):
        raise PackageError("it is not a package of weights")


def _unpickled(file: FileIO, entries: Mapping[str, Entry], longest: int) -> object:
    """Return the object in a file of `torch.save`."""
    if "data.pkl" not in entries:
        raise PackageError("it has no data.pkl, unlike files of PyTorch")
    if "byteorder" in entries and entries["byteorder"].read(file, LONGEST) != b"little":
        raise PackageError("its numbers are not little-endian", "Save it on another machine.")
    return read_pickle(entries["data.pkl"].read(file, longest))


def _stored(
    state: dict[object, object], entries: Mapping[str, Entry], *, shared: bool = False
) -> dict[str, StoredTensor]:
    """Return the tensors of a state. With `shared`, several may have the same numbers."""
    stored, places = {}, _Tensors(entries)
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, SavedTensor):
            raise PackageError(
                f"its state has an entry that isn't a tensor ({name!r:.80})", "Use another model."
            )
        if tensor.storage.dtype == LONG:
            raise _integers("LongStorage")
        stored[name] = places.place(tensor, name, shared=shared)
    return stored


class _Tensors:
    """Places of tensors in a file of `torch.save`."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = entries
        self._taken: set[str] = set()
        self._seen = count()

    def place(self, tensor: SavedTensor, name: str = "", *, shared: bool = False) -> StoredTensor:
        """Find the numbers of a tensor. Raises PackageError."""
        key = f"data/{tensor.storage.key}"
        length = size_in_bytes(tensor.storage.dtype, tensor.shape)
        if key not in self._entries or self._entries[key].length != length:
            raise PackageError(f"a tensor's numbers are missing, or their count is wrong ({name!r:.80})")
        if key in self._taken and not shared:
            raise PackageError("two tensors share their numbers", "Save it again with separate tensors.")
        self._taken.add(key)
        entry = self._entries[key]
        return StoredTensor(tensor.storage.dtype, tensor.shape, entry.offset, length, entry.crc32)

    def inside(self, value: object, depth: int) -> object:
        """Copy nested lists, tuples and dicts, in which tensors become their places. Raises PackageError."""
        if next(self._seen) > MOST_TENSORS or depth < 0:
            raise PackageError(INVALID)
        match value:
            case SavedTensor():
                return self.place(value)
            case list():
                return [self.inside(item, depth - 1) for item in value]
            case tuple():
                return tuple(self.inside(item, depth - 1) for item in value)
            case dict():
                return {key: self.inside(item, depth - 1) for key, item in value.items()}
        return value


def _without_integers(tensors: dict[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Return tensors of a `.safetensors` file. Raises PackageError for integers: only quantised weights have them."""
    if any(tensor.dtype == LONG for tensor in tensors.values()):
        raise _integers("I64")
    return tensors


def _integers(kind: str) -> PackageError:
    return PackageError(f"its numbers have an unsupported type ({kind!r})", "Save it as float16.")


def _quantised(path: Path, state: Any) -> QuantisedState:
    """Read a state of diffq, in which tensors are StoredTensors. Raises PackageError."""
    match state:
        case {
            "__quantized": True,
            "meta": {
                "klass": QuantiserClass(kind),
                "init_kwargs": dict() as settings,
                "packed": True,
                **meta,
            },
        } if not meta.get("torch_pack"):
            return quantised_state(path, kind, settings, state)
    raise PackageError("its weights are quantised in a form that Unbraid can't unpack", "Use another model.")


def _arguments(args: object, kwargs: object) -> dict[str, Argument]:
    """Copy the constructor's arguments to plain values, so that no list or dict is shared or contains itself."""
    if args not in ((), []) or not isinstance(kwargs, dict):
        raise PackageError("its network has unnamed arguments", "Use another model.")
    plain = _plain(kwargs, DEEPEST_ARGUMENT, count())
    assert isinstance(plain, dict)
    sources = plain.get("sources")
    if not isinstance(sources, list) or not all(
        isinstance(name, str) and STEM.fullmatch(name) for name in sources
    ):
        raise PackageError("its stems have no names, or names that can't be file names", "Use another model.")
    return plain


def _plain(value: object, depth: int, seen: Iterator[int]) -> Argument:
    if next(seen) > MOST_ARGUMENTS or depth < 0:
        raise PackageError("its network has too many arguments")
    match value:
        case float() if not math.isfinite(value):
            raise PackageError("an argument of its network is infinite or NaN")
        case int() | Fraction() if max(abs(value.numerator), value.denominator) >= 2**63:
            raise PackageError("an argument of its network is too large")
        case None | bool() | int() | float() | str() | Fraction():
            return value
        case list() | tuple():
            return [_plain(item, depth - 1, seen) for item in value]
        case dict() if all(isinstance(key, str) for key in value):
            return {key: _plain(item, depth - 1, seen) for key, item in value.items()}
    raise PackageError("an argument of its network is neither a number nor a text", "Use another model.")
