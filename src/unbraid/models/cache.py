"""The folder where models that are not bundled lie, and how several processes share it.

downloads/FILE    what was downloaded, or put there by hand, until it is converted
models/NAME       a model in the form that is run
repo/KEY          a model out of a folder of published weights (`--repo`) in that form; KEY is of the files' content
compiled/KEY.bin  a network as it was compiled for this machine; see `unbraid.separation.runtimes.openvino_cache`
"""

from __future__ import annotations

import errno
import glob
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from unbraid.errors import ModelError

PLACE = "UNBRAID_CACHE"  # the environment variable that puts the cache somewhere else
ASK_AGAIN_S = 0.1


def cache_folder() -> Path:
    """`UNBRAID_CACHE`, or where the system keeps such things (`~/.cache/unbraid` on Linux). It may not exist yet."""
    chosen = os.environ.get(PLACE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("unbraid", appauthor=False)


@contextmanager
def locked(path: Path, waiting: Callable[[], object] | None = None) -> Iterator[None]:
    """Inside, no other process or thread is in a block locked for the same `path`, which need not exist.

    The lock is the kernel's, on a hidden file beside: it ends with its process, however that ends. While another
    one holds it, `waiting` is called ten times a second, and what it raises ends the wait. The same thread must not
    lock a path twice. Raises ModelError when the folder can't be written to.
    """
    import filelock

    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path.with_name(f".{path.name}.lock"))
    while True:
        try:
            lock.acquire(blocking=False)
            break
        except filelock.Timeout:
            if waiting is not None:
                waiting()
            time.sleep(ASK_AGAIN_S)
        except OSError as error:
            raise cannot_write(path, error) from error
    try:
        yield
    finally:
        lock.release()


def install(folder: Path, fill: Callable[[Path], object]) -> None:
    """Let `fill` write into a new folder beside `folder`, which then takes its place: whole, or not at all.

    To be called inside `locked(folder)`: what a killed call left behind is cleared. Raises ModelError when the disk
    is full or may not be written to, and whatever `fill` raises; nothing is left then.
    """
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in folder.parent.glob(f".{glob.escape(folder.name)}-*"):
            shutil.rmtree(left, ignore_errors=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            new = work / folder.name  # a folder of its own, as mkdtemp's can be read by its maker alone
            new.mkdir()
            fill(new)
            if folder.exists():
                folder.rename(work / "old")
            new.rename(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Inside, what the system refuses while `path` is written is a ModelError that says what to do."""
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> ModelError:
    """The system's `error` while writing `path`, in the user's words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ModelError(
            f"the disk of {path.parent} is full. Free some space, or set {PLACE} to a folder elsewhere"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ModelError(f"{path.parent} may not be written to. Set {PLACE} to a folder that may")
    return ModelError(
        f"{path} can't be written ({error.strerror or error}). Check the disk, or set {PLACE} to another folder"
    )
