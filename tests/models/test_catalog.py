"""The catalogue: what is known of each model, how it gets here, and no model in place of another."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from tests.folders import all_but_locks_in
from tests.models import stand_in
from tests.models.file_server import Fault, FileServer
from tests.models.published import HDEMUCS_MMI, HTDEMUCS, HTDEMUCS_6S, TINY, draw, published, tiny_graphs
from tests.separation.known_models import spectral_model

import unbraid.models
from unbraid.errors import ModelError
from unbraid.models import CatalogEntry, catalog, find_installed, find_model, graphs
from unbraid.models.cache import PLACE, locked
from unbraid.models.catalog import GRAPHS
from unbraid.models.download import MIRROR, OFFLINE, ModelFile
from unbraid.models.graphs import load_template, template_for

ROOT = Path(__file__).parents[2]
PUBLISHED = ["htdemucs", "htdemucs_ft", "htdemucs_6s", "hdemucs_mmi"]


# What is known


def test_the_bundled_model_comes_first() -> None:
    assert list(catalog()) == ["lite", *PUBLISHED]
    assert catalog()["lite"].folder is not None


def test_every_entry_says_its_stems_and_licence() -> None:
    for name, entry in catalog().items():
        assert entry.name == name
        assert entry.summary
        assert set(entry.sources) >= {"drums", "bass", "other", "vocals"}
        assert entry.licence == "MIT"


def test_every_score_has_its_source_and_is_the_mean_of_its_parts() -> None:
    for entry in catalog().values():
        assert bool(entry.sdr_db) == bool(entry.sdr_source)
        if entry.sdr_db:
            parts = [entry.sdr_db[source] for source in ("drums", "bass", "other", "vocals")]
            assert entry.sdr_db["mean"] == pytest.approx(sum(parts) / 4, abs=0.05)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_files_carry_their_full_checksum_and_size(name: str) -> None:
    entry = catalog()[name]
    assert entry.files
    assert not entry.installed
    for file in entry.files:
        assert len(file.sha256) == 64
        # The published name ends in the first eight digits of the checksum.
        assert urlsplit(file.url).path.endswith(f"-{file.sha256[:8]}.th")
        assert 50e6 < file.size < 200e6
        assert file.source is None or file.source in entry.sources


def test_the_fine_tuned_model_has_a_network_for_each_stem() -> None:
    entry = catalog()["htdemucs_ft"]
    assert tuple(file.source for file in entry.files) == entry.sources


@pytest.mark.parametrize("find", [find_model, find_installed])
def test_an_unknown_name_is_answered_with_those_known(find: Callable[[str], object]) -> None:
    with pytest.raises(ModelError, match=r"no model 'spleeter'; there is auto, lite, htdemucs"):
        find("spleeter")


def test_the_path_of_a_folder_is_a_name_too(tmp_path: Path) -> None:
    folder = spectral_model(tmp_path / "mine")
    assert find_model(str(folder)).name == "known"
    assert find_model(folder).folder == folder
    assert find_installed(folder).folder == folder


# How a model gets here


def known(name: str) -> CatalogEntry:
    """The entry of the catalogue that is in use, as tests put another in its place."""
    return unbraid.models.catalog()[name]


@pytest.fixture
def models(server: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of installed models, empty; those of the catalogue come from `server`."""
    stand_in.put_in_place(server.address, monkeypatch.setattr)
    server.files = stand_in.files()
    return cache / "models"


def test_a_model_is_downloaded_when_it_is_first_asked_for(models: Path, server: FileServer) -> None:
    reports: list[tuple[int, int]] = []
    model = find_model("htdemucs", progress=lambda done, total: reports.append((done, total)))
    assert (model.name, model.folder) == ("htdemucs", models / "htdemucs")
    assert reports[0] == (0, stand_in.SIZE)
    assert reports[-1] == (stand_in.SIZE, stand_in.SIZE)
    assert find_model("htdemucs").version == model.version
    assert len(server.requests) == 1


