"""Folders to work in: locked while their process lives, cleared once it is gone, and never anybody else's."""

from __future__ import annotations

import os
import time
from pathlib import Path

from unbraid.files.workfolder import ABANDONED_AFTER_S, PREFIX, WorkFolder, clear_abandoned


def test_a_folder_that_is_in_use_stays_and_one_that_is_not_goes(tmp_path: Path) -> None:
    used = WorkFolder(tmp_path)
    abandoned = tmp_path / f"{PREFIX}abcdefgh"
    (abandoned / "stems").mkdir(parents=True)
    clear_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == [used.path]
    used.remove()
    assert list(tmp_path.iterdir()) == []


def test_what_another_machine_left_goes_after_a_day_without_a_change(tmp_path: Path) -> None:
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


def test_links_and_the_users_own_hidden_folders_stay(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / f"{PREFIX}linktoit").symlink_to(tmp_path / "music")
    (tmp_path / ".unbraid-settings").mkdir()
    before = sorted(tmp_path.iterdir())
    clear_abandoned(tmp_path)
    assert sorted(tmp_path.iterdir()) == before
