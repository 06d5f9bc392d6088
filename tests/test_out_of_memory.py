"""Running out of memory is reported as OutOfMemory; other errors keep their traceback."""

from __future__ import annotations

import pytest

from unbraid.errors import OutOfMemory, exit_code
from unbraid.out_of_memory import probe_memory, report_out_of_memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("can't start new thread"),
        RuntimeError("Exception from src/inference/src/cpp/core.cpp:112:\nstd::bad_alloc"),
        ImportError("libopenvino.so: failed to map segment from shared object"),
    ],
)
def test_reports_out_of_memory_in_one_line_with_advice(error: Exception) -> None:
    with (
        pytest.raises(OutOfMemory, match="not enough memory") as caught,
        report_out_of_memory(),
    ):
        raise error
    assert exit_code(caught.value) == 1


@pytest.mark.parametrize(
    "error", [RuntimeError("wrong shape"), ImportError("no module"), ValueError("bad_alloc")]
)
def test_other_errors_are_unchanged(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, report_out_of_memory():
        raise error
    assert raised.value is error


def test_probe_fails_for_more_memory_than_there_is() -> None:
    probe_memory(1 << 20)
    with pytest.raises(OutOfMemory, match="not enough memory"), report_out_of_memory():
        probe_memory(1 << 60)