def test_after_the_conversion_the_download_goes(models: Path, cache: Path) -> None:
    find_model("htdemucs")
    assert all_but_locks_in(cache / "downloads") == []
    assert all_but_locks_in(models) == ["htdemucs"]


def test_one_progress_counts_all_files_of_a_model(models: Path, server: FileServer) -> None:
    reports: list[tuple[int, int]] = []
    model = find_model("htdemucs_ft", progress=lambda done, total: reports.append((done, total)))
    assert reports == sorted(reports)
    assert reports[-1] == (4 * stand_in.SIZE, 4 * stand_in.SIZE)
    assert len(server.requests) == 4
    assert [[source for source, weight in member.weights.items() if weight] for member in model.members] == [
        ["drums"],
        ["bass"],
        ["other"],
        ["vocals"],
    ]


def test_a_model_by_name_that_cannot_be_had_is_an_error_and_never_another(
    models: Path, server: FileServer
) -> None:
    server.files.clear()
    with pytest.raises(ModelError, match=r"htdemucs can't be downloaded: 127\.0\.0\.1 answers 404") as caught:
        find_model("htdemucs")
    (name,) = [name for name in stand_in.files() if name.startswith("00000000")]
    assert f"put {server.address}/{name} (SHA-256 {stand_in.checksum(0)}) into {models.parent}/downloads" in (
        caught.value.message
    )
    assert not models.joinpath("htdemucs").exists()


