"""`.safetensors` files are read as the library of that name reads them, and refused where it refuses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import SafetensorError, safe_open
from tests.models.published import HTDEMUCS, draw, write_safetensors

from unbraid.errors import ModelError
from unbraid.models.readers.packages import read_package

STATE = draw({"a": (3, 5), "b": (8,)})
Header = dict[str, Any]


def rewrite(path: Path, change: Callable[[Header], object], extra: bytes = b"") -> Path:
    """Alter the header of a file."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :] + extra)
    return path


def test_the_library_reads_the_same(tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "a.safetensors", STATE)
    read = read_package(path)
    with safe_open(path, framework="numpy") as file:
        assert set(file.keys()) == set(read.state)
        for name in read.state:
            assert file.get_tensor(name).tobytes() == read.state[name].tobytes()


# Changes of the header, what the error says, and whether the library refuses them too.
CHANGES: list[tuple[Callable[[Header], object], str, bool]] = [
    (lambda h: h["a"].update(shape=[5, 5]), "doesn't fit", True),
    (lambda h: h["a"].update(shape=[1 << 62, 1 << 62]), "doesn't fit", True),
    (lambda h: h["a"].update(shape=[-3, -5]), "absurd shape", True),
    (lambda h: h["a"].update(shape=[3.0, 5]), "absurd shape", True),
    (lambda h: h["a"].update(shape=15), "no sense", True),
    (lambda h: h["a"].update(shape=[1] * 20 + [15]), "absurd shape", False),
    (lambda h: h["a"].update(data_offsets=[2, 32]), "overlap or leave gaps", True),
    (lambda h: h["a"].update(data_offsets=[-2, 28]), "doesn't fit", True),
    (lambda h: h["a"].update(data_offsets=[30, 0]), "doesn't fit", True),
    (lambda h: h["b"].update(data_offsets=[0, 16]), "overlap or leave gaps", True),
    (lambda h: h["b"].update(data_offsets=[1000, 1016]), "overlap or leave gaps", True),
    (lambda h: h["a"].update(data_offsets=[0]), "no sense", True),
    (lambda h: h["a"].update(data_offsets=["0", "30"]), "no sense", True),
    (lambda h: h["a"].update(dtype="I64"), "'I64'", True),
    (lambda h: h["a"].update(dtype="BF16"), "'BF16'", False),
    (lambda h: h["a"].update(dtype=16), "no sense", True),
    (lambda h: h["a"].update(more=1), "no sense", False),
    (lambda h: h["a"].pop("dtype"), "no sense", True),
    (lambda h: h.update(a=[]), "no sense", True),
    (lambda h: h.pop("b"), "longer than its header says", True),
    (lambda h: h.pop("__metadata__"), "doesn't hold a network", False),
    (lambda h: h.update(__metadata__=[]), "no sense", True),
    (lambda h: h.update(__metadata__={"klass": 1}), "no sense", True),
]


@pytest.mark.parametrize(("change", "message", "by_the_library"), CHANGES)
def test_a_header_that_makes_no_sense_is_refused(
    tmp_path: Path, change: Callable[[Header], object], message: str, by_the_library: bool
) -> None:
    path = rewrite(write_safetensors(tmp_path / "a.safetensors", STATE), change)
    with pytest.raises(ModelError, match=message) as caught:
        read_package(path)
    assert "\n" not in caught.value.message
    if by_the_library:
        with pytest.raises((SafetensorError, OverflowError)):
            safe_open(path, framework="numpy")


FRACTION = {"_type": "fraction", "numerator": 39, "denominator": 5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"klass": "os.system"}, "doesn't hold a network.*os.system"),
        ({"klass": "demucs.demucs.Demucs"}, "doesn't hold a network.*demucs.demucs.Demucs"),
        ({"klass": "a\nb"}, "doesn't hold a network"),
        ({"structure": "{}"}, "quantised"),
        ({"args": '["drums"]'}, "named arguments"),
        ({"args": "null"}, "named arguments"),
        ({"args": "__import__('os')"}, "no sense"),
        ({"kwargs": "[]"}, "named arguments"),
        ({"kwargs": ""}, "no sense"),
        ({"kwargs": "[" * 100_000}, "no sense"),
        ({"kwargs": '{"a": ' * 10 + "1" + "}" * 10}, "absurdly many"),
        ({"kwargs": '{"a": 1, "a": 2}'}, "no sense"),
        ({"kwargs": '{"a": NaN}'}, "no sense"),
        ({"kwargs": '{"a": 1e999}'}, "not a number"),
        ({"kwargs": '{"a": ' + "9" * 100_000 + "}"}, "no sense"),
        ({"kwargs": '{"a": ' + "9" * 30 + "}"}, "absurdly large"),
        ({"kwargs": '{"sources": ["a/b"]}'}, "stems"),
        ({"kwargs": json.dumps({"segment": FRACTION | {"denominator": 0}})}, "no sense"),
        ({"kwargs": json.dumps({"segment": FRACTION | {"denominator": None}})}, "no sense"),
        (
            {"kwargs": json.dumps({"segment": FRACTION | {"numerator": "1e999999999", "denominator": None}})},
            "no sense",
        ),
        ({"kwargs": json.dumps({"segment": {"_type": "fraction"}})}, "no sense"),
    ],
)
def test_metadata_that_make_no_sense_are_refused(tmp_path: Path, change: Header, message: str) -> None:
    path = rewrite(
        write_safetensors(tmp_path / "a.safetensors", STATE),
        lambda header: header["__metadata__"].update(change),
    )
    with pytest.raises(ModelError, match=message) as caught:
        read_package(path)
    assert caught.value.message.isprintable()


def test_something_after_the_end_is_refused(tmp_path: Path) -> None:
    path = rewrite(write_safetensors(tmp_path / "a.safetensors", STATE), lambda header: None, b"\0")
    with pytest.raises(ModelError, match="longer than its header says"):
        read_package(path)


@pytest.mark.parametrize("length", [0, 1 << 20, (1 << 20) + 1, 1 << 40, (1 << 64) - 1])
def test_the_length_of_the_header_is_not_believed(tmp_path: Path, length: int) -> None:
    path = write_safetensors(tmp_path / "a.safetensors", STATE)
    path.write_bytes(length.to_bytes(8, "little") + path.read_bytes()[8:])
    with pytest.raises(ModelError):
        read_package(path)


def test_names_of_tensors_can_be_anything(tmp_path: Path) -> None:
    state = {"../../a": np.ones(2, np.float16), "é\n": np.ones(2, np.float32)}
    read = read_package(write_safetensors(tmp_path / "a.safetensors", state, HTDEMUCS))
    assert set(read.state) == set(state)
    assert read.state["é\n"].dtype == np.float32
