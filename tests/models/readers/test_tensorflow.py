"""TensorFlow checkpoints are read exactly, and invalid ones are rejected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.models.checkpoint_writer import FLOAT, HEADER, block, entries_of, entry, table, write_checkpoint
from tests.models.published import draw

from unbraid.errors import ModelError
from unbraid.models.readers.tensorflow import DATA, INDEX, LONGEST_INDEX, read_checkpoint

STATE = draw(
    {f"conv2d{suffix}/{name}": shape for suffix in ("", "_1", "_10") for name, shape in
     (("kernel", (2, 3, 2, 4)), ("bias", (4,)))},
    dtype="float32",
)  # fmt: skip
ENTRIES, _ = entries_of(STATE)
COUNTER = {"global_step": np.array(7, np.int64)}
SOURCES = ["vocals", "no_vocals"]
FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def weights(folder: Path) -> dict[str, bytes]:
    return {name: values.tobytes() for name, values in read_checkpoint(folder, SOURCES).state.items()}


EXPECTED = {name.replace("/", "."): values.tobytes() for name, values in STATE.items()}


def test_reads_what_was_written_except_counters(tmp_path: Path) -> None:
    package = read_checkpoint(write_checkpoint(tmp_path, {**STATE, **COUNTER}), SOURCES)
    assert package.class_name == "Spleeter"
    assert package.arguments == {"sources": SOURCES}
    assert weights(tmp_path) == EXPECTED
    for name, values in STATE.items():
        assert package.state.shape(name.replace("/", ".")) == values.shape


@pytest.mark.parametrize("name", [INDEX, DATA])
def test_rejects_truncated_files(tmp_path: Path, name: str) -> None:
    path = write_checkpoint(tmp_path, STATE) / name
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(ModelError, match="can't be used"):
            weights(tmp_path)


def test_rejects_missing_files(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="can't be read"):
        read_checkpoint(tmp_path, SOURCES)
    (write_checkpoint(tmp_path, STATE) / DATA).unlink()
    with pytest.raises(ModelError, match="can't be read"):
        read_checkpoint(tmp_path, SOURCES)


def test_rejects_wrong_checksum_of_a_tensor(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, STATE) / DATA
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="checksum in it is wrong"):
        weights(tmp_path)


def test_rejects_infinite_weights(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, {"conv2d/bias": np.array([1, np.inf], np.float32)})
    with pytest.raises(ModelError, match="infinite"):
        weights(tmp_path)


def changed(change: Callable[[dict[bytes, bytes]], object]) -> bytes:
    """Return the index of STATE after a change of its entries, with correct checksums."""
    entries = dict(ENTRIES)
    change(entries)
    return table(entries)


NAME = b"conv2d/bias"
BAD_ENTRIES: list[tuple[bytes, str]] = [
    (entry(FLOAT, (4,), 0, 1 << 40, 0), "doesn't fit"),
    (entry(FLOAT, (1 << 40, 1 << 40), 0, 16, 0), "doesn't fit"),
    (entry(FLOAT, (1 << 40,), 0, 1 << 42, 0), "overlap"),
    (entry(FLOAT, (4,), 1 << 40, 16, 0), "truncated"),
    (entry(FLOAT, (4,), 4, 16, 0), "overlap"),
    (entry(FLOAT, (0,), 0, 0, 0), "invalid shape"),
    (entry(FLOAT, (1,) * 20, 0, 4, 0), "invalid shape"),
    (entry(2, (4,), 0, 32, 0), r"unsupported type \(2\)"),
    (entry(FLOAT, (4,), 0, 16, 0, b"\x18\x01"), "several files"),
    (entry(FLOAT, (4,), 0, 16, 0, b"\x3a\x00"), "slices"),
    (entry(FLOAT, (4,), 0, 16, 0, b"\x0c"), "entry of its index is invalid"),
    (entry(FLOAT, (4,), 0, 16, 0, b"\x20\x00\x20\x00"), "entry of its index is invalid"),
    (b"\x08\x01\x12\x02\x12\x00\x10\x01", "invalid shape"),
    (b"\x08" + b"\xff" * 20, "too large"),
    (b"\x12\xff\xff\x7f", "truncated"),
]


@pytest.mark.parametrize(("bad", "message"), BAD_ENTRIES)
def test_rejects_invalid_entries(tmp_path: Path, bad: bytes, message: str) -> None:
    write_checkpoint(tmp_path, STATE)
    (tmp_path / INDEX).write_bytes(changed(lambda entries: entries.update({NAME: bad})))
    with pytest.raises(ModelError, match=message):
        weights(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e.pop(b""), "several files"),
        (lambda e: e.update({b"": b"\x08\x02"}), "several files"),
        (lambda e: e.update({b"": HEADER + b"\x10\x01"}), "little-endian"),
        (lambda e: e.update({b"z" * 201: e[NAME]}), "name in its index is invalid"),
        (lambda e: e.update({b"z\xff": e[NAME]}), "name in its index is invalid"),
        (lambda e: e.update({b"z\n": e[NAME]}), "name in its index is invalid"),
        (lambda e: e.update({b"a": e[NAME]}), "not in order"),
        (lambda e: e.update({b"z": e[NAME]}), "overlap"),
    ],
)
def test_rejects_invalid_indexes(tmp_path: Path, change: Callable[[Any], object], message: str) -> None:
    write_checkpoint(tmp_path, STATE)
    (tmp_path / INDEX).write_bytes(changed(change))
    with pytest.raises(ModelError, match=message):
        weights(tmp_path)


def test_rejects_compressed_blocks(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, STATE)
    compressed = block({b"": HEADER}, compression=1)
    footer = b"\x00\x00" + b"\x00" + bytes([len(compressed) - 5])
    content = compressed + footer.ljust(40, b"\0") + table({})[-8:]
    (tmp_path / INDEX).write_bytes(content)
    with pytest.raises(ModelError, match="compressed"):
        weights(tmp_path)


def test_rejects_long_indexes_without_reading_them(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, STATE)
    with (tmp_path / INDEX).open("r+b") as file:
        file.truncate(LONGEST_INDEX + 1)
    with pytest.raises(ModelError, match="too long"):
        weights(tmp_path)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A valid checkpoint; the tests overwrite its index."""
    return write_checkpoint(tmp_path_factory.mktemp("fuzz"), STATE)


