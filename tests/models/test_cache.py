"""The cache: where it is, one process at a time, and folders that appear whole or not at all."""

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
from unbraid.models.cache import cache_folder, install, locked

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
from unbraid.models.cache import install
try:
    install(Path(sys.argv[1]), lambda new: (new / "weights.bin").write_bytes(bytes(int(sys.argv[2]))))
except ModelError as error:
    print(error.message)
"""


def test_the_cache_is_the_users_or_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UNBRAID_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert cache_folder() == tmp_path / "unbraid"
    monkeypatch.setenv("UNBRAID_CACHE", "~/models")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "models"
    monkeypatch.setenv("UNBRAID_CACHE", "models")
    assert cache_folder() == Path.cwd() / "models"


# Locks


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has locked `tmp_path / "htdemucs"`."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "htdemucs")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "inside\n"
        yield process
        process.kill()


def test_a_killed_holder_blocks_nobody(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    asked: list[float] = []

    def waiting() -> None:
        asked.append(time.monotonic())
        if len(asked) == 2:
            holder.send_signal(signal.SIGKILL)

    with locked(tmp_path / "htdemucs", waiting):
        assert len(asked) >= 2
    assert not (tmp_path / "htdemucs").exists()


@pytest.mark.usefixtures("holder")
def test_waiting_can_be_given_up(tmp_path: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), locked(tmp_path / "htdemucs", stop):
        pass


@pytest.mark.usefixtures("holder")
def test_what_is_locked_elsewhere_does_not_stop_others(tmp_path: Path) -> None:
    with locked(tmp_path / "lite"):
        pass


def test_threads_of_one_process_wait_for_each_other(tmp_path: Path) -> None:
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


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "htdemucs"

    def fill(new: Path) -> None:
        (new / "weights.bin").write_bytes(b"weights")
        assert not folder.exists()

    install(folder, fill)
    assert everything_in(tmp_path) == ["models", "models/htdemucs", "models/htdemucs/weights.bin"]
    umask = os.umask(0)
    os.umask(umask)
    assert folder.stat().st_mode & 0o777 == 0o777 & ~umask  # others may use a shared cache


def test_a_folder_takes_the_place_of_one_that_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "htdemucs"
    install(folder, lambda new: (new / "old").touch())
    install(folder, lambda new: (new / "new").touch())
    assert everything_in(tmp_path) == ["htdemucs", "htdemucs/new"]


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "htdemucs"
    install(folder, lambda new: (new / "old").touch())

    def fail(new: Path) -> None:
        (new / "half").touch()
        raise ModelError("no")

    with pytest.raises(ModelError, match="no"):
        install(folder, fail)
    assert everything_in(tmp_path) == ["htdemucs", "htdemucs/old"]


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    abandoned = tmp_path / f"{PREFIX}abcd1234"
    abandoned.mkdir()
    (abandoned / "weights.bin").touch()
    with WorkFolder(tmp_path) as used:  # by another process
        install(tmp_path / "htdemucs", lambda new: None)
        assert everything_in(tmp_path) == [used.name, "htdemucs"]


def test_a_full_disk_is_an_error_and_nothing_stays(tiny_disk: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITER, tiny_disk / "htdemucs", "1000000"], capture_output=True, text=True
    )
    assert str(tiny_disk) in done.stdout
    assert "can't be written: the disk is full. Free some space, or set UNBRAID_CACHE" in done.stdout
    assert everything_in(tiny_disk) == []


def test_a_folder_that_may_not_be_written_to_is_an_error(tmp_path: Path) -> None:
    as_anyone = []
    if os.geteuid() == 0:  # root may write everywhere, unless it goes without this capability
        as_anyone = ["setpriv", "--bounding-set=-dac_override"]
        if (
            not shutil.which("setpriv")
            or subprocess.run([*as_anyone, "true"], capture_output=True).returncode
        ):
            pytest.skip("permissions don't bind this user")
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o555)
    done = subprocess.run(
        [*as_anyone, sys.executable, "-c", WRITER, cache / "htdemucs", "10"], capture_output=True, text=True
    )
    assert done.stdout == (
        f"{cache / 'htdemucs'} can't be written: you have no permission. Set UNBRAID_CACHE to another folder\n"
    )
    assert everything_in(cache) == []


def test_a_file_where_the_cache_should_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(ModelError, match=r"htdemucs can't be written: .*Set UNBRAID_CACHE to another folder"):
        install(tmp_path / "cache" / "htdemucs", lambda new: None)
    with pytest.raises(ModelError, match="Set UNBRAID_CACHE"), locked(tmp_path / "cache" / "htdemucs"):
        pass
