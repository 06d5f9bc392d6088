"""The cache: its location, its locks, and folders that are written atomically."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.folders import everything_in

from unbraid.errors import ModelError
from unbraid.files.workfolder import PREFIX, WorkFolder
from unbraid.models.cache import cache_folder, locked, new_model_folder
from unbraid.models.catalog import catalog

HOLDER = """
import sys, time
from pathlib import Path
from unbraid.models.cache import locked
with locked(Path(sys.argv[1])):
    print("inside", flush=True)
    time.sleep(60)
"""
WRITER = """
import sys
from pathlib import Path
from unbraid.errors import ModelError
from unbraid.models.cache import new_model_folder
try:
    with new_model_folder(Path(sys.argv[1])) as new:
        (new / "weights.bin").write_bytes(bytes(int(sys.argv[2])))
except ModelError as error:
    print(error.message)
"""


def test_cache_folder_follows_system_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNBRAID_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert cache_folder() == tmp_path / "unbraid"
    monkeypatch.setenv("UNBRAID_CACHE", "~/models")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "models"
    monkeypatch.setenv("UNBRAID_CACHE", "models")
    assert cache_folder() == Path.cwd() / "models"


def test_models_of_the_container_image_are_used_before_those_of_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UNBRAID_INCLUDED_MODELS", str(tmp_path / "image"))
    (tmp_path / "image" / "spleeter").mkdir(parents=True)
    in_cache = {name: tmp_path / "cache" / "models" / name for name in ("spleeter", "htdemucs")}
    assert {name: catalog()[name].place for name in in_cache} == in_cache  # an empty folder is no model
    (tmp_path / "image" / "spleeter" / "model.json").touch()
    assert catalog()["spleeter"].place == tmp_path / "image" / "spleeter"
    assert catalog()["htdemucs"].place == in_cache["htdemucs"]
    assert catalog()["lite"].place.name == "lite" and catalog()["lite"].installed


# Locks


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of `tmp_path / "htdemucs"`."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "htdemucs")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "inside\n"
        yield process
        process.kill()


def test_killed_holder_releases_the_lock(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    calls: list[float] = []

    def waiting() -> None:
        calls.append(time.monotonic())
        if len(calls) == 2:
            holder.send_signal(signal.SIGKILL)

    with locked(tmp_path / "htdemucs", waiting):
        assert len(calls) >= 2
    assert not (tmp_path / "htdemucs").exists()


@pytest.mark.usefixtures("holder")
def test_waiting_can_be_cancelled(tmp_path: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), locked(tmp_path / "htdemucs", stop):
        pass


@pytest.mark.usefixtures("holder")
def test_locks_of_other_paths_are_independent(tmp_path: Path) -> None:
    with locked(tmp_path / "lite"):
        pass


def test_threads_exclude_each_other(tmp_path: Path) -> None:
    inside, most = [], []

    def work(number: int) -> None:
        with locked(tmp_path / "htdemucs"):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.01)
            inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4


# Folders


def test_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "htdemucs"
    with new_model_folder(folder) as new:
        (new / "weights.bin").write_bytes(b"weights")
        assert not folder.exists()
    assert everything_in(tmp_path) == ["models", "models/htdemucs", "models/htdemucs/weights.bin"]
    umask = os.umask(0)
    os.umask(umask)
    assert folder.stat().st_mode & 0o777 == 0o777 & ~umask  # other users can read a shared cache


def install(folder: Path, file: str) -> None:
    with new_model_folder(folder) as new:
        (new / file).touch()


def test_new_folder_replaces_an_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "htdemucs"
    install(folder, "old")
    install(folder, "new")
    assert everything_in(tmp_path) == ["htdemucs", "htdemucs/new"]


def test_failed_write_keeps_the_old_folder(tmp_path: Path) -> None:
    folder = tmp_path / "htdemucs"
    install(folder, "old")
    with pytest.raises(ModelError, match="no"), new_model_folder(folder) as new:
        (new / "half").touch()
        raise ModelError("no")
    assert everything_in(tmp_path) == ["htdemucs", "htdemucs/old"]


def test_folders_of_killed_processes_are_removed(tmp_path: Path) -> None:
    abandoned = tmp_path / f"{PREFIX}abcd1234"
    abandoned.mkdir()
    (abandoned / "weights.bin").touch()
    with WorkFolder(tmp_path) as used:  # by another process
        install(tmp_path / "htdemucs", "weights.bin")
        assert everything_in(tmp_path) == [used.name, "htdemucs", "htdemucs/weights.bin"]


def test_full_disk_is_an_error_and_leaves_no_file(tiny_disk: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITER, tiny_disk / "htdemucs", "1000000"], capture_output=True, text=True
    )
    assert str(tiny_disk) in done.stdout
    assert "can't be written: the disk is full. Free some space, or set UNBRAID_CACHE" in done.stdout
    assert everything_in(tiny_disk) == []


def test_read_only_folder_is_an_error(tmp_path: Path) -> None:
    unprivileged = []
    if os.geteuid() == 0:  # root can write everywhere unless it drops this capability
        unprivileged = ["setpriv", "--bounding-set=-dac_override"]
        if (
            not shutil.which("setpriv")
            or subprocess.run([*unprivileged, "true"], capture_output=True).returncode
        ):
            pytest.skip("permissions don't restrict this user")
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o555)
    done = subprocess.run(
        [*unprivileged, sys.executable, "-c", WRITER, cache / "htdemucs", "10"],
        capture_output=True,
        text=True,
    )
    assert done.stdout == (
        f"{cache / 'htdemucs'} can't be written: you have no permission. Set UNBRAID_CACHE to another folder\n"
    )
    assert everything_in(cache) == []


def test_file_at_the_path_of_the_cache_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(ModelError, match=r"htdemucs can't be written: .*Set UNBRAID_CACHE to another folder"):
        install(tmp_path / "cache" / "htdemucs", "weights.bin")
    with pytest.raises(ModelError, match="Set UNBRAID_CACHE"), locked(tmp_path / "cache" / "htdemucs"):
        pass
