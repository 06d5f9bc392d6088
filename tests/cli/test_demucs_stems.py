"""The files of `unbraid demucs`: atomic moves, and errors while other threads still encode."""

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
from unbraid.cli.demucs_stems import Encoding, encode_stems, move_files
from unbraid.errors import OutputError


class SlowEncoder:
    """A fake encoder: slow for a file called `slow`, failing for all others."""

    exited_while_writing = False

    def __init__(self, file: Path, **_: Any) -> None:
        self._slow = file.stem == "slow"
        self._writing = False

    def __enter__(self) -> SlowEncoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        SlowEncoder.exited_while_writing |= self._writing

    def write(self, block: np.ndarray) -> None:
        self._writing = True
        if self._slow:
            time.sleep(0.2)
        self._writing = False
        if not self._slow:
            raise OutputError("the disk is full")


def test_an_error_closes_the_encoders_after_all_threads_end(
    write_wave: WriteWave, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demucs_stems, "Encoder", SlowEncoder)
    stem = write_wave(tmp_path / "stem.wav", seconds=0.01)
    files = [tmp_path / "failing.wav", tmp_path / "slow.wav"]
    with pytest.raises(OutputError, match="full"):
        encode_stems([stem, stem], files, stem, Encoding("16", 320_000, "none"), lambda samples: None)
    assert not SlowEncoder.exited_while_writing


@pytest.fixture
def encoded(tmp_path: Path) -> list[Path]:
    """Two encoded files."""
    (tmp_path / "encoded").mkdir()
    files = [tmp_path / "encoded" / name for name in ("0", "1")]
    for file in files:
        file.write_text(f"new {file.name}")
    return files


def test_moves_files_over_older_ones(encoded: list[Path], tmp_path: Path) -> None:
    targets = [tmp_path / "out" / "a" / "vocals.wav", tmp_path / "out" / "b" / "rest.wav"]
    targets[0].parent.mkdir(parents=True)
    targets[0].write_text("old")
    move_files(encoded, targets)
    assert [target.read_text() for target in targets] == ["new 0", "new 1"]
    assert sorted((tmp_path / "out").rglob("*.wav")) == sorted((tmp_path / "out").rglob("*.*"))


def test_moves_nothing_if_one_target_is_invalid(encoded: list[Path], tmp_path: Path) -> None:
    first = tmp_path / "new" / "vocals.wav"
    (tmp_path / "rest.wav").mkdir()
    with pytest.raises(OutputError, match=r"rest\.wav is a folder"):
        move_files(encoded, [first, tmp_path / "rest.wav"])
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file is in the way"):
        move_files(encoded, [first, tmp_path / "file" / "rest.wav"])
    assert not first.parent.exists()


def test_a_full_disk_leaves_older_files_unchanged(
    encoded: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = [tmp_path / "vocals.wav", tmp_path / "new" / "rest.wav"]
    targets[0].write_text("old")
    move = shutil.move

    def full(file: Path, target: Path) -> None:
        if file == encoded[1]:
            raise OSError(errno.ENOSPC, "no space left")
        move(file, target)

    monkeypatch.setattr(shutil, "move", full)
    with pytest.raises(OutputError, match=r"new can't be written: the disk is full"):
        move_files(encoded, targets)
    assert targets[0].read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoded", "vocals.wav"]
