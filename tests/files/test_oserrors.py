"""Failed writes become errors that say why as data, and what to do in words."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from unbraid.errors import OutputError, WriteProblem
from unbraid.files.oserrors import output_error, read_cause, report_output_errors, write_cause, write_problem


@pytest.mark.parametrize(
    ("number", "problem", "cause"),
    [
        (errno.ENOSPC, WriteProblem.DISK_FULL, "the disk is full"),
        (errno.EDQUOT, WriteProblem.DISK_FULL, "the disk is full"),
        (errno.EFBIG, WriteProblem.TOO_LARGE, "too large"),
        (errno.EACCES, WriteProblem.NO_PERMISSION, "no permission"),
        (errno.EROFS, WriteProblem.NO_PERMISSION, "no permission"),
        (errno.ENOENT, WriteProblem.NO_FOLDER, "folder doesn't exist"),
        (errno.ENOTDIR, WriteProblem.FILE_IN_THE_WAY, "a file is in the way"),
        (errno.EISDIR, WriteProblem.IS_FOLDER, "is a folder"),
        (errno.ENAMETOOLONG, WriteProblem.NAME_TOO_LONG, "name is too long"),
        (errno.EIO, WriteProblem.OTHER, "Input/output error"),
    ],
)
def test_says_why_a_write_failed(number: int, problem: WriteProblem, cause: str) -> None:
    error = OSError(number, os.strerror(number))
    assert write_problem(error) == problem
    assert cause in write_cause(error)
    told = output_error(Path("out"), error)
    assert told.problem == problem
    assert told.message.startswith("out can't be written: ")
    assert cause in told.message


def test_only_lack_of_space_is_solved_by_more_space() -> None:
    assert [problem for problem in WriteProblem if problem.is_lack_of_space] == [
        WriteProblem.DISK_FULL,
        WriteProblem.TOO_LARGE,
    ]


def test_message_names_the_option_of_a_command_and_another_path() -> None:
    error = output_error(Path("hidden/vocals.wav"), OSError(errno.ENOSPC, ""))
    shown = error.moved_to(Path("out/vocals.wav"))
    assert shown.message_with(" (-o)") == (
        "out/vocals.wav can't be written: the disk is full. Free some space, or choose another output folder (-o)."
    )
    assert shown.message == shown.message_with("")
    assert shown.message_about("song.mp3") == shown.message  # the song isn't the subject


def test_reports_what_the_system_raises_and_nothing_else(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"x.wav can't be written"),
        report_output_errors(tmp_path / "x.wav"),
    ):
        (tmp_path / "none" / "x.wav").touch()
    with pytest.raises(ValueError), report_output_errors(tmp_path):
        raise ValueError


def test_reading_fails_in_the_systems_words() -> None:
    assert read_cause(PermissionError(errno.EACCES, "Permission denied")) == "Permission denied"
    assert read_cause(ValueError("embedded null byte")) == "embedded null byte"
