"""Work folders are locked while their process lives and removed once it is gone; other folders stay."""

from __future__ import annotations

import os
import time
from pathlib import Path

from unbraid.files.workfolder import ABANDONED_AFTER_S, PREFIX, WorkFolder, clear_abandoned


def test_removes_abandoned_folder_and_keeps_used_one(tmp_path: Path) -> None:
    used = WorkFolder(tmp_path)
    abandoned = tmp_path / f"{PREFIX}abcdefgh"
    (abandoned / "stems").mkdir(parents=True)
    clear_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == [used.path]
    used.remove()
    assert list(tmp_path.iterdir()) == []


def test_removes_folder_of_another_machine_after_a_day_without_changes(tmp_path: Path) -> None:
    foreign = tmp_path / ".unbraid-00000000-abcdefgh"
    spool = foreign / "stems.f32"
    foreign.mkdir()
    spool.touch()
    long_ago = time.time() - ABANDONED_AFTER_S - 60
    os.utime(foreign, (long_ago, long_ago))
    clear_abandoned(tmp_path)
    assert spool.exists()
    os.utime(spool, (long_ago, long_ago))
    os.utime(foreign, (long_ago, long_ago))
    clear_abandoned(tmp_path)
    assert not foreign.exists()


def test_keeps_links_and_hidden_folders_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / f"{PREFIX}linktoit").symlink_to(tmp_path / "music")
    (tmp_path / ".unbraid-settings").mkdir()
    before = sorted(tmp_path.iterdir())
    clear_abandoned(tmp_path)
    assert sorted(tmp_path.iterdir()) == before
