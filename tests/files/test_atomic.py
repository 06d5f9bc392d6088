"""A file or folder gets its name when it is complete, or never."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import pytest

from unbraid.files.atomic import LONGEST_NAME, PART, AtomicFile, atomic_folder, atomic_write
from unbraid.files.workfolder import PREFIX


def test_file_appears_when_committed(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    with AtomicFile(path) as new:
        new.file.write(b"sound")
        assert not path.exists()
        assert [p.name.startswith(PART) for p in tmp_path.iterdir()] == [True]
        new.commit()
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"sound"


def test_file_that_is_not_committed_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(b"old")
    with AtomicFile(path) as new:
        new.file.write(b"sound")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"old"


def test_error_leaves_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as file:
        file.write(b"sound")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"old"


def test_older_file_is_replaced_unless_it_shall_stay(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    for content, replace, expected in ((b"1", False, b"1"), (b"2", False, b"1"), (b"3", True, b"3")):
        with atomic_write(path, replace=replace) as file:
            file.write(content)
        assert path.read_bytes() == expected
        assert list(tmp_path.iterdir()) == [path]


def test_mode_is_set_from_the_start(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    with atomic_write(path, mode=0o600) as file:
        (part,) = tmp_path.iterdir()
        assert stat.S_IMODE(part.stat().st_mode) == 0o600
        file.write(b"x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_name_that_can_never_be_used_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        AtomicFile(tmp_path / "folder")
    with pytest.raises(OSError) as caught:
        AtomicFile(tmp_path / ("n" * (LONGEST_NAME + 1)))
    assert caught.value.errno == errno.ENAMETOOLONG
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_folder_appears_complete_and_replaces_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "models" / "lite"
    for content in ("1", "2"):
        with atomic_folder(path) as new:
            (new / content).touch()
            assert not (path / content).exists()
        assert [file.name for file in path.iterdir()] == [content]
        assert list(path.parent.iterdir()) == [path]


def test_error_leaves_the_older_folder_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "lite"
    with pytest.raises(ValueError), atomic_folder(path) as new:
        (new / "weights.bin").touch()
        raise ValueError
    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_killed_process_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}abcdefgh" / "lite").mkdir(parents=True)
    with atomic_folder(tmp_path / "lite"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["lite"]
