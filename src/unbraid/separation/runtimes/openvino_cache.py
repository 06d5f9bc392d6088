"""Cache of compiled networks on disk, so that OpenVINO compiles a graph once for each machine.

Compiling `htdemucs` takes seconds, and leaves weights in memory that only the compiler needs. A cached network is
memory-mapped instead: its weights are read while the network is set up, and leave memory again.

    compiled/KEY.bin    in the cache folder; KEY is a hash of network, shapes, options, processor and versions
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import shutil
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from unbraid.files.atomic import PART, atomic_write
from unbraid.models.cache import cache_folder
from unbraid.out_of_memory import is_out_of_memory, probe_memory

# Size limit of the cache, in bytes: the four networks of htdemucs_ft and a few more. The least recently used go first.
CACHE_BYTES = 1 << 30
# Free disk space to leave, in bytes; below that nothing is cached.
FREE_BYTES = 1 << 30
# Age at which unfinished files of a killed process are removed.
STALE_S = 86400
# Least memory that OpenVINO needs for its threads. If it can't start a second thread, it waits forever.
THREADS_BYTES = 112 << 20
# Length and CRC-32 follow the network, so that a truncated or altered file is never run.
_TRAILER = np.dtype([("mark", "S16"), ("length", "<u8"), ("crc", "<u8")])
_MARK = b"unbraid compiled"

# Files stay mapped until the process ends: networks read their weights from the mapping, and a call may still run when
# its network is dropped. A mapping takes address space, but no memory.
_mapped: dict[Path, mmap.mmap] = {}


def cached_path(key: Mapping[str, Any]) -> Path:
    """Return the cache file for `key`, a JSON object with everything that the compiled network depends on."""
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode())
    return cache_folder() / "compiled" / f"{digest.hexdigest()}.bin"


def load_compiled(path: Path, core: Any, tensor: Any, options: Mapping[str, Any]) -> Any | None:
    """Load the compiled network at `path`; None if it is missing or damaged.

    `core` is an OpenVINO Core, `tensor` OpenVINO's tensor class. Raises RuntimeError or MemoryError if memory runs out.
    """
    try:
        with path.open("rb") as file:
            # OpenVINO demands writable memory. It never writes, and writes wouldn't reach the file.
            mapped = _mapped.get(path) or mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError):
        return None
    content = np.frombuffer(mapped, np.uint8)
    if not _is_intact(content):
        return None
    _mapped[path] = mapped
    probe_memory(THREADS_BYTES)
    try:
        network = core.import_model(
            tensor(content[: -_TRAILER.itemsize], shared_memory=True), "CPU", dict(options)
        )
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        return None
    if hasattr(mapped, "madvise"):
        # OpenVINO has packed the weights by now. Pages that are read again come from the file.
        mapped.madvise(mmap.MADV_DONTNEED)
    with suppress(OSError):
        os.utime(path)  # marks its last use
    return network


def store_compiled(network: Any, path: Path) -> bool:
    """Write a compiled network to `path`. Return False if the disk is full or read-only."""
    try:
        content = network.export_model().read()
    except RuntimeError:  # this network can't be exported
        return False
    trailer = np.array([(_MARK, len(content), zlib.crc32(content))], _TRAILER).tobytes()
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(folder).free < len(content) + FREE_BYTES:
            return False
        with atomic_write(path, mode=0o600) as file:
            file.write(content)
            file.write(trailer)
    except OSError:
        return False
    with suppress(OSError):
        _evict(folder)
    return True


def _is_intact(content: np.ndarray[Any, np.dtype[np.uint8]]) -> bool:
    if content.size <= _TRAILER.itemsize:
        return False
    trailer = content[-_TRAILER.itemsize :].view(_TRAILER)[0]
    network = content[: -_TRAILER.itemsize]
    return bool(
        trailer["mark"] == _MARK
        and trailer["length"] == network.size
        and trailer["crc"] == zlib.crc32(network.data)
    )


def _evict(folder: Path) -> None:
    """Remove the least recently used files until the rest fits CACHE_BYTES. The newest always stays."""
    files = sorted(folder.glob("*.bin"), key=lambda path: path.stat().st_mtime, reverse=True)
    total = 0
    for number, path in enumerate(files):
        total += path.stat().st_size
        if number and total > CACHE_BYTES:
            path.unlink(missing_ok=True)
    for part in folder.glob(f"{PART}*"):
        if part.stat().st_mtime < time.time() - STALE_S:
            part.unlink(missing_ok=True)
