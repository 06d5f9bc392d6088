"""Running out of memory is told as such, whoever notices; other faults keep their traceback."""

from __future__ import annotations

import pytest

from unbraid.errors import UnbraidError, exit_code
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
def test_a_lack_of_memory_is_one_line_with_advice(error: Exception) -> None:
    with (
        pytest.raises(UnbraidError, match="not enough memory") as told,
        report_out_of_memory(),
    ):
        raise error
    assert exit_code(told.value) == 1


@pytest.mark.parametrize(
    "error", [RuntimeError("wrong shape"), ImportError("no module"), ValueError("bad_alloc")]
)
def test_other_faults_stay_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, report_out_of_memory():
        raise error
    assert raised.value is error


def test_room_that_is_not_there_is_a_shortage() -> None:
    probe_memory(1 << 20)
    with pytest.raises(UnbraidError, match="not enough memory"), report_out_of_memory():
        probe_memory(1 << 60)
