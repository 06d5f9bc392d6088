"""Moving several files, all or none."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from unbraid.errors import OutputError
from unbraid.files.move_all import move_all


@pytest.fixture(params=["hard links", "no hard links"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with older files, and new ones in `new`."""
    (tmp_path / "new").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "new" / name).write_text("new")
    for name in ("b", "c", "extra"):
        (tmp_path / name).write_text("old")
    if request.param == "no hard links":

        def refuse(*_: object, **__: object) -> None:
            raise OSError(errno.EPERM, "no links here")

        monkeypatch.setattr(os, "link", refuse)
    return tmp_path


def moves(folder: Path) -> list[tuple[Path, Path]]:
    return [(folder / "new" / name, folder / name) for name in ("a", "b", "c")]


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_replaces_files(folder: Path) -> None:
    (folder / "b").unlink()
    (folder / "b").symlink_to("extra")
    move_all(moves(folder))
    assert contents(folder) == {"a": "new", "b": "new", "c": "new", "extra": "old"}
    assert not (folder / "b").is_symlink()


@pytest.mark.parametrize("blocked", ["b", "c"])
def test_restores_everything_if_one_file_can_not_be_moved(blocked: str, folder: Path) -> None:
    (folder / blocked).unlink()
    (folder / blocked).mkdir()
    before = contents(folder)
    with pytest.raises(OutputError, match=blocked):
        move_all(moves(folder))
    assert contents(folder) == before
    assert (folder / blocked).is_dir()
