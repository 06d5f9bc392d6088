"""A damaged or hostile file installs nothing that Unbraid would not write itself."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.models.archive_models import (
    content,
    imported,
    is_empty,
    members,
    tar_of,
)
from tests.models.published import HDEMUCS_MMI, HTDEMUCS, HTDEMUCS_6S

from unbraid.errors import ModelError
from unbraid.models import catalog as real_catalog
from unbraid.models.archive_import import LIMITS, Imported, import_models
from unbraid.models.catalog import CatalogEntry
from unbraid.models.graphs import load_template, template_for

Entries = Mapping[str, CatalogEntry]


Change = Callable[[dict[str, bytes]], object]


def described(**changes: Any) -> Change:
    def change(files: dict[str, bytes]) -> None:
        description = {**json.loads(files["htdemucs/model.json"]), **changes}
        files["htdemucs/model.json"] = json.dumps(description).encode()

    return change


def with_file(name: str, data: bytes) -> Change:
    """Another file, with the right checksum."""

    def change(files: dict[str, bytes]) -> None:
        files[f"htdemucs/{name}"] = data
        sums = json.loads(files["htdemucs/model.json"])["sha256"]
        described(sha256={**sums, name: hashlib.sha256(data).hexdigest()})(files)

    return change


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda files: files.update({"htdemucs/weights.bin": b"other"}), id="other weights"),
        pytest.param(lambda files: files.pop("htdemucs/weights.bin"), id="no weights"),
        pytest.param(lambda files: files.pop("htdemucs/model.json"), id="no description"),
        pytest.param(lambda files: files.update({"htdemucs/model.json": b"[" * 100_000}), id="nested JSON"),
        pytest.param(lambda files: files.update({"htdemucs/more/model.json": b"{}"}), id="unused file"),
        pytest.param(described(name="htdemucs_ft"), id="another model"),
        pytest.param(described(segment=float("inf")), id="infinite segment"),
        pytest.param(described(segment=10**12), id="huge segment"),
        pytest.param(described(sources=["voice"]), id="other stems"),
        pytest.param(described(overlap=0.999), id="other overlap"),
        pytest.param(described(networks=[{"model": "lite", "weights": {"vocals": 1}}]), id="bag of others"),
        pytest.param(described(edges="demucs"), id="another setting"),
        pytest.param(with_file("weights.bin", b""), id="short weights"),
        pytest.param(with_file("graph.onnx", b"\x08\x0a"), id="other graph"),
    ],
)
def test_rejects_a_model_that_unbraid_would_not_write(
    cache: Path, exported: Path, other: Path, change: Change
) -> None:
    files = members(cache / "models" / "htdemucs", "htdemucs")
    change(files)
    exported.write_bytes(tar_of(files))
    (outcome,) = imported(exported)
    assert outcome.problem is not None and "\n" not in outcome.problem
    assert is_empty(other)


def test_rejects_a_bag_with_other_settings(cache: Path, exported: Path, other: Path) -> None:
    files = members(cache / "models" / "htdemucs_ft", "htdemucs_ft")
    description = json.loads(files["htdemucs_ft/model.json"])
    files["htdemucs_ft/model.json"] = json.dumps({**description, "segment": 10**12}).encode()
    exported.write_bytes(tar_of(files))
    (outcome,) = imported(exported)
    assert outcome.problem == "htdemucs_ft is damaged in this file. Copy or export it again."
    assert is_empty(other)


@pytest.mark.parametrize(
    ("class_name", "arguments", "name"),
    [
        ("HTDemucs", HTDEMUCS, "htdemucs"),
        ("HTDemucs", HTDEMUCS_6S, "htdemucs_6s"),
        ("HDemucs", HDEMUCS_MMI, "hdemucs_mmi"),
    ],
)
def test_published_models_have_the_description_that_an_import_expects(
    class_name: str, arguments: Mapping[str, Any], name: str
) -> None:
    entry = real_catalog()[name]
    assert entry.graph is not None
    description = load_template(entry.graph).description
    assert template_for(class_name, arguments).description == {**description, "sources": list(entry.sources)}


@pytest.mark.parametrize(
    "name",
    [
        "../evil/model.json",
        "/htdemucs/model.json",
        "htdemucs/../model.json",
        "htdemucs/..",
        "./htdemucs/model.json",
        "htdemucs//model.json",
        "htdemucs/run.py",
        "htdemucs/a/b/model.json",
        "htdemucs/.hidden/model.json",
        "htdemucs/model.json\n",
        "model.json",
        "sängerin/model.json",
        "htdemucs\\model.json",
    ],
)
def test_rejects_names_that_an_export_does_not_have(
    exported: Path, other: Path, tmp_path: Path, name: str
) -> None:
    before = set(tmp_path.rglob("*"))
    exported.write_bytes(tar_of({name: b"{}"}))
    with pytest.raises(ModelError, match=r"contains .*, which is not a file of a model") as caught:
        imported(exported)
    assert "\n" not in caught.value.message.replace("\\n", "")
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", ["1", "2", "3", "4", "6", "7", "x", "g", "L", "K", "S", "A"])
def test_rejects_links_devices_and_extensions(exported: Path, other: Path, kind: str) -> None:
    info = tarfile.TarInfo("htdemucs/model.json")
    info.type, info.linkname = kind.encode(), "/etc/passwd"
    exported.write_bytes(info.tobuf(tarfile.USTAR_FORMAT) + bytes(1024))
    with pytest.raises(ModelError, match="which is not a regular file"):
        imported(exported)
    assert is_empty(other)


def test_rejects_sizes_of_no_model(exported: Path, other: Path) -> None:
    for name, limit in LIMITS.items():
        info = tarfile.TarInfo(f"htdemucs/{name}")
        info.size = limit + 1
        exported.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
        with pytest.raises(ModelError, match="which is larger than in any model"):
            imported(exported)
    exported.write_bytes(tar_of({f"htdemucs/{number}/model.json": b"{}" for number in range(65)}))
    with pytest.raises(ModelError, match="htdemucs, which is larger than any model"):
        imported(exported)
    assert is_empty(other)


def test_rejects_a_model_or_a_file_twice(exported: Path, other: Path) -> None:
    archive = exported.read_bytes()
    (exported).write_bytes(archive[: len(archive) - 1024] + archive)
    with pytest.raises(ModelError, match="contains htdemucs twice"):
        imported(exported)
    once = tar_of({"spleeter/model.json": b"{}"})[:1024]
    exported.write_bytes(once + once + bytes(1024))
    with pytest.raises(ModelError, match=r"contains spleeter/model\.json twice"):
        imported(exported)
    assert is_empty(other) is False and not (other / "spleeter").exists()


def test_a_truncated_file_installs_only_complete_models(
    entries: Entries, cache: Path, exported: Path, other: Path
) -> None:
    archive = exported.read_bytes()
    exported.write_bytes(archive[:-2000])
    outcomes = import_models(exported)
    assert next(outcomes) == Imported("htdemucs")
    with pytest.raises(
        ModelError, match=f"^{exported} is truncated. Copy it again, or create it again with: "
    ):
        next(outcomes)
    assert [path.name for path in other.iterdir() if path.suffix != ".lock"] == ["htdemucs"]
    assert content(other / "htdemucs") == content(cache / "models" / "htdemucs")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\x1f\x8b" + bytes(1000), "is not a tar file"),
        (b"PK\x03\x04" + bytes(1000), "is not a tar file"),
        (b"short", "is truncated"),
        (bytes(1024), "contains no models"),
        (bytes(3 << 20), "is damaged: more data follows its end"),
        (tar_of({"song/vocals.wav": b"RIFF"}), "contains 'song/vocals.wav', which is not a file of a model"),
    ],
)
def test_rejects_other_files(exported: Path, other: Path, data: bytes, message: str) -> None:
    exported.write_bytes(data)
    with pytest.raises(ModelError) as caught:
        imported(exported)
    assert caught.value.message == (
        f"{exported} {message}. Copy it again, or create it again with: unbraid models export"
    )
    assert is_empty(other)


@pytest.mark.parametrize(
    ("name", "cause"), [("nowhere", "No such file or directory"), (".", "Is a directory")]
)
def test_reports_an_unreadable_file(other: Path, tmp_path: Path, name: str, cause: str) -> None:
    with pytest.raises(ModelError, match=f"can't be read: {cause}"):
        imported(tmp_path / name)
