"""Published packages are read exactly as saved, and rejected if anything is wrong with them."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.models.published import (
    HDEMUCS_MMI,
    HTDEMUCS,
    HTDEMUCS_6S,
    Call,
    Named,
    StoredElsewhere,
    archive,
    draw,
    package,
    pickled,
    published,
    saved_tensor,
    write_safetensors,
    write_th,
)

from unbraid.errors import ModelError
from unbraid.models.readers.packages import read_package

SHAPES = {
    "encoder.0.conv.weight": (4, 2, 8, 1),
    "encoder.0.conv.bias": (4,),
    "scale": (),
    "freq_emb.weight": (3, 5),
}
WRITERS: list[Callable[..., Path]] = [published, write_th, write_safetensors]
Weights = dict[str, NDArray[Any]]


@pytest.fixture
def state() -> Weights:
    return draw(SHAPES)


def ending(writer: Callable[..., Path]) -> str:
    return ".safetensors" if writer is write_safetensors else ".th"


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("writer", WRITERS)
def test_reads_class_arguments_and_weights(tmp_path: Path, writer: Callable[..., Path], dtype: str) -> None:
    state = draw(SHAPES, dtype=dtype)
    loaded = read_package(writer(tmp_path / f"955717e8{ending(writer)}", state))
    assert (loaded.class_name, loaded.arguments, loaded.signature) == ("HTDemucs", HTDEMUCS, "955717e8")
    assert loaded.arguments["segment"] == Fraction(39, 5)
    assert {name: (values.dtype, values.tobytes()) for name, values in loaded.state.items()} == {
        name: (values.dtype, values.tobytes()) for name, values in state.items()
    }
    assert all(
        loaded.state.shape(name) == loaded.state[name].shape == shape for name, shape in SHAPES.items()
    )


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(("class_name", "arguments"), [("HTDemucs", HTDEMUCS_6S), ("HDemucs", HDEMUCS_MMI)])
def test_reads_all_published_architectures(
    tmp_path: Path, state: Weights, writer: Callable[..., Path], class_name: str, arguments: dict[str, Any]
) -> None:
    loaded = read_package(writer(tmp_path / f"a{ending(writer)}", state, arguments, class_name))
    assert (loaded.class_name, loaded.arguments) == (class_name, arguments)


@pytest.mark.parametrize(
    ("file", "signature"),
    [("955717e8-8726e21a.th", "955717e8"), ("mine.th", "mine"), ("my-own-1234.th", "my-own")],
)
def test_signature_is_the_file_name_without_checksum(
    tmp_path: Path, state: Weights, file: str, signature: str
) -> None:
    assert read_package(published(tmp_path / file, state)).signature == signature


def test_reads_a_state_dict_with_attributes(tmp_path: Path, state: Weights) -> None:
    content = package(state)
    entries = OrderedDict(content["state"])
    entries._metadata = {"": {"version": 1}}  # type: ignore[attr-defined]
    path = tmp_path / "a.th"
    path.write_bytes(archive(pickled(content | {"state": entries}), state))
    assert set(read_package(path).state) == set(SHAPES)


# Changes of the saved dict.
def tensor(**changed: Any) -> Callable[[dict[str, Any]], object]:
    values = draw(SHAPES)["freq_emb.weight"]
    return lambda saved: saved["state"].update({"freq_emb.weight": saved_tensor(3, values, **changed)})


def storage(*name: Any) -> Callable[[dict[str, Any]], object]:
    return tensor(storage=StoredElsewhere(*name))


HALF = Named("torch", "HalfStorage")
NESTED: list[Any] = ["x"]
for _ in range(60):
    NESTED = [NESTED, NESTED]
RECURSIVE: list[Any] = []
RECURSIVE.append(RECURSIVE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("klass"), "klass"),
        (lambda d: d.pop("kwargs"), "kwargs"),
        (lambda d: d.pop("state"), "state"),
        (lambda d: d.update(klass="HTDemucs"), "klass"),
        (lambda d: d.update(klass=Named("demucs.demucs", "Demucs")), "network has the class Demucs"),
        (lambda d: d.update(klass=Named("torch.nn", "Module")), r"torch.nn.Module.*malicious"),
        (lambda d: d.update(args=(1,)), "named arguments"),
        (lambda d: d.update(kwargs=[]), "named arguments"),
        (lambda d: d["kwargs"].update(channels=HALF), "neither a number nor a text"),
        (lambda d: d["kwargs"].update(channels=float("nan")), "infinite or NaN"),
        (lambda d: d["kwargs"].update(channels=1 << 70), "too large"),
        (lambda d: d["kwargs"].update(segment=Fraction(1, 1 << 64)), "too large|fraction"),
        (
            lambda d: d["kwargs"].update(segment=Call(Named("fractions", "Fraction"), "1e999999999")),
            "fraction",
        ),
        (
            lambda d: d["kwargs"].update(segment=Call(Named("fractions", "Fraction"), 1, 0)),
            "its pickle is invalid",
        ),
        (lambda d: d["kwargs"].update(segment=Call(Named("fractions", "Fraction"))), "fraction"),
        (lambda d: d["kwargs"].update(sources=NESTED), "too many arguments"),
        (lambda d: d["kwargs"].update(sources=RECURSIVE), "too many arguments"),
        (lambda d: d["kwargs"].update(sources=["a"] * 2000), "too many arguments"),
        (lambda d: d["kwargs"].pop("sources"), "stems"),
        (lambda d: d["kwargs"].update(sources="drums"), "stems"),
        (lambda d: d["kwargs"].update(sources=["../../drums"]), "stems"),
        (lambda d: d["kwargs"].update(sources=["a/b"]), "stems"),
        (lambda d: d["kwargs"].update(sources=["a\nb"]), "stems"),
        (lambda d: d["kwargs"].update(sources=[".."]), "stems"),
        (lambda d: d["kwargs"].update(sources=["a" * 99]), "stems"),
        (lambda d: d["kwargs"].update({"a": {1: 2}}), "neither a number nor a text"),
        (lambda d: d["state"].update(a=1), "isn't a tensor"),
        (lambda d: d["state"].update({1: d["state"]["scale"]}), "isn't a tensor"),
        (lambda d: d["state"].update(__quantized=True), "quantised"),
        (lambda d: d.update(quantizer=Named("diffq.lsq", "LSQ")), "quantised by LSQ"),
        (lambda d: d["state"].update({"b": d["state"]["scale"]}), "two tensors"),
        (tensor(shape=(5, 3)), "view"),
        (tensor(shape=(3, 4), strides=(4, 1)), "fill its storage"),
        (tensor(shape=(3, 6), strides=(6, 1)), "fill its storage"),
        (tensor(offset=1), "fill its storage"),
        (tensor(offset=-1), "fill its storage"),
        (tensor(strides=(0, 0)), "view"),
        (tensor(strides=(1, 3)), "view"),
        (tensor(shape=(15,), strides=()), "its pickle is invalid"),
        (tensor(shape=(1 << 40, 1 << 40), strides=(1 << 40, 1)), "fill its storage"),
        (tensor(shape=(-3, -5), strides=(-5, 1)), "invalid shape"),
        (tensor(shape=(0,), strides=(1,)), "invalid shape"),
        (tensor(shape=(3.0, 5), strides=(5, 1)), "invalid shape"),
        (tensor(shape=(*(1,) * 20, 15), strides=(1,) * 21), "invalid shape"),
        (tensor(shape=15), "a tensor is invalid"),
        (tensor(storage=None), "a tensor is invalid"),
        (storage("storage", HALF, "3", "cpu", 1 << 40), "fill its storage"),
        (storage("storage", HALF, "77", "cpu", 15), "missing"),
        (storage("storage", HALF, "1", "cpu", 15), "count is wrong"),
        (storage("storage", HALF, "../3", "cpu", 15), "a storage is invalid"),
        (storage("storage", HALF, "", "cpu", 15), "a storage is invalid"),
        (storage("storage", HALF, "\N{SUPERSCRIPT THREE}", "cpu", 15), "a storage is invalid"),
        (storage("storage", Named("torch", "LongStorage"), "3", "cpu", 15), "LongStorage"),
        (storage("storage", "HalfStorage", "3", "cpu", 15), "a storage is invalid"),
        (storage("storage"), "a storage is invalid"),
        (storage(), "a storage is invalid"),
    ],
)
def test_rejects_invalid_pickle(
    tmp_path: Path, state: Weights, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    content = package(state)
    change(content)
    path = tmp_path / "a.th"
    path.write_bytes(archive(pickled(content), state))
    with pytest.raises(ModelError, match=message) as caught:
        read_package(path)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e.pop("archive/data.pkl"), "data.pkl"),
        (lambda e: e.pop("archive/data/3"), "missing"),
        (lambda e: e.update({"archive/data/3": bytes(28)}), "count is wrong"),
        (lambda e: e.update({"other/data.pkl": b""}), "duplicate or invalid name"),
        (lambda e: e.update({"other/x": b""}), "not in one folder"),
        (lambda e: e.update({"archive/../../x": b""}), "invalid name"),
        (lambda e: e.update({"/x": b""}), "invalid name"),
        (lambda e: e.update({"archive\\x": b""}), "invalid name"),
        (lambda e: e.update({"archive/a\nb": b""}), "invalid name"),
        (lambda e: e.update({"archive/": b""}), "invalid name"),
        (lambda e: e.update({"archive/byteorder": b"big"}), "not little-endian"),
        (lambda e: e.update({"archive/data.pkl": bytes(2 << 20)}), "description is too long"),
        (lambda e: e.update({f"archive/{i:0200}": b"" for i in range(6000)}), "directory is too long"),
    ],
)
def test_rejects_archive_unlike_those_of_pytorch(
    tmp_path: Path, state: Weights, change: Callable[[dict[str, bytes]], object], message: str
) -> None:
    path = tmp_path / "a.th"
    path.write_bytes(archive(pickled(package(state)), state, change))
    with pytest.raises(ModelError, match=message) as caught:
        read_package(path)
    assert "\n" not in caught.value.message


def test_rejects_duplicate_entry(tmp_path: Path, state: Weights) -> None:
    content = archive(pickled(package(state)), state)
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a") as again, pytest.warns(UserWarning, match="Duplicate"):
        again.writestr("archive/data.pkl", b"other")
    path = tmp_path / "a.th"
    path.write_bytes(file.getvalue())
    with pytest.raises(ModelError, match="duplicate"):
        read_package(path)


def test_rejects_compressed_archive_as_possible_bomb(tmp_path: Path) -> None:
    path = tmp_path / "a.th"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", bytes(10 << 20))
    with pytest.raises(ModelError, match="compressed"):
        read_package(path)


def test_rejects_overlapping_entries(tmp_path: Path, state: Weights) -> None:
    content = bytearray(archive(pickled(package(state)), state))
    # Give the second directory record the offset of the first entry; it is 42 bytes into a record.
    first = content.index(b"PK\x01\x02")
    second = content.index(b"PK\x01\x02", first + 1)
    content[second + 42 : second + 46] = content[first + 42 : first + 46]
    path = tmp_path / "a.th"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="overlap"):
        read_package(path)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_rejects_infinite_and_nan_weights(
    tmp_path: Path, writer: Callable[..., Path], dtype: str, value: float
) -> None:
    state = draw(SHAPES, dtype=dtype)
    state["freq_emb.weight"][1, 2] = value
    loaded = read_package(writer(tmp_path / f"a{ending(writer)}", state))
    assert loaded.state["scale"] == state["scale"]
    with pytest.raises(ModelError, match=r"infinite or NaN.*freq_emb"):
        loaded.state["freq_emb.weight"]


def test_reads_the_largest_and_smallest_weights(tmp_path: Path) -> None:
    state = {"a": np.array([65504, -65504, 2**-24, -(2**-24), 0.0, -0.0], np.float16)}
    assert read_package(published(tmp_path / "a.th", state)).state["a"].tobytes() == state["a"].tobytes()


@pytest.mark.parametrize("writer", [published, write_th])
def test_rejects_altered_weight(tmp_path: Path, state: Weights, writer: Callable[..., Path]) -> None:
    path = writer(tmp_path / "a.th", state)
    content = path.read_bytes()
    weight = state["encoder.0.conv.weight"].tobytes()
    assert content.count(weight) == 1
    path.write_bytes(content.replace(weight, bytes([weight[0] ^ 1]) + weight[1:]))
    with pytest.raises(ModelError, match="damaged"):
        read_package(path).state["encoder.0.conv.weight"]


@pytest.mark.parametrize("writer", WRITERS)
def test_rejects_truncated_package(tmp_path: Path, state: Weights, writer: Callable[..., Path]) -> None:
    path = writer(tmp_path / f"a{ending(writer)}", state)
    content = path.read_bytes()
    for length in (0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ModelError):
            read_package(path)


def test_detects_a_file_changed_after_reading(tmp_path: Path, state: Weights) -> None:
    path = published(tmp_path / "a.th", state)
    loaded = read_package(path)
    os.truncate(path, 100)
    with pytest.raises(ModelError, match="truncated"):
        loaded.state["encoder.0.conv.weight"]
    path.unlink()
    with pytest.raises(ModelError, match="can't be read"):
        loaded.state["encoder.0.conv.weight"]


def test_rejects_other_files_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.th"
    with pytest.raises(ModelError, match="no such file"):
        read_package(path)
    path.mkdir()
    with pytest.raises(ModelError, match="no such file"):
        read_package(path)
    path.rmdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(path)
        with pytest.raises(ModelError, match="no such file"):
            read_package(path)
        path.unlink()
    path.write_text("<!doctype html><title>Not found</title>")
    with pytest.raises(ModelError, match="not a package of weights"):
        read_package(path)
    with path.open("wb") as file:
        file.truncate(2 << 30)
    with pytest.raises(ModelError, match="larger than any package"):
        read_package(path)


def test_rejects_files_of_old_pytorch(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "a.th"
    torch.save({"state": {}}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(ModelError, match=r"older than 1\.6"):
        read_package(path)


def test_rejects_wrong_size_in_zip_directory(tmp_path: Path, state: Weights) -> None:
    """The zip directory claims more bytes than the entry has. None beyond the entry are read."""
    content = bytearray(archive(pickled(package(state)), state))
    last = content.rindex(b"PK\x01\x02")
    content[last + 20 : last + 28] = struct.pack("<II", 1 << 30, 1 << 30)
    path = tmp_path / "a.th"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="damaged or truncated"):
        read_package(path)


@pytest.mark.parametrize("offset", [1 << 31, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_rejects_offsets_beyond_the_file(tmp_path: Path, state: Weights, offset: int) -> None:
    path = tmp_path / "a.th"
    content = archive(pickled(package(state)), state)
    with zipfile.ZipFile(io.BytesIO(content), "a") as file:
        file.filelist[-1].header_offset = offset
        file.comment = b""
        file._didModify = True  # type: ignore[attr-defined]
        buffer = file.fp
        assert isinstance(buffer, io.BytesIO)
        file.close()
        path.write_bytes(buffer.getvalue())
    with pytest.raises(ModelError, match="damaged or truncated"):
        read_package(path)


@pytest.mark.parametrize("size", [0, 1, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
@pytest.mark.parametrize("offset", [0, 1 << 40, 1 << 63, (1 << 64) - 1])
def test_rejects_directory_beyond_the_file(tmp_path: Path, state: Weights, size: int, offset: int) -> None:
    content = archive(pickled(package(state)), state)
    end = content.rindex(b"PK\x05\x06")
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 6, 6, size, offset)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    last = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 6, 6, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path = tmp_path / "a.th"
    path.write_bytes(content[:end] + record + locator + last)
    with pytest.raises(ModelError):
        read_package(path)
