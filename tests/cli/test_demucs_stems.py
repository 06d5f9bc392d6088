"""The files of `unbraid demucs`: all of a song appear, or none; an error waits for the threads that still write."""

from __future__ import annotations

import errno
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pytest
from tests.conftest import WriteWave

from unbraid.cli import demucs_stems
from unbraid.cli.demucs_stems import Sound, encode_stems, move_files
from unbraid.errors import OutputError


class SlowEncoder:
    """Stands for an encoder: those of `slow` files take their time, all others fail at once."""

    left_while_writing = False

    def __init__(self, file: Path, **_: Any) -> None:
        self._slow = file.stem == "slow"
        self._writing = False

    def __enter__(self) -> SlowEncoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        SlowEncoder.left_while_writing |= self._writing

    def write(self, block: np.ndarray) -> None:
        self._writing = True
        if self._slow:
            time.sleep(0.2)
        self._writing = False
        if not self._slow:
            raise OutputError("the disk is full")


def test_encoders_are_left_alone_until_nobody_writes_to_them(
    write_wave: WriteWave, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demucs_stems, "Encoder", SlowEncoder)
    stem = write_wave(tmp_path / "stem.wav", seconds=0.01)
    files = [tmp_path / "failing.wav", tmp_path / "slow.wav"]
    with pytest.raises(OutputError, match="full"):
        encode_stems([stem, stem], files, stem, Sound("16", 320_000, "none"), lambda samples: None)
    assert not SlowEncoder.left_while_writing


@pytest.fixture
def made(tmp_path: Path) -> list[Path]:
    """Finished files."""
    (tmp_path / "made").mkdir()
    files = [tmp_path / "made" / name for name in ("0", "1")]
    for file in files:
        file.write_text(f"new {file.name}")
    return files


def test_files_come_into_their_places_over_older_ones(made: list[Path], tmp_path: Path) -> None:
    targets = [tmp_path / "out" / "a" / "vocals.wav", tmp_path / "out" / "b" / "rest.wav"]
    targets[0].parent.mkdir(parents=True)
    targets[0].write_text("old")
    move_files(made, targets)
    assert [target.read_text() for target in targets] == ["new 0", "new 1"]
    assert sorted((tmp_path / "out").rglob("*.wav")) == sorted((tmp_path / "out").rglob("*.*"))


def test_where_one_can_not_be_written_none_is(made: list[Path], tmp_path: Path) -> None:
    first = tmp_path / "new" / "vocals.wav"
    (tmp_path / "rest.wav").mkdir()
    with pytest.raises(OutputError, match=r"rest\.wav is a folder"):
        move_files(made, [first, tmp_path / "rest.wav"])
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file is in the way"):
        move_files(made, [first, tmp_path / "file" / "rest.wav"])
    assert not first.parent.exists()


def test_a_disk_that_gets_full_leaves_older_files_as_they_were(
    made: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = [tmp_path / "vocals.wav", tmp_path / "new" / "rest.wav"]
    targets[0].write_text("old")
    move = shutil.move

    def full(file: Path, target: Path) -> None:
        if file == made[1]:
            raise OSError(errno.ENOSPC, "no space left")
        move(file, target)

    monkeypatch.setattr(shutil, "move", full)
    with pytest.raises(OutputError, match=r"new can't be written: the disk is full"):
        move_files(made, targets)
    assert targets[0].read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "vocals.wav"]
