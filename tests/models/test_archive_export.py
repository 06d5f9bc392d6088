"""Installed models are exported into one file."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.models.archive_models import (
    FILES,
    content,
    fill,
    imported,
    install,
    read_only,
)

from unbraid.errors import ModelError
from unbraid.models.archive_export import export_models
from unbraid.models.archive_import import Imported
from unbraid.models.catalog import CatalogEntry, networks
from unbraid.models.find import find_installed

Entries = Mapping[str, CatalogEntry]


def test_exported_models_work_elsewhere(cache: Path, exported: Path, other: Path) -> None:
    assert imported(exported) == [Imported("htdemucs"), Imported("htdemucs_ft")]
    assert content(other) == content(cache / "models")
    assert [find_installed(name).folder.parent for name in ("htdemucs", "htdemucs_ft")] == [other, other]


def test_an_export_has_only_model_folders(entries: Entries, cache: Path, tmp_path: Path) -> None:
    (cache / "compiled").mkdir()
    (cache / "compiled" / "key.bin").write_bytes(b"for this processor")
    (entries["htdemucs"].place / ".DS_Store").write_bytes(b"not part of the model")
    export_models(tmp_path / "models.tar", ["htdemucs"])
    with tarfile.open(tmp_path / "models.tar") as tar:
        assert tar.getnames() == [f"htdemucs/{name}" for name in FILES]
        assert {(member.mtime, member.uid, member.mode) for member in tar} == {(0, 0, 0o644)}
        model = tar.extractfile("htdemucs/weights.bin")
        assert model is not None
        assert model.read() == (entries["htdemucs"].place / "weights.bin").read_bytes()


def test_the_same_models_give_the_same_file(exported: Path, tmp_path: Path) -> None:
    export_models(tmp_path / "again.tar", ["htdemucs", "htdemucs_ft", "htdemucs"])
    assert (tmp_path / "again.tar").read_bytes() == exported.read_bytes()


def test_a_bundled_bag_stands_for_its_downloaded_models(entries: Entries, tmp_path: Path) -> None:
    install(entries["spleeter"])
    path = tmp_path / "models.tar"
    assert [entry.name for entry in export_models(path, ["spleeter_lite"])] == ["spleeter"]
    assert [entry.name for entry in export_models(path, ["spleeter:2stems"])] == ["spleeter"]


def test_without_names_the_single_networks_are_exported_too(
    entries: Entries, tmp_path: Path, exported: Path
) -> None:
    network = networks()["f7e0c4bc"]  # of htdemucs_ft
    install(network)
    names = [entry.name for entry in export_models(tmp_path / "models.tar")]
    assert names == ["htdemucs", "htdemucs_ft", "f7e0c4bc"]


def test_export_reports_progress(entries: Entries, tmp_path: Path) -> None:
    reports: list[tuple[int, int]] = []
    export_models(tmp_path / "models.tar", progress=lambda *report: reports.append(report))
    total = sum(map(len, content(entries["htdemucs"].place.parent).values()))
    assert reports == sorted(reports) and reports[-1] == (total, total)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["spleeter"], "spleeter is not installed. Get it with: unbraid models pull spleeter"),
        (["htdemucs", "nothing"], "There is no model 'nothing'. Choose "),
        (["lite"], "lite comes with Unbraid. It needs no export."),
    ],
)
def test_export_of_other_models_is_an_error(
    entries: Entries, tmp_path: Path, names: list[str], message: str
) -> None:
    with pytest.raises(ModelError) as caught:
        export_models(tmp_path / "new" / "models.tar", names)
    assert caught.value.message.startswith(message) or "doesn't exist" in caught.value.message
    with pytest.raises(ModelError) as caught:
        export_models(tmp_path / "models.tar", names)
    assert caught.value.message.startswith(message)
    assert not (tmp_path / "models.tar").exists()


def test_export_without_models_is_an_error(
    entries: Entries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "empty"))
    with pytest.raises(ModelError, match=r"^No downloaded model is installed. Get one with: "):
        export_models(tmp_path / "models.tar")


def test_a_damaged_model_is_not_exported(entries: Entries, exported: Path) -> None:
    before = exported.read_bytes()
    (entries["htdemucs_ft"].place / "d12395a8" / "weights.bin").write_bytes(b"other")
    with pytest.raises(ModelError, match="is damaged or was altered"):
        export_models(exported)
    assert exported.read_bytes() == before
    assert [path for path in exported.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("folder", "it is a folder. Choose another place"),
        ("missing/models.tar", "the folder doesn't exist. Choose another place"),
        ("fifo", "is not a regular file"),
    ],
)
def test_export_to_an_impossible_place_is_an_error(
    entries: Entries, tmp_path: Path, place: str, message: str
) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ModelError, match=f"^{tmp_path / place} .*{message}"):
        export_models(tmp_path / place)
    assert (tmp_path / "fifo").is_fifo()


def test_export_to_a_full_disk_leaves_nothing(entries: Entries, tiny_disk: Path) -> None:
    fill(tiny_disk, 8192)
    with pytest.raises(
        ModelError, match=r"can't be written: the disk is full\. Choose another place for it\.$"
    ):
        export_models(tiny_disk / "models.tar")
    assert [path.name for path in tiny_disk.iterdir()] == ["filler"]


def test_exports_from_a_read_only_cache(
    entries: Entries, cache: Path, tmp_path: Path, exported: Path
) -> None:
    with read_only(cache):
        export_models(tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == exported.read_bytes()
