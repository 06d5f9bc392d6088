"""Records of songs whose output folders contain the stems and nothing else. These records are in the cache."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from unbraid.models.cache import cache_folder
from unbraid.separation.song_record import read_record


def records_folder() -> Path:
    """Return the folder of these records. It may not exist yet."""
    return cache_folder() / "demucs-songs"


def files_on_record() -> Mapping[Path, int | None]:
    """Return the files that these records list: absolute path without links, and size (None: being replaced)."""
    files: dict[Path, int | None] = {}
    for path in records_folder().glob("*.json"):
        record = read_record(path)
        if record is not None and record.folder is not None:
            files |= {Path(record.folder, name): size for name, size in record.files.items()}
    return files
