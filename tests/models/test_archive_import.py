"""Exported models are installed elsewhere, atomically."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.models.archive_models import (
    FILES,
    content,
    fill,
    imported,
    install,
    is_empty,
    members,
    read_only,
    tar_of,
)

from unbraid.errors import ModelError
from unbraid.models import catalog as real_catalog
from unbraid.models.archive_import import Imported
from unbraid.models.cache import locked
from unbraid.models.catalog import CatalogEntry

Entries = Mapping[str, CatalogEntry]


def test_an_import_keeps_intact_models(exported: Path, other: Path) -> None:
    imported(exported)
    before = {path: path.stat().st_ino for path in other.rglob("*.*")}
    assert imported(exported) == [Imported("htdemucs"), Imported("htdemucs_ft")]
    assert {path: path.stat().st_ino for path in other.rglob("*.*")} == before


def test_an_import_replaces_damaged_models_and_other_versions(
    entries: Entries, cache: Path, exported: Path, other: Path
) -> None:
    imported(exported)
    (other / "htdemucs" / "weights.bin").write_bytes(b"damaged")
    description = json.loads((other / "htdemucs_ft" / "model.json").read_bytes())
    (other / "htdemucs_ft" / "model.json").write_text(json.dumps({**description, "version": "1"}))
    (other / "htdemucs_ft" / "more").write_bytes(b"of the other version")
    imported(exported)
    assert content(other) == content(cache / "models")


def test_import_reads_a_repacked_file(exported: Path, other: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(exported, tmp_path / "unpacked", filter="data")
    subprocess.run(["tar", "-cf", exported, "htdemucs_ft", "htdemucs"], cwd=tmp_path / "unpacked", check=True)
    assert imported(exported) == [Imported("htdemucs_ft"), Imported("htdemucs")]


def test_import_reads_a_pipe(exported: Path, other: Path, tmp_path: Path) -> None:
    data = exported.read_bytes()
    os.mkfifo(tmp_path / "pipe")
    thread = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[data])
    thread.start()
    assert imported(tmp_path / "pipe") == [Imported("htdemucs"), Imported("htdemucs_ft")]
    thread.join()


def test_import_reports_progress(exported: Path, other: Path) -> None:
    reports: list[tuple[int, int]] = []
    imported(exported, progress=lambda *report: reports.append(report))
    size = exported.stat().st_size
    assert reports == sorted(reports)
    assert {total for _, total in reports} == {size} and 0.5 * size < reports[-1][0] <= size


def test_import_waits_for_a_download(entries: Entries, exported: Path, other: Path) -> None:
    """The other process installs the model meanwhile; it stays."""
    entry = entries["htdemucs"]
    held, released = threading.Event(), threading.Event()
    notices: list[str] = []

    def download() -> None:
        with locked(entry.place):
            held.set()
            released.wait()
            install(entry)

    def notice(text: str) -> None:
        notices.append(text)
        released.set()

    thread = threading.Thread(target=download)
    thread.start()
    held.wait()
    assert imported(exported, notice=notice)[0] == Imported("htdemucs")
    thread.join()
    assert notices == ["Waiting for another process that is installing htdemucs."]


def test_imports_the_other_models_if_one_is_unusable(
    entries: Entries, exported: Path, other: Path, cache: Path
) -> None:
    description = json.loads((cache / "models" / "htdemucs" / "model.json").read_bytes())
    old = members(cache / "models" / "htdemucs", "htdemucs")
    old["htdemucs/model.json"] = json.dumps({**description, "version": "1"}).encode()
    lite = members(real_catalog()["lite"].place, "lite")
    files = {
        **old,
        **{f"lite/{name}": lite[f"lite/{name}"] for name in FILES},
        "future/model.json": b"{}",
        **members(cache / "models" / "htdemucs_ft", "htdemucs_ft"),
    }
    exported.write_bytes(tar_of(files))
    outcomes = imported(exported)
    assert [outcome.problem for outcome in outcomes] == [
        "htdemucs was exported by another version of Unbraid. Use the same version on both machines.",
        "lite comes with Unbraid. It needs no import.",
        "This version of Unbraid has no model future. Use the version that exported it.",
        None,
    ]
    assert [path.name for path in other.iterdir() if path.suffix != ".lock"] == ["htdemucs_ft"]


def test_import_to_a_full_disk_leaves_nothing(
    exported: Path, other: Path, tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tiny_disk, 8192)
    monkeypatch.setenv("UNBRAID_CACHE", str(tiny_disk / "cache"))
    with pytest.raises(
        ModelError, match=r"can't be written: the disk is full. Free some space, or set UNBRAID_CACHE"
    ):
        imported(exported)
    assert is_empty(tiny_disk / "cache" / "models")


def test_a_read_only_cache_is_an_error_unless_it_has_the_models(exported: Path, other: Path) -> None:
    other.mkdir(parents=True)
    message = r"can't be written: .*Set UNBRAID_CACHE to another folder"
    with read_only(other), pytest.raises(ModelError, match=message):
        imported(exported)
    imported(exported)
    with read_only(other):
        assert imported(exported) == [Imported("htdemucs"), Imported("htdemucs_ft")]
