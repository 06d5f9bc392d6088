"""A model is found, downloaded or rejected by its name, and never replaced by another."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.folders import all_but_locks_in
from tests.models import small_catalog
from tests.models.file_server import FileServer
from tests.models.published import HTDEMUCS_6S, published
from tests.models.small_catalog import entry
from tests.separation.known_models import spectral_model

from unbraid.errors import ModelError
from unbraid.models import catalog, find_installed, find_model, graphs
from unbraid.models.catalog import networks
from unbraid.models.graphs import load_template
from unbraid.models.older_demucs import OLDER
from unbraid.models.published import ModelFile


@pytest.mark.parametrize("find", [find_model, find_installed])
def test_unknown_name_lists_the_known_ones(find: Callable[[str], object]) -> None:
    with pytest.raises(ModelError, match=r"no model 'umx'\. Choose auto, fast, best, vocals, karaoke"):
        find("umx")


@pytest.mark.parametrize("find", [find_model, find_installed])
@pytest.mark.parametrize("name", ["mdx", "mdx_q", "0d19c1c6", "demucs48_hq", "tasnet"])
def test_name_of_an_older_demucs_model_says_what_to_use(find: Callable[[str], object], name: str) -> None:
    with pytest.raises(ModelError, match=f"^{name} is .*older generation.* Use htdemucs, .* or mdx_extra"):
        find(name)


def test_a_folder_may_have_the_name_of_an_older_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spectral_model(tmp_path / "mdx")
    monkeypatch.chdir(tmp_path)
    assert find_model("mdx").name == "known"


def test_replacements_of_older_models_exist() -> None:
    assert {"htdemucs", "mdx_extra"} <= catalog().keys()
    assert not OLDER & {*catalog(), *networks()}


def test_accepts_the_path_of_a_folder(tmp_path: Path) -> None:
    folder = spectral_model(tmp_path / "mine")
    assert find_model(str(folder)).name == "known"
    assert find_model(folder).folder == folder
    assert find_installed(folder).folder == folder


def test_downloads_a_model_on_first_use(models: Path, server: FileServer) -> None:
    reports: list[tuple[int, int]] = []
    model = find_model("htdemucs", progress=lambda done, total: reports.append((done, total)))
    assert (model.name, model.folder) == ("htdemucs", models / "htdemucs")
    assert reports[0] == (0, small_catalog.SIZE)
    assert reports[-1] == (small_catalog.SIZE, small_catalog.SIZE)
    assert find_model("htdemucs").version == model.version
    assert len(server.requests) == 1


def test_removes_the_download_after_conversion(models: Path, cache: Path) -> None:
    find_model("htdemucs")
    assert all_but_locks_in(cache / "downloads") == []
    assert all_but_locks_in(models) == ["htdemucs"]


def test_progress_counts_all_files_of_a_model(models: Path, server: FileServer) -> None:
    reports: list[tuple[int, int]] = []
    model = find_model("htdemucs_ft", progress=lambda done, total: reports.append((done, total)))
    assert reports == sorted(reports)
    assert reports[-1] == (4 * small_catalog.SIZE, 4 * small_catalog.SIZE)
    assert len(server.requests) == 4
    assert [[source for source, weight in member.weights.items() if weight] for member in model.members] == [
        ["drums"],
        ["bass"],
        ["other"],
        ["vocals"],
    ]


def test_unavailable_model_is_an_error_and_never_another(models: Path, server: FileServer) -> None:
    server.files.clear()
    with pytest.raises(ModelError, match=r"htdemucs can't be downloaded: 127\.0\.0\.1 answers 404") as caught:
        find_model("htdemucs")
    (name,) = [name for name in small_catalog.files() if name.startswith("00000000")]
    files = f"{server.address}/{name} (SHA-256 {small_catalog.checksum(0)})"
    assert f"put these files into {models.parent}/downloads by hand: {files}" in caught.value.message
    assert not models.joinpath("htdemucs").exists()


def test_error_lists_all_missing_files(
    models: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [name for name in small_catalog.files() if "00000001" <= name < "00000005"]
    del server.files[names[2]]
    with pytest.raises(ModelError, match="htdemucs_ft can't be downloaded"):
        find_model("htdemucs_ft")
    monkeypatch.setenv("UNBRAID_OFFLINE", "1")
    with pytest.raises(ModelError, match="UNBRAID_OFFLINE is set") as caught:
        find_model("htdemucs_ft")
    assert [name in caught.value.message for name in names] == [False, False, True, True]
    for name in names[2:]:
        (models.parent / "downloads" / name).write_bytes(small_catalog.files()[name])
    assert len(find_model("htdemucs_ft").members) == 4
    assert all_but_locks_in(models.parent / "downloads") == []


def test_installed_model_needs_no_network(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_model("htdemucs")
    monkeypatch.setenv("UNBRAID_OFFLINE", "1")
    assert find_model("htdemucs").folder == models / "htdemucs"
    assert find_model("auto").folder == models / "htdemucs"
    assert find_installed("auto").folder == models / "htdemucs"


def test_installed_model_is_only_read(models: Path, cache: Path) -> None:
    find_model("htdemucs")
    for lock in cache.rglob("*.lock"):
        lock.unlink()
    before = sorted(cache.rglob("*"))
    find_model("htdemucs")
    assert sorted(cache.rglob("*")) == before


def test_damaged_model_is_downloaded_again(models: Path, server: FileServer) -> None:
    find_model("htdemucs")
    (models / "htdemucs" / "weights.bin").write_bytes(b"damaged")
    assert find_model("htdemucs").folder == models / "htdemucs"
    assert len(server.requests) == 2


def test_damaged_model_without_network_is_an_error(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_model("htdemucs")
    (models / "htdemucs" / "weights.bin").write_bytes(b"damaged")
    monkeypatch.setenv("UNBRAID_OFFLINE", "1")
    with pytest.raises(
        ModelError, match=re.escape(f"htdemucs (damaged in {models}/htdemucs) can't be downloaded")
    ):
        find_model("htdemucs")


def test_model_from_other_files_is_replaced(models: Path, server: FileServer) -> None:
    spectral_model(models / "htdemucs", name="htdemucs", version="older")
    assert not entry("htdemucs").installed
    assert find_model("htdemucs").version == entry("htdemucs").version
    assert len(server.requests) == 1


def test_model_with_another_graph_is_replaced(
    models: Path, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: find_model(name).version for name in ("htdemucs", "htdemucs_6s")}
    shutil.copytree(graphs.FOLDER, tmp_path / "graphs")
    with (tmp_path / "graphs" / "htdemucs.onnx").open("ab") as graph:
        graph.write(b"\x12\x00")
    monkeypatch.setattr(graphs, "FOLDER", tmp_path / "graphs")
    module = sys.modules["unbraid.models.catalog"]
    monkeypatch.setattr(module, "_graph_hash", module._graph_hash.__wrapped__)
    assert not entry("htdemucs").installed
    assert entry("htdemucs_6s").installed
    assert find_model("htdemucs").version != before["htdemucs"]
    assert find_model("htdemucs_6s").version == before["htdemucs_6s"]
    assert len(server.requests) == 3


def test_stopped_download_is_resumed(models: Path, server: FileServer) -> None:
    def stop(done: int, _total: int) -> None:
        if done > small_catalog.SIZE // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_model("htdemucs", progress=stop)
    find_model("htdemucs")
    assert server.ranges[1] is not None


def test_published_file_becomes_an_installed_model(
    server: FileServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {place.name: np.zeros(place.shape, np.float16) for place in load_template("htdemucs_6s").tensors}
    body = published(tmp_path / "a.th", state, HTDEMUCS_6S).read_bytes()
    file = ModelFile(f"{server.address}/a-b.th", hashlib.sha256(body).hexdigest(), len(body))
    server.files["a-b.th"] = body
    entry = replace(catalog()["htdemucs_6s"], files=(file,))
    small_catalog.use_catalog({"htdemucs_6s": entry}, monkeypatch.setattr)
    model = find_model("htdemucs_6s")
    assert (model.name, model.version, model.licence) == (
        "htdemucs_6s",
        f"a-b.{load_template('htdemucs_6s').fingerprint[:8]}",
        "MIT",
    )
    assert model.sources == entry.sources
    assert entry.installed
    assert entry.size is not None and entry.size > 54e6
    server.files.clear()
    assert find_model("htdemucs_6s") == model


def test_repo_has_precedence_over_the_catalogue(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"no model 'htdemucs' in {tmp_path}"):
        find_model("htdemucs", repo=tmp_path)
    with pytest.raises(ModelError, match=f"no model 'htdemucs' in {tmp_path}"):
        find_model("auto", repo=tmp_path)