def test_the_error_lists_all_files_that_are_missing(
    models: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [name for name in stand_in.files() if "00000001" <= name < "00000005"]
    del server.files[names[2]]
    with pytest.raises(ModelError, match="htdemucs_ft can't be downloaded"):
        find_model("htdemucs_ft")
    monkeypatch.setenv("UNBRAID_OFFLINE", "1")
    with pytest.raises(ModelError, match="UNBRAID_OFFLINE is set") as caught:
        find_model("htdemucs_ft")
    assert [name in caught.value.message for name in names] == [False, False, True, True]
    for name in names[2:]:
        (models.parent / "downloads" / name).write_bytes(stand_in.files()[name])
    assert len(find_model("htdemucs_ft").members) == 4
    assert all_but_locks_in(models.parent / "downloads") == []


def test_what_is_installed_needs_no_network(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_model("htdemucs")
    monkeypatch.setenv("UNBRAID_OFFLINE", "1")
    assert find_model("htdemucs").folder == models / "htdemucs"
    assert find_model("auto").folder == models / "htdemucs"
    assert find_installed("auto").folder == models / "htdemucs"


def test_what_is_installed_is_only_read(models: Path, cache: Path) -> None:
    find_model("htdemucs")
    for lock in cache.rglob("*.lock"):
        lock.unlink()
    before = sorted(cache.rglob("*"))
    find_model("htdemucs")
    assert sorted(cache.rglob("*")) == before


def test_a_model_that_was_damaged_is_downloaded_again(models: Path, server: FileServer) -> None:
    find_model("htdemucs")
    (models / "htdemucs" / "weights.bin").write_bytes(b"damaged")
    assert find_model("htdemucs").folder == models / "htdemucs"
    assert len(server.requests) == 2


def test_a_damaged_model_without_network_is_an_error(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_model("htdemucs")
    (models / "htdemucs" / "weights.bin").write_bytes(b"damaged")
    monkeypatch.setenv("UNBRAID_OFFLINE", "1")
    with pytest.raises(
        ModelError, match=f"htdemucs, which is damaged in {models}/htdemucs, can't be downloaded"
    ):
        find_model("htdemucs")


def test_a_model_of_other_files_than_the_catalogues_is_replaced(models: Path, server: FileServer) -> None:
    spectral_model(models / "htdemucs", name="htdemucs", version="older")
    assert not known("htdemucs").installed
    assert find_model("htdemucs").version == known("htdemucs").version
    assert len(server.requests) == 1


def test_a_model_of_another_graph_than_this_versions_is_replaced(
    models: Path, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: find_model(name).version for name in ("htdemucs", "htdemucs_6s")}
    shutil.copytree(graphs.FOLDER, tmp_path / "graphs")
    with (tmp_path / "graphs" / "htdemucs.onnx").open("ab") as graph:
        graph.write(b"\x12\x00")
    monkeypatch.setattr(graphs, "FOLDER", tmp_path / "graphs")
    module = sys.modules["unbraid.models.catalog"]
    monkeypatch.setattr(module, "_graph_of", module._graph_of.__wrapped__)
    assert not known("htdemucs").installed
    assert known("htdemucs_6s").installed
    assert find_model("htdemucs").version != before["htdemucs"]
    assert find_model("htdemucs_6s").version == before["htdemucs_6s"]
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("name", "class_name", "arguments"),
    [
        ("htdemucs", "HTDemucs", HTDEMUCS),
        ("htdemucs_ft", "HTDemucs", HTDEMUCS),
        ("htdemucs_6s", "HTDemucs", HTDEMUCS_6S),
        ("hdemucs_mmi", "HDemucs", HDEMUCS_MMI),
    ],
)
def test_the_graph_of_a_model_is_the_one_that_fits_what_is_published(
    name: str, class_name: str, arguments: dict[str, Any]
) -> None:
    assert GRAPHS.keys() == {entry.name for entry in catalog().values() if entry.files}
    assert GRAPHS[name] == template_for(class_name, arguments).name


def test_what_stops_a_download_lets_the_next_one_go_on(models: Path, server: FileServer) -> None:
    def stop(done: int, _total: int) -> None:
        if done > stand_in.SIZE // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_model("htdemucs", progress=stop)
    find_model("htdemucs")
    assert server.ranges[1] is not None


def test_published_files_become_a_model_that_can_be_run(
    server: FileServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {place.name: np.zeros(place.shape, np.float16) for place in load_template("htdemucs_6s").tensors}
    body = published(tmp_path / "a.th", state, HTDEMUCS_6S).read_bytes()
    file = ModelFile(f"{server.address}/a-b.th", hashlib.sha256(body).hexdigest(), len(body))
    server.files["a-b.th"] = body
    entry = replace(catalog()["htdemucs_6s"], files=(file,))
    monkeypatch.setattr(sys.modules["unbraid.models.catalog"], "catalog", lambda: {"htdemucs_6s": entry})
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


def test_a_folder_of_published_weights_goes_before_the_catalogue(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"no model 'htdemucs' in {tmp_path}"):
        find_model("htdemucs", repo=tmp_path)
    with pytest.raises(ModelError, match=f"no model 'htdemucs' in {tmp_path}"):
        find_model("auto", repo=tmp_path)


# What `auto` takes


def test_auto_gets_the_good_model_where_it_can(models: Path) -> None:
    notices: list[str] = []
    assert find_model("auto", notice=notices.append).name == "htdemucs"
    assert notices == []


def test_auto_takes_the_bundled_model_where_it_must_and_says_so(
    models: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices: list[str] = []
    monkeypatch.setenv("UNBRAID_OFFLINE", "1")
    assert find_model("auto", notice=notices.append).name == "lite"
    assert notices == [
        "using lite, which is far weaker, as htdemucs can't be had: UNBRAID_OFFLINE is set. "
        "To get it: unbraid models pull htdemucs"
    ]
    assert server.requests == []
    assert find_installed("auto").name == "lite"


def test_auto_tries_once(models: Path, server: FileServer) -> None:
    server.faults, server.forever = [Fault(503, {"Retry-After": "30"})], True
    notices: list[str] = []
    assert find_model("auto", notice=notices.append).name == "lite"
    assert len(server.requests) == 1
    assert "127.0.0.1 answers 503" in notices[0]


@pytest.mark.parametrize(
    ("setting", "value"), [("http_proxy", "http://127.0.0.1:abc"), ("UNBRAID_MIRROR", "http://[x")]
)
def test_auto_takes_the_bundled_model_where_a_setting_makes_no_sense(
    models: Path, monkeypatch: pytest.MonkeyPatch, setting: str, value: str
) -> None:
    monkeypatch.setenv(setting, value)
    notices: list[str] = []
    assert find_model("auto", notice=notices.append).name == "lite"
    assert len(notices) == 1 and "\n" not in notices[0]
    with pytest.raises(ModelError, match="htdemucs can't be downloaded"):
        find_model("htdemucs")


def test_auto_takes_the_bundled_model_where_the_cache_cannot_be_written(
    models: Path, cache: Path, server: FileServer
) -> None:
    cache.write_text("a file where the folder should be")
    notices: list[str] = []
    assert find_model("auto", notice=notices.append).name == "lite"
    assert "set UNBRAID_CACHE to another folder" in notices[0]


# Several processes

GET = """
import sys
from tests.models.stand_in import put_in_place
put_in_place(sys.argv[1])
from unbraid.models import find_model
print(find_model("htdemucs").version)
"""


def test_of_two_processes_one_downloads_and_the_other_waits(models: Path, server: FileServer) -> None:
    server.faults = [Fault(pause_s=0.5)]
    command = [sys.executable, "-c", GET, server.address]
    path = os.pathsep.join([str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)
    ]
    answers = [process.communicate()[0] for process in processes]
    assert answers == [f"{known('htdemucs').version}\n"] * 2
    assert len(server.requests) == 1


def test_who_waits_says_so_once_and_sees_how_far_it_is(models: Path, cache: Path) -> None:
    (cache / "downloads").mkdir(parents=True)
    (name,) = [name for name in stand_in.files() if name.startswith("00000000")]
    (cache / "downloads" / f"{name}.part").write_bytes(stand_in.content(0)[:100_000])
    notices: list[str] = []
    reports: list[tuple[int, int]] = []
    with locked(models / "htdemucs"):
        thread = threading.Thread(
            target=find_model,
            args=("htdemucs",),
            kwargs={
                "notice": notices.append,
                "progress": lambda done, total: reports.append((done, total)),
            },
        )
        thread.start()
        while len(reports) < 3 and thread.is_alive():
            thread.join(0.01)
    thread.join()
    assert notices == ["another process is getting htdemucs; waiting for it"]
    assert reports[0] == (100_000, stand_in.SIZE)
    assert (models / "htdemucs" / "model.json").is_file()


# The documentation


def test_the_documentation_has_every_file_score_and_setting() -> None:
    text = (ROOT / "docs" / "models.md").read_text("utf-8")
    for entry in catalog().values():
        for file in entry.files:
            assert f"| `{file.name}` | `{file.sha256}` |" in text
            assert file.url == f"https://dl.fbaipublicfiles.com/demucs/hybrid_transformer/{file.name}"
        if entry.sdr_db:
            digits = 2 if entry.files else 1
            scores = " | ".join(f"{score:.{digits}f}" for score in entry.sdr_db.values())
            assert f"| `{entry.name}` | {scores} |" in text
    for setting in (PLACE, MIRROR, OFFLINE):
        assert f"| `{setting}` |" in text


def test_the_documentation_has_every_folder_of_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_graphs(monkeypatch, tmp_path / "graphs")
    published(tmp_path / "a.th", draw(TINY))
    find_model("a", repo=tmp_path)
    text = (ROOT / "docs" / "models.md").read_text("utf-8")
    for folder in ("models", "downloads", *(path.name for path in cache.iterdir())):
        assert f"\n| `{folder}` |" in text
        assert f"\n{folder}/" in (unbraid.models.cache.__doc__ or "")
