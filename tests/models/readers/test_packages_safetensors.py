"""`.safetensors` files are read and rejected as by the library `safetensors`."""

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


def test_reads_the_same_as_the_library(tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "a.safetensors", STATE)
    loaded = read_package(path)
    with safe_open(path, framework="numpy") as file:
        assert set(file.keys()) == set(loaded.state)
        for name in loaded.state:
            assert file.get_tensor(name).tobytes() == loaded.state[name].tobytes()


# Changes of the header, the error, and whether the library rejects them too.
CHANGES: list[tuple[Callable[[Header], object], str, bool]] = [
    (lambda h: h["a"].update(shape=[5, 5]), "doesn't fit", True),
    (lambda h: h["a"].update(shape=[1 << 62, 1 << 62]), "doesn't fit", True),
    (lambda h: h["a"].update(shape=[-3, -5]), "invalid shape", True),
    (lambda h: h["a"].update(shape=[3.0, 5]), "invalid shape", True),
    (lambda h: h["a"].update(shape=15), "header is invalid", True),
    (lambda h: h["a"].update(shape=[1] * 20 + [15]), "invalid shape", False),
    (lambda h: h["a"].update(data_offsets=[2, 32]), "overlap or have gaps", True),
    (lambda h: h["a"].update(data_offsets=[-2, 28]), "doesn't fit", True),
    (lambda h: h["a"].update(data_offsets=[30, 0]), "doesn't fit", True),
    (lambda h: h["b"].update(data_offsets=[0, 16]), "overlap or have gaps", True),
    (lambda h: h["b"].update(data_offsets=[1000, 1016]), "overlap or have gaps", True),
    (lambda h: h["a"].update(data_offsets=[0]), "header is invalid", True),
    (lambda h: h["a"].update(data_offsets=["0", "30"]), "header is invalid", True),
    (lambda h: h["a"].update(dtype="I64"), "doesn't fit its length", True),
    (lambda h: h["a"].update(dtype="BF16"), "'BF16'", False),
    (lambda h: h["a"].update(dtype=16), "header is invalid", True),
    (lambda h: h["a"].update(more=1), "header is invalid", False),
    (lambda h: h["a"].pop("dtype"), "header is invalid", True),
    (lambda h: h.update(a=[]), "header is invalid", True),
    (lambda h: h.pop("b"), "longer than its header says", True),
    (lambda h: h.pop("__metadata__"), "doesn't support its network", False),
    (lambda h: h.update(__metadata__=[]), "header is invalid", True),
    (lambda h: h.update(__metadata__={"klass": 1}), "header is invalid", True),
]


@pytest.mark.parametrize(("change", "message", "rejected_by_library"), CHANGES)
def test_rejects_invalid_header(
    tmp_path: Path, change: Callable[[Header], object], message: str, rejected_by_library: bool
) -> None:
    path = rewrite(write_safetensors(tmp_path / "a.safetensors", STATE), change)
    with pytest.raises(ModelError, match=message) as caught:
        read_package(path)
    assert "\n" not in caught.value.message
    if rejected_by_library:
        with pytest.raises((SafetensorError, OverflowError)):
            safe_open(path, framework="numpy")


FRACTION = {"_type": "fraction", "numerator": 39, "denominator": 5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"klass": "os.system"}, "doesn't support its network.*os.system"),
        ({"klass": "demucs.demucs.Demucs"}, "doesn't support its network.*demucs.demucs.Demucs"),
        ({"klass": "a\nb"}, "doesn't support its network"),
        ({"structure": "{}"}, "header is invalid"),
        ({"structure": '{"_dict": []}'}, "quantised in a form"),
        ({"structure": "[" * 100_000}, "header is invalid"),
        ({"structure": '{"_list": [' * 9 + "]}" * 9}, "header is invalid"),
        ({"args": '["drums"]'}, "named arguments"),
        ({"args": "null"}, "named arguments"),
        ({"args": "__import__('os')"}, "header is invalid"),
        ({"kwargs": "[]"}, "named arguments"),
        ({"kwargs": ""}, "header is invalid"),
        ({"kwargs": "[" * 100_000}, "header is invalid"),
        ({"kwargs": '{"a": ' * 10 + "1" + "}" * 10}, "too many arguments"),
        ({"kwargs": '{"a": 1, "a": 2}'}, "header is invalid"),
        ({"kwargs": '{"a": NaN}'}, "header is invalid"),
        ({"kwargs": '{"a": 1e999}'}, "infinite or NaN"),
        ({"kwargs": '{"a": ' + "9" * 100_000 + "}"}, "header is invalid"),
        ({"kwargs": '{"a": ' + "9" * 30 + "}"}, "too large"),
        ({"kwargs": '{"sources": ["a/b"]}'}, "stems"),
        ({"kwargs": json.dumps({"segment": FRACTION | {"denominator": 0}})}, "header is invalid"),
        ({"kwargs": json.dumps({"segment": FRACTION | {"denominator": None}})}, "header is invalid"),
        (
            {"kwargs": json.dumps({"segment": FRACTION | {"numerator": "1e999999999", "denominator": None}})},
            "header is invalid",
        ),
        ({"kwargs": json.dumps({"segment": {"_type": "fraction"}})}, "header is invalid"),
    ],
)
def test_rejects_invalid_metadata(tmp_path: Path, change: Header, message: str) -> None:
    path = rewrite(
        write_safetensors(tmp_path / "a.safetensors", STATE),
        lambda header: header["__metadata__"].update(change),
    )
    with pytest.raises(ModelError, match=message) as caught:
        read_package(path)
    assert caught.value.message.isprintable()


def test_rejects_extra_bytes_at_the_end(tmp_path: Path) -> None:
    path = rewrite(write_safetensors(tmp_path / "a.safetensors", STATE), lambda header: None, b"\0")
    with pytest.raises(ModelError, match="longer than its header says"):
        read_package(path)


@pytest.mark.parametrize("length", [0, 1 << 20, (1 << 20) + 1, 1 << 40, (1 << 64) - 1])
def test_rejects_wrong_header_length(tmp_path: Path, length: int) -> None:
    path = write_safetensors(tmp_path / "a.safetensors", STATE)
    path.write_bytes(length.to_bytes(8, "little") + path.read_bytes()[8:])
    with pytest.raises(ModelError):
        read_package(path)


def test_reads_any_tensor_names(tmp_path: Path) -> None:
    state = {"../../a": np.ones(2, np.float16), "é\n": np.ones(2, np.float32)}
    loaded = read_package(write_safetensors(tmp_path / "a.safetensors", state, HTDEMUCS))
    assert set(loaded.state) == set(state)
    assert loaded.state["é\n"].dtype == np.float32
