"""MDX-Nets are converted from their files, with the settings that UVR has for them or that lie beside them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.models.archive_models import imported
from tests.models.file_server import FileServer
from tests.models.mdx_files import COMPENSATION, N_FFT, SMALL, write_small
from tests.models.small_catalog import use_catalog

from unbraid.audio.stem_names import COMPLEMENT_PREFIX
from unbraid.errors import ModelError
from unbraid.models import archive_export, archive_import, auto, find_model, mdx, mdx_settings
from unbraid.models.auto import ORDERS
from unbraid.models.catalog import CatalogEntry, catalog, find_entry
from unbraid.models.find import find_installed
from unbraid.models.folder import GRAPH, WEIGHTS
from unbraid.models.mdx import is_converted, load_mdx_file
from unbraid.models.mdx_settings import WITHOUT, MdxSettings, known_settings, uvr_hash
from unbraid.models.published import ModelFile

MDX = ["mdx_inst_hq_4", "mdx_inst_hq_5", "mdx_voc_ft", "mdx_kim_vocal_2", "mdx_karaoke_2"]
SETTINGS = MdxSettings(N_FFT, SMALL.bins, SMALL.frames, "no_vocals", COMPENSATION)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small(tmp_path_factory.mktemp("published"), stem="Instrumental")


@pytest.fixture
def file(published: Path, tmp_path: Path, cache: Path) -> Path:
    """A copy of the file with its settings, and an empty cache."""
    for path in (published, published.with_suffix(".json")):
        shutil.copy(path, tmp_path)
    return tmp_path / published.name


@pytest.fixture
def entry(published: Path, server: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch) -> CatalogEntry:
    """A model of the catalogue whose file is the small network, on a local server."""
    content = published.read_bytes()
    server.files["small.onnx"] = content
    model_file = ModelFile(f"{server.address}/small.onnx", hashlib.sha256(content).hexdigest(), len(content))
    entry = replace(catalog()["mdx_inst_hq_4"], mdx=uvr_hash(published), files=(model_file,))
    for module in (mdx, archive_import):
        monkeypatch.setattr(module, "known_settings", lambda: {entry.mdx: SETTINGS})
    use_catalog({**catalog(), entry.name: entry}, monkeypatch.setattr)
    for module in (archive_import, archive_export):
        monkeypatch.setattr(module, "catalog", sys.modules["unbraid.models.find"].catalog)  # type: ignore[attr-defined]
    monkeypatch.setattr(archive_export, "find_entry", lambda name: {entry.name: entry}.get(name))
    return entry


def test_the_hash_is_that_of_the_end_of_the_file(tmp_path: Path) -> None:
    content = os.urandom(10_300_000)
    (tmp_path / "a.onnx").write_bytes(content)
    assert uvr_hash(tmp_path / "a.onnx") == hashlib.md5(content[-10_240_000:]).hexdigest()
    (tmp_path / "a.onnx").write_bytes(b"short")
    assert uvr_hash(tmp_path / "a.onnx") == hashlib.md5(b"short").hexdigest()


def test_known_settings_are_possible() -> None:
    assert len(known_settings()) == 44
    for key, known in known_settings().items():
        assert len(key) == 32
        assert known.bins <= known.n_fft // 2 + 1
        assert known.frames in (128, 256, 512)
        assert 1 <= known.compensation < 2
        assert known.stem in known.sources and known.rest in known.sources


@pytest.mark.parametrize("name", MDX)
def test_published_models_have_known_settings(name: str) -> None:
    entry = catalog()[name]
    assert entry.mdx is not None
    assert known_settings()[entry.mdx].sources == ("vocals", "no_vocals")
    assert known_settings()[entry.mdx].renamed(entry.names).sources == entry.sources
    (file,) = entry.files
    assert len(file.sha256) == 64
    # The weights of the network in float32, and some names: 48 channels, 5 levels, 3 convolutions, 1/8 of the bins.
    convolutions = sum(9 * 3 * (48 * k) ** 2 * (1 if k == 6 else 2) for k in range(1, 7))
    products = sum(
        2 * known_settings()[entry.mdx].bins ** 2 // 8 // 4**k * (1 if k == 5 else 2) for k in range(6)
    )
    scaling = sum(2 * 4 * 48 * 48 * k * (k + 1) for k in range(1, 6))
    assert file.size == pytest.approx(4 * (convolutions + products + scaling), rel=0.004)
    assert find_entry(file.name) is find_entry(file.name.removesuffix(".onnx")) is entry


def test_a_model_of_unknown_licence_is_said_to_be_so_and_never_chosen() -> None:
    assert catalog()["mdx_kim_vocal_2"].licence == "unknown"
    for names in ORDERS.values():
        assert all(catalog()[name].licence == "MIT" for name in names)


def test_loads_a_file_by_its_path_and_keeps_the_conversion(file: Path, cache: Path) -> None:
    model = find_model(str(file))
    assert (model.name, model.sources, model.rest) == ("small", ("vocals", "no_vocals"), "vocals")
    assert model.estimated == ("no_vocals",)
    assert (model.n_fft, model.hop, model.segment) == (N_FFT, 1024, 15 * 1024)
    assert find_model(file).folder == model.folder
    assert {path.name for path in model.folder.iterdir()} == {"model.json", GRAPH, WEIGHTS}
    file.write_bytes(file.read_bytes()[:-1000] + bytes(1000))  # other weights
    with pytest.raises(ModelError):
        find_model(file)


def test_repairs_a_damaged_conversion(file: Path) -> None:
    model = load_mdx_file(file)
    (model.folder / WEIGHTS).write_bytes(b"damaged")
    assert load_mdx_file(file) == model


def test_finds_a_file_in_a_repo(file: Path) -> None:
    assert find_model("small", repo=file.parent).sources == ("vocals", "no_vocals")
    with pytest.raises(ModelError, match=r"There is no model 'x' in .* Choose small\."):
        find_model("x", repo=file.parent)


def test_uses_the_settings_of_uvr_for_a_known_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.with_suffix(".json").unlink()
    known = replace(SETTINGS, stem="reverb", n_fft=4096)
    monkeypatch.setattr(mdx_settings, "known_settings", lambda: {uvr_hash(file): known})
    model = load_mdx_file(file)
    assert (model.sources, model.rest, model.n_fft) == (("reverb", "no_reverb"), "no_reverb", 4096)


def test_asks_for_the_settings_of_an_unknown_file(file: Path) -> None:
    file.with_suffix(".json").unlink()
    with pytest.raises(ModelError) as caught:
        load_mdx_file(file)
    message = caught.value.message
    assert message.startswith(f"{file} is an MDX-Net that Unbraid doesn't know.")
    assert "small.json beside it" in message
    example = message.partition("for example: ")[2]
    file.with_suffix(".json").write_text(example)
    assert load_mdx_file(file).n_fft == 6144


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("not JSON", "it is not JSON"),
        ("[" * 4000, "it is not JSON"),
        (" " * 5000, "it is too long"),
        ("[]", "it is not a JSON object"),
        ({"window": 6144}, "unknown entry 'window'"),
        ({"mdx_n_fft_scale_set": 6145}, "mdx_n_fft_scale_set must be an even number"),
        ({"mdx_n_fft_scale_set": 1 << 40}, "mdx_n_fft_scale_set must be an even number"),
        ({"primary_stem": "../x"}, "primary_stem must be one of Vocals, Instrumental"),
        ({"compensate": float("nan")}, "compensate must be a number from 0 to 10"),
        ({"mdx_dim_f_set": 3072}, "differs from the network (512 x 16)"),
    ],
)
def test_reports_wrong_settings(file: Path, settings: str | dict[str, object], reason: str) -> None:
    beside = file.with_suffix(".json")
    if isinstance(settings, dict):
        settings = json.dumps({**json.loads(beside.read_bytes()), **settings})
    beside.write_text(settings)
    with pytest.raises(ModelError) as caught:
        load_mdx_file(file)
    assert caught.value.message.startswith(f"{beside} doesn't have the settings of an MDX-Net: ")
    assert reason in caught.value.message


def test_bins_must_fit_the_window(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"mdx_n_fft_scale_set": 16384, "primary_stem": "Bass"}
    file.with_suffix(".json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match="its 16 frames are shorter than its window"):
        load_mdx_file(file)


def test_installs_a_model_of_the_catalogue(entry: CatalogEntry, server: FileServer, cache: Path) -> None:
    model = find_model(entry.name)
    assert (model.name, model.licence) == ("mdx_inst_hq_4", "MIT, with credit to UVR")
    assert len(server.requests) == 1
    assert entry.installed
    assert find_installed("UVR-MDX-NET-Inst_HQ_4.onnx") == model
    assert not (cache / "downloads" / "small.onnx").exists()


def test_a_file_with_another_hash_of_uvr_is_not_installed(
    entry: CatalogEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(entry, mdx="0" * 32)
    use_catalog({**catalog(), entry.name: other}, monkeypatch.setattr)
    with pytest.raises(ModelError, match="is a different file"):
        find_model(entry.name)
    assert not other.installed


def test_an_installed_model_is_exported_and_imported(
    entry: CatalogEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_model(entry.name)
    archive_export.export_models(tmp_path / "models.tar", [entry.name])
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "other"))
    assert [one.problem for one in imported(tmp_path / "models.tar")] == [None]
    assert entry.installed
    assert find_installed(entry.name).rest == "vocals"


def test_an_import_accepts_only_graphs_that_a_conversion_writes(file: Path) -> None:
    folder = load_mdx_file(file).folder
    assert is_converted(folder, SETTINGS)
    assert not is_converted(folder, replace(SETTINGS, compensation=1.5))
    graph = (folder / GRAPH).read_bytes()
    (folder / GRAPH).write_bytes(graph.replace(b"Relu", b"Tanh", 1))
    assert not is_converted(folder, SETTINGS)
    (folder / GRAPH).write_bytes(graph.replace(b"offset\x12\x010", b"offset\x12\x015", 1))
    assert not is_converted(folder, SETTINGS)
    (folder / GRAPH).write_bytes(graph + b"\x12\x01x")  # the name of a producer
    assert not is_converted(folder, SETTINGS)


def test_the_rest_has_the_name_of_a_complement() -> None:
    assert WITHOUT == COMPLEMENT_PREFIX


def test_auto_doesnt_know_mdx_nets() -> None:
    for choice in ORDERS:
        assert not set(MDX) & set(auto.candidates("vocals", choice))
