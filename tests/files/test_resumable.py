"""A resumable file keeps its bytes and its version between attempts, and appears when it is complete."""

from __future__ import annotations

from pathlib import Path

from unbraid.files.resumable import ResumableFile


def test_keeps_bytes_and_version_between_attempts(tmp_path: Path) -> None:
    path = tmp_path / "model.th"
    first = ResumableFile(path)
    assert (first.size, first.version) == (0, "")
    first.restart('"v1"')
    with first.append() as file:
        file.write(b"abc")
    second = ResumableFile(path)
    assert (second.size, second.version) == (3, '"v1"')
    with second.append() as file:
        file.write(b"def")
    assert not path.exists()
    second.commit()
    assert path.read_bytes() == b"abcdef"
    assert list(tmp_path.iterdir()) == [path]


def test_restart_removes_the_bytes_of_another_version(tmp_path: Path) -> None:
    new = ResumableFile(tmp_path / "model.th")
    with new.append() as file:
        file.write(b"abc")
    new.restart('"v2"')
    assert (new.size, new.version) == (0, '"v2"')
    new.discard()
    assert list(tmp_path.iterdir()) == []


def test_ignores_a_damaged_version(tmp_path: Path) -> None:
    (tmp_path / "model.th.part.version").write_bytes(b"\xff\0\r\n")
    assert ResumableFile(tmp_path / "model.th").version == ""
