"""Compiled networks, kept on disk: what OpenVINO makes of a graph, so that it is made once for a machine.

Compiling `htdemucs` takes seconds, and leaves weights in memory that only compiling needs. What is kept is mapped
instead: its weights are read while the network is set up, and leave memory again.

    compiled/KEY.bin    in the cache folder; KEY says of what, for which processor, and by what it was made
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

# At most so many bytes are kept, those that were used last: the four networks of htdemucs_ft and a few more.
ROOM = 1 << 30
# Nothing is kept where the disk would have less left than this.
SPARE = 1 << 30
# What a killed process has left behind goes after a day.
LEFT_S = 86400
# Memory that OpenVINO takes for its threads, at least. Where a second one can't be started, it waits forever.
THREADS_BYTES = 112 << 20
# After the network come its length and CRC-32, so that what was cut short or altered is not run.
_END = np.dtype([("mark", "S16"), ("length", "<u8"), ("crc", "<u8")])
_MARK = b"unbraid compiled"

# Files stay mapped until the process ends: networks read their weights from there, and so may calls that still run when
# a network is dropped. That takes addresses, and no memory.
_mapped: dict[Path, mmap.mmap] = {}


def kept_path(made_of: Mapping[str, Any]) -> Path:
    """Where a network is kept. `made_of` is all that decides what compiling it gives, in JSON's types."""
    key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode())
    return cache_folder() / "compiled" / f"{key.hexdigest()}.bin"


def load_kept(path: Path, core: Any, tensor: Any, options: Mapping[str, Any]) -> Any | None:
    """The compiled network kept at `path`; None where there is none, or none that is whole.

    `core` is OpenVINO's, `tensor` its class of tensors. Raises RuntimeError or MemoryError for a lack of memory.
    """
    try:
        with path.open("rb") as file:
            # OpenVINO asks for memory that it could write to; it never does, nor would that reach the file.
            mapped = _mapped.get(path) or mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError):
        return None
    content = np.frombuffer(mapped, np.uint8)
    if not _is_whole(content):
        return None
    _mapped[path] = mapped
    probe_memory(THREADS_BYTES)
    try:
        network = core.import_model(
            tensor(content[: -_END.itemsize], shared_memory=True), "CPU", dict(options)
        )
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        return None
    if hasattr(mapped, "madvise"):
        # Weights are packed by now; what is read again comes from the file.
        mapped.madvise(mmap.MADV_DONTNEED)
    with suppress(OSError):
        os.utime(path)  # its last use
    return network


def keep(network: Any, path: Path) -> bool:
    """Write a compiled network to `path`; whether that could be done: not on a full disk, or where it is forbidden."""
    try:
        content = network.export_model().read()
    except RuntimeError:  # one that can't be exported
        return False
    end = np.array([(_MARK, len(content), zlib.crc32(content))], _END).tobytes()
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(folder).free < len(content) + SPARE:
            return False
        with atomic_write(path, mode=0o600) as file:
            file.write(content)
            file.write(end)
    except OSError:
        return False
    with suppress(OSError):
        _make_room(folder)
    return True


def _is_whole(content: np.ndarray[Any, np.dtype[np.uint8]]) -> bool:
    if content.size <= _END.itemsize:
        return False
    end = content[-_END.itemsize :].view(_END)[0]
    network = content[: -_END.itemsize]
    return bool(
        end["mark"] == _MARK and end["length"] == network.size and end["crc"] == zlib.crc32(network.data)
    )


def _make_room(folder: Path) -> None:
    """Remove what was used longest ago, until what is left is at most ROOM; the newest stays in any case."""
    kept = sorted(folder.glob("*.bin"), key=lambda path: path.stat().st_mtime, reverse=True)
    total = 0
    for number, path in enumerate(kept):
        total += path.stat().st_size
        if number and total > ROOM:
            path.unlink(missing_ok=True)
    for part in folder.glob(f"{PART}*"):
        if part.stat().st_mtime < time.time() - LEFT_S:
            part.unlink(missing_ok=True)
