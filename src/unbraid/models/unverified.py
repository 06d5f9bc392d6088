"""Files whose SHA-256 no public source names: downloaded only on request, and compared from then on.

`checksums/MODEL.json` in the cache has the SHA-256 of each such file when it first arrived, by the file's name. A later
download of the same file must have the same.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from unbraid.errors import ModelError
from unbraid.files.atomic import atomic_write
from unbraid.models.cache import cache_folder, report_cache_errors
from unbraid.models.catalog import CatalogEntry
from unbraid.models.download import checksum
from unbraid.models.published import ModelFile


def check_allowed(entry: CatalogEntry, unverified: bool) -> None:
    """Raise ModelError if a file of `entry` has no known SHA-256 and `unverified` is false."""
    if unverified or all(one.sha256 for file in with_kept(entry).files for one in file.all):
        return
    raise ModelError(
        "has no published checksum, so Unbraid can't tell whether a file is the author's. Nothing in it is run, but a "
        "wrong one gives wrong stems. To download it nevertheless, add --unverified. The checksum is kept then, and "
        "later downloads must have the same.",
        subject=entry.name,
    )


def with_kept(entry: CatalogEntry) -> CatalogEntry:
    """Return the entry with the checksums that were kept for its files."""
    if entry.verified:
        return entry
    kept = _read(entry)

    def known(file: ModelFile) -> ModelFile:
        return replace(
            file, sha256=file.sha256 or kept.get(file.name, ""), instead=tuple(map(known, file.instead))
        )

    return replace(entry, files=tuple(map(known, entry.files)))


def keep(entry: CatalogEntry, paths: list[Path]) -> None:
    """Keep the checksums of the downloaded files of `entry` that have none in the catalogue. Raises ModelError."""
    if entry.verified:
        return
    known = {one.name for file in entry.files for one in file.all if one.sha256}
    sums = {path.name: checksum(path) for path in paths if path.name not in known}
    place = _place(entry)
    with report_cache_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(place) as file:
            file.write(json.dumps({**_read(entry), **sums}).encode())


def _place(entry: CatalogEntry) -> Path:
    return cache_folder() / "checksums" / f"{entry.name}.json"


def _read(entry: CatalogEntry) -> dict[str, str]:
    with suppress(OSError, ValueError):
        content = json.loads(_place(entry).read_text("utf-8"))
        if isinstance(content, dict):
            return {str(name): str(digest) for name, digest in content.items()}
    return {}
