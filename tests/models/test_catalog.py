"""The catalogue: what is known of each model, and no model in place of another."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.separation.known_models import spectral_model

from unbraid.errors import ModelError
from unbraid.models import catalog, find_model

PUBLISHED = ["htdemucs", "htdemucs_ft", "htdemucs_6s", "hdemucs_mmi"]


def test_the_bundled_model_comes_first() -> None:
    assert list(catalog()) == ["lite", *PUBLISHED]
    assert catalog()["lite"].folder is not None


def test_every_entry_says_its_stems_and_licence() -> None:
    for name, entry in catalog().items():
        assert entry.name == name
        assert entry.summary
        assert set(entry.sources) >= {"drums", "bass", "other", "vocals"}
        assert entry.licence == "MIT"
        assert bool(entry.sdr_db) == bool(entry.sdr_source)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_files_carry_their_full_checksum(name: str) -> None:
    entry = catalog()[name]
    assert entry.files
    assert not entry.installed
    for file in entry.files:
        assert len(file.sha256) == 64
        # The published name ends in the first eight digits of the checksum.
        assert urlsplit(file.url).path.endswith(f"-{file.sha256[:8]}.th")
        assert file.source is None or file.source in entry.sources


def test_the_fine_tuned_model_has_a_network_for_each_stem() -> None:
    entry = catalog()["htdemucs_ft"]
    assert tuple(file.source for file in entry.files) == entry.sources


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_model_that_cannot_be_run_is_an_error_and_never_another_model(name: str) -> None:
    with pytest.raises(ModelError, match=f"can't run {name} yet; use -m lite"):
        find_model(name)


def test_an_unknown_name_is_answered_with_those_known() -> None:
    with pytest.raises(ModelError, match=r"no model 'spleeter'; there is auto, lite, htdemucs"):
        find_model("spleeter")


def test_the_path_of_a_folder_is_a_name_too(tmp_path: Path) -> None:
    folder = spectral_model(tmp_path / "mine")
    assert find_model(str(folder)).name == "known"
    assert find_model(folder).folder == folder