INDEX_CONTENT = changed(lambda _: None)


def read_or_reject(folder: Path, index: bytes) -> None:
    (folder / INDEX).write_bytes(index)
    try:
        loaded = weights(folder)
    except ModelError as error:
        assert error.message.isprintable()
        assert len(error.message) < len(str(folder)) + 400
        return
    assert set(loaded.values()) <= set(EXPECTED.values())


@FUZZ
@given(position=st.floats(0, 1, exclude_max=True), removed=st.integers(0, 9), inserted=st.binary(max_size=9))
def test_edited_index_is_read_correctly_or_rejected(
    checkpoint: Path, position: float, removed: int, inserted: bytes
) -> None:
    at = int(position * len(INDEX_CONTENT))
    read_or_reject(checkpoint, INDEX_CONTENT[:at] + inserted + INDEX_CONTENT[at + removed :])


@FUZZ
@given(position=st.floats(0, 1, exclude_max=True), removed=st.integers(0, 9), inserted=st.binary(max_size=9))
def test_edited_entry_with_correct_checksums_is_read_correctly_or_rejected(
    checkpoint: Path, position: float, removed: int, inserted: bytes
) -> None:
    def edit(entries: dict[bytes, bytes]) -> None:
        value = entries[NAME]
        at = int(position * len(value))
        entries[NAME] = value[:at] + inserted + value[at + removed :]

    read_or_reject(checkpoint, changed(edit))


@FUZZ
@given(content=st.binary(max_size=300))
def test_random_block_with_correct_checksum_is_rejected(checkpoint: Path, content: bytes) -> None:
    from unbraid.models.readers.crc32c import masked_crc32c

    written = content + b"\x00"
    written += masked_crc32c(written).to_bytes(4, "little")
    size = len(content)
    handle = b"\x00" + bytes([size & 0x7F | 0x80, size >> 7])
    read_or_reject(checkpoint, written + (b"\x00\x00" + handle).ljust(40, b"\0") + INDEX_CONTENT[-8:])
