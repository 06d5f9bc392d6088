"""A damaged package gives the saved weights or a ModelError, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.models.published import archive, draw, package, pickled, published, write_safetensors, write_th

from unbraid.errors import ModelError
from unbraid.models.readers.packages import Package, read_package
from unbraid.models.readers.pickles import read_pickle
from unbraid.models.readers.tensors import PackageError

STATE = draw({"a.weight": (3, 4), "a.bias": (5,)})
PICKLE = pickled(package(STATE, {"sources": ["drums", "vocals"], "channels": 48}))

# Edits: (position as a share of the length, bytes to remove, bytes to insert).
Edits = list[tuple[float, int, bytes]]
# Many inserted bytes are instructions of pickles: names, calls, attributes, sizes.
INSERTED = st.binary(max_size=8) | st.sampled_from(
    [
        b"cos\nsystem\n",
        b"R",
        b"b",
        b"}",
        b"]",
        b"(",
        b"t",
        b"0",
        b"2",
        b"h\x00",
        b"q\x00",
        b"r\xff\xff\xff\xff",
        b"Q",
        b"X\xff\xff\xff\xff",
        b"\x8a\xff",
        b"N",
        b"s",
        b"u",
        b"a",
        b"e",
        b".",
        b"PK\x01\x02",
        b"PK\x05\x06",
        b"\xff" * 4,
    ]
)
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), INSERTED), min_size=1, max_size=4)
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def edited(content: bytes, edits: Edits) -> bytes:
    changed = bytearray(content)
    for share, removed, inserted in edits:
        at = int(share * len(changed))
        changed[at : at + removed] = inserted
    return bytes(changed)


@pytest.fixture(scope="module", params=[published, write_th, write_safetensors])
def package_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A valid package; the test overwrites it."""
    writer: Callable[..., Path] = request.param
    ending = ".safetensors" if writer is write_safetensors else ".th"
    return writer(tmp_path_factory.mktemp("fuzz") / f"a{ending}", STATE)


def weights(loaded: Package) -> dict[str, NDArray[Any]]:
    return {name: values.copy() for name, values in loaded.state.items()}


@pytest.fixture(scope="module")
def good(package_path: Path) -> bytes:
    return package_path.read_bytes()


@FUZZ
@given(edits=EDITS)
def test_edited_file_is_read_correctly_or_rejected(package_path: Path, good: bytes, edits: Edits) -> None:
    package_path.write_bytes(edited(good, edits))
    check(package_path, good)


@FUZZ
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_flipped_bit_is_detected_or_harmless(
    package_path: Path, good: bytes, position: float, bit: int
) -> None:
    changed = bytearray(good)
    changed[int(position * len(good))] ^= 1 << bit
    package_path.write_bytes(changed)
    check(package_path, good)


def check(path: Path, good: bytes) -> None:
    try:
        loaded_weights = weights(read_package(path))
    except ModelError as error:
        assert error.message.isprintable()
        assert len(error.message) < len(str(path)) + 400
        return
    if path.suffix == ".th":  # has checksums
        assert {name: values.tobytes() for name, values in loaded_weights.items()} == {
            name: values.tobytes() for name, values in STATE.items()
        }
    assert all(np.isfinite(values).all() for values in loaded_weights.values())


@FUZZ
@given(edits=EDITS)
@example(edits=[(0.5, 0, b"cos\nsystem\n")])
def test_edited_pickle_is_read_or_rejected(edits: Edits) -> None:
    """Edit the pickle alone: the checksum of the file would reject most edits."""
    try:
        read_pickle(edited(PICKLE, edits))
    except PackageError as error:
        assert str(error).isprintable()


@FUZZ
@given(edits=EDITS)
def test_package_with_edited_pickle_has_only_saved_weights(
    tmp_path_factory: pytest.TempPathFactory, edits: Edits
) -> None:
    path = tmp_path_factory.getbasetemp() / "edited.th"
    path.write_bytes(archive(edited(PICKLE, edits), STATE))
    try:
        loaded_weights = weights(read_package(path))
    except ModelError as error:
        assert error.message.isprintable()
        return
    # The edit may change names and order of tensors, but not their numbers.
    assert {values.tobytes() for values in loaded_weights.values()} <= {
        values.tobytes() for values in STATE.values()
    }


@FUZZ
@given(content=st.binary(max_size=200), protocol=st.sampled_from([b"", b"\x80\x02"]))
def test_random_pickle_is_read_or_rejected(content: bytes, protocol: bytes) -> None:
    try:
        read_pickle(protocol + content)
    except PackageError as error:
        assert str(error).isprintable()
