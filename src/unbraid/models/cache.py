"""The cache folder for models that are not bundled, shared safely by several processes.

downloads/FILE    a download, or a file that the user put there, until it is converted
models/NAME       an installed model
unavailable/NAME.json  why a model couldn't be downloaded today; see `unbraid.models.unavailable`
repo/KEY          a model converted from a folder of published weights (`--repo`); KEY is a hash of the files' content
checksums/NAME.json  checksums of files that have no published one; see `unbraid.models.unverified`
compiled/KEY.bin  a network compiled for this machine; see `unbraid.separation.runtimes.openvino_cache`
demucs-songs/KEY.json  the record of a song of `unbraid demucs`; see `unbraid.separation.record_cache`
accuracy/KEY.json  the native library's error with a model; see `unbraid.separation.runtimes.accuracy`
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

CACHE = "UNBRAID_CACHE"  # environment variable: the cache folder
INCLUDED = (
    "UNBRAID_INCLUDED_MODELS"  # environment variable: a read-only folder of models, in a container image
)
LOCK_POLL_S = 0.1


def cache_folder() -> Path:
    """Return `UNBRAID_CACHE`, or the system's cache folder (`~/.cache/unbraid` on Linux). It may not exist yet."""
    chosen = os.environ.get(CACHE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("unbraid", appauthor=False)


def included_model(name: str) -> Path | None:
    """Return the folder of a model that the container image includes; None: it includes no such model."""
    folder = os.environ.get(INCLUDED)
    if folder and Path(folder, name, "model.json").is_file():
        return Path(folder, name)
    return None


@contextmanager
def locked(path: Path, waiting: Callable[[], object] | None = None) -> Iterator[None]:
    """Hold an exclusive lock for `path`, which need not exist, against other processes and threads.

    The kernel locks a hidden file beside `path`, and releases the lock if the process is killed. While another process
    holds the lock, `waiting` is called ten times a second; it may raise an exception to end the wait. A thread must not
    lock a path twice. Raises ModelError if the folder isn't writable.
    """
    import filelock

    with report_cache_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path.with_name(f".{path.name}.lock"))
    while True:
        try:
            lock.acquire(blocking=False)
            break
        except filelock.Timeout:
            if waiting is not None:
                waiting()
            time.sleep(LOCK_POLL_S)
        except OSError as error:
            raise _cache_error(path, error) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def new_model_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that replaces `folder` when the block ends without an error.

    The caller holds the lock of `folder`. Raises ModelError if the disk is full or not writable.
    """
    with report_cache_errors(folder), atomic_folder(folder) as new:
        yield new


@contextmanager
def report_cache_errors(path: Path) -> Iterator[None]:
    """Turn an OSError raised inside, while `path` is written, into a ModelError with advice."""
    try:
        yield
    except OSError as error:
        raise _cache_error(path, error) from error


def _cache_error(path: Path, error: OSError) -> ModelError:
    first = "Free some space, or set" if write_problem(error).is_lack_of_space else "Set"
    return ModelError(
        f"can't be written: {write_cause(error)}. {first} {CACHE} to another folder", subject=str(path)
    )
