"""`unbraid models export` and `import`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.models.archive_models import content, entries, exported, is_empty, other, tar_of

from unbraid.cli.main import main
from unbraid.models.catalog import CatalogEntry

__all__ = ["entries", "exported", "other"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of the cache folder."""
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_export_and_import_carry_models_to_another_cache(
    entries: Mapping[str, CatalogEntry],
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file, models = tmp_path / "models.tar", tmp_path / "new" / "models"
    assert main(["models", "export", str(file)]) == 0
    assert capsys.readouterr() == (f"{file} contains htdemucs, htdemucs_ft\n", "")
    monkeypatch.setenv("UNBRAID_CACHE", str(models.parent))
    for _ in range(2):
        assert main(["models", "import", str(file)]) == 0
        installed = "".join(f"{name} is installed: {models / name}\n" for name in ("htdemucs", "htdemucs_ft"))
        assert capsys.readouterr() == (installed, "")
    assert content(models) == content(cache / "models")


def test_export_writes_only_the_named_models(
    entries: Mapping[str, CatalogEntry], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "models.tar"
    assert main(["models", "export", str(file), "htdemucs_ft"]) == 0
    assert capsys.readouterr().out == f"{file} contains htdemucs_ft\n"


@pytest.mark.parametrize("name", ["htdemucs_ft+htdemucs", "vocals:best", "four_stems"])
def test_export_takes_the_names_that_pull_takes(
    entries: Mapping[str, CatalogEntry], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    file = tmp_path / "models.tar"
    assert main(["models", "export", str(file), name]) == 0
    models = {"vocals:best": "htdemucs_ft", "four_stems": "htdemucs"}.get(name, "htdemucs_ft, htdemucs")
    assert capsys.readouterr().out == f"{file} contains {models}\n"


@pytest.mark.parametrize("name", ["htdemucs", "karaoke", "vocals:best", "auto"])
def test_export_without_a_file_is_a_usage_error(
    entries: Mapping[str, CatalogEntry],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["models", "export", name]) == 2
    line = f"unbraid: Name the file first: unbraid models export models.tar {name}\n"
    assert capsys.readouterr().err == line
    assert not Path("htdemucs").exists()


def test_import_reports_each_unusable_model_in_a_line(
    other: Path, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported.write_bytes(tar_of({"future/model.json": b"{}", "htdemucs/model.json": b"{}"}))
    assert main(["models", "import", str(exported)]) == 1
    assert capsys.readouterr() == (
        "",
        "unbraid: This version of Unbraid has no model future. Use the version that exported it.\n"
        "unbraid: htdemucs is damaged in this file. Copy or export it again.\n",
    )
    assert is_empty(other)


def test_import_of_another_file_is_an_error_in_one_line(
    other: Path, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported.write_bytes(b"\x1f\x8b" + bytes(1000))
    assert main(["models", "import", str(exported)]) == 1
    assert capsys.readouterr() == (
        "",
        f"unbraid: {exported} is not a tar file. Copy it again, or create it again with: unbraid models export\n",
    )
