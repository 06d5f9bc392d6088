"""The folder of songs and stems: atomic writes, and no access outside the folder."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.folders import everything_in

from unbraid.errors import OutputError
from unbraid.local.files import FolderStore
from unbraid.local.links import Links

KEY = "inputs/abc/song.mp3"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "objects", Links(b"secret"))


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/etc/passwd",
        "inputs/abc/../../../secret",
        "inputs/../secret/x",
        "inputs/abc/..",
        "inputs/abc/.part-1",
        "inputs/abc/a/b",
        "inputs//song.mp3",
        "inputs/abc/",
        "elsewhere/abc/song.mp3",
        "inputs/abc/song.mp3\n",
        "inputs/abc/so\0ng",
        "inputs/a%2fb/song",
        "inputs\\abc\\song.mp3",
        "inputs/abc/ünsong.mp3",
    ],
)
def test_rejects_invalid_keys(store: FolderStore, key: str) -> None:
    for use in (store.size, store.write, lambda key: store.head(key, 1), store.path):
        with pytest.raises(ValueError, match="not a key"):
            use(key)


@pytest.mark.parametrize(
    "prefix", ["", "/", "inputs/", "inputs/abc", "inputs/../", "inputs/abc/x/", "../abc/"]
)
def test_deletes_only_folders_of_sessions(store: FolderStore, prefix: str) -> None:
    with pytest.raises(ValueError, match="not a folder"):
        store.delete(prefix)


def test_a_file_appears_when_it_is_complete(store: FolderStore) -> None:
    with store.write(KEY) as part:
        part.write(b"half")
        assert store.size(KEY) is None
        part.write(b" and half")
        part.commit()
    assert store.head(KEY, 100) == b"half and half"
    assert everything_in(store.root) == ["inputs", "inputs/abc", KEY]


def test_an_uncommitted_file_leaves_nothing(store: FolderStore) -> None:
    with pytest.raises(RuntimeError), store.write(KEY) as part:
        part.write(b"half")
        raise RuntimeError
    assert everything_in(store.root) == ["inputs"]


def test_a_session_deleted_during_a_write_stays_deleted(store: FolderStore) -> None:
    with pytest.raises(FileNotFoundError), store.write(KEY) as part:
        part.write(b"half")
        assert store.delete("inputs/abc/") == 0
        part.commit()
    assert everything_in(store.root) == ["inputs"]


def test_concurrent_uploads_do_not_remove_each_others_folder(store: FolderStore) -> None:
    failures: list[BaseException] = []

    def upload() -> None:
        try:
            for _ in range(50):
                with store.write(KEY) as part:
                    part.write(b"x")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=upload) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert everything_in(store.root) == ["inputs"]


def test_copies_a_stem_from_another_disk(store: FolderStore, tiny_disk: Path) -> None:
    stem = tiny_disk / "vocals.wav"
    stem.write_bytes(bytes(100_000))
    store.put(stem, "outputs/abc/vocals.wav", "audio/wav")
    assert store.size("outputs/abc/vocals.wav") == 100_000


def test_a_full_disk_is_an_output_error_and_leaves_no_files(tiny_disk: Path, tmp_path: Path) -> None:
    store = FolderStore(tiny_disk / "objects", Links(b"secret"))
    with pytest.raises(OutputError, match=r"^There is no disk space left"), store.write(KEY) as part:
        part.write(bytes(1_000_000))
    stem = tmp_path / "vocals.wav"
    stem.write_bytes(bytes(1_000_000))
    with pytest.raises(OutputError, match=r"^There is no disk space left"):
        store.put(stem, "outputs/abc/vocals.wav", "audio/wav")
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


def test_reports_a_folder_that_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="can't be stored"):
        FolderStore(tmp_path / "file" / "objects", Links(b"secret"))


def test_only_the_owner_can_read_the_folder(store: FolderStore) -> None:
    with store.write(KEY) as part:
        part.commit()
    for folder in (store.root, store.root / "inputs" / "abc"):
        assert stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0


def test_clears_old_files_of_killed_processes(store: FolderStore) -> None:
    old, new = store.write("inputs/old/song.mp3"), store.write("inputs/new/song.mp3")
    part = next((store.root / "inputs" / "old").iterdir())
    os.utime(part, (1, 1))
    (store.root / ".part-grave").mkdir()
    os.utime(store.root / ".part-grave", (1, 1))
    with store.scratch() as scratch:
        assert store.clear_parts() == 2
        assert Path(scratch).is_dir()
    assert everything_in(store.root)[:2] == ["inputs", "inputs/new"]
    new.write(b"goes on")
    new.commit()
    assert store.size("inputs/new/song.mp3") == 7
    old.file.close()


def test_keep_newest_removes_older_files(store: FolderStore) -> None:
    for number in range(4):
        key = f"mixes/abc/{number}.mp3"
        with store.write(key) as part:
            part.commit()
        os.utime(store.path(key), (number, number))
    store.keep_newest("mixes/abc/", 2)
    assert [number for number in range(4) if store.size(f"mixes/abc/{number}.mp3") is not None] == [2, 3]
    store.keep_newest("mixes/unknown/", 2)


def test_delete_counts_only_complete_files(store: FolderStore) -> None:
    unfinished = store.write("outputs/abc/drums.wav")
    with store.write("outputs/abc/vocals.wav") as part:
        part.commit()
    assert store.delete("outputs/abc/") == 1
    unfinished.file.close()


def test_ignores_foreign_folders(store: FolderStore) -> None:
    (store.root / "inputs" / "lost+found.d").mkdir(parents=True)
    assert list(store.session_ids()) == []


def test_other_errors_keep_the_systems_message(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with store.write(KEY) as part:
        monkeypatch.setattr(Path, "replace", refuse)
        with pytest.raises(OutputError, match="Input/output error"):
            part.commit()


def test_delete_works_while_the_sweeper_removes_the_folder(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.write(KEY) as part:
        part.commit()
    real = Path.iterdir

    def sweep_first(folder: Path) -> Iterator[Path]:
        shutil.rmtree(folder)
        return real(folder)

    monkeypatch.setattr(Path, "iterdir", sweep_first)
    assert store.delete("inputs/abc/") == 0
    assert everything_in(store.root / "inputs") == []


def test_two_calls_copy_a_file_at_the_same_time(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that is repeated while the first one is under way must not fail."""
    both, link = threading.Barrier(2, timeout=10), Path.hardlink_to

    def link_together(path: Path, target: Path) -> None:
        both.wait()
        link(path, target)

    monkeypatch.setattr(Path, "hardlink_to", link_together)
    with store.write(KEY) as part:
        part.write(b"song")
        part.commit()
    target = "kept/abc/song.mp3"
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: store.copy(KEY, target), range(4)))
    assert store.head(target, 10) == b"song"
    assert [path.name for path in store.path(target).parent.iterdir()] == ["song.mp3"]


def test_a_file_is_copied_where_the_file_system_has_no_hard_links(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.write(KEY) as part:
        part.write(b"song")
        part.commit()

    def refuse(path: Path, target: Path) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    store.copy(KEY, "kept/abc/song.mp3")
    assert store.head("kept/abc/song.mp3", 10) == b"song"
    assert store.path(KEY).stat().st_nlink == 1
