"""The folder where models that are not bundled lie, and how several processes share it.

downloads/FILE    what was downloaded, or put there by hand, until it is converted
models/NAME       a model in the form that is run
repo/KEY          a model out of a folder of published weights (`--repo`) in that form; KEY is of the files' content
compiled/KEY.bin  a network as it was compiled for this machine; see `unbraid.separation.runtimes.openvino_cache`
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from unbraid.errors import ModelError
from unbraid.files.atomic import atomic_folder
from unbraid.files.oserrors import write_cause, write_problem

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
    with writing(folder), atomic_folder(folder) as new:
        fill(new)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError raised inside, while `path` is written, into a ModelError that says what to do."""
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> ModelError:
    """Return the error for a failed write to `path`."""
    first = "Free some space, or set" if write_problem(error).is_lack_of_space else "Set"
    return ModelError(
        f"can't be written: {write_cause(error)}. {first} {PLACE} to another folder", subject=str(path)
    )
