"""A loaded model stays loaded until a song needs another one, or until `auto` and `fast` have a better one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.models.file_server import Fault, FileServer

from unbraid.errors import UnbraidError
from unbraid.jobs.separators import Separators
from unbraid.models import catalog, find_model
from unbraid.models.unavailable import forget


@pytest.fixture(autouse=True)
def no_remembered_failure() -> None:
    forget()


def test_model_stays_until_another_is_needed() -> None:
    separators = Separators()
    lite = separators.get("lite")
    assert separators.get("lite", stems="vocals") is lite
    auto = separators.get("auto")
    assert auto is not lite
    assert separators.get("auto") is auto
    with pytest.raises(UnbraidError):
        separators.get("htdemucs")


@pytest.mark.parametrize("choice", ["auto", "fast"])
def test_failed_download_is_not_repeated_for_the_next_song(
    models: Path, server: FileServer, choice: str
) -> None:
    server.faults, server.forever = [Fault(503)], True
    separators = Separators()
    first = separators.get(choice)
    assert first.separator.model.name == "lite"
    requests = len(server.requests)
    assert requests > 0
    assert separators.get(choice) is first
    assert Separators().get(choice).separator.model.name == "lite"
    assert len(server.requests) == requests


def test_auto_uses_a_model_that_was_pulled_since(models: Path, server: FileServer) -> None:
    server.faults, server.forever = [Fault(503)], True
    separators = Separators()
    assert separators.get("auto", stems="vocals").separator.model.name == "lite"
    server.faults = []
    assert find_model("htdemucs").name == "htdemucs"
    loaded = separators.get("auto", stems="vocals")
    assert (loaded.separator.model.name, loaded.notices) == ("htdemucs", ())
    assert separators.get("auto", stems="all") is loaded


def test_model_of_fast_depends_on_the_stems(models: Path) -> None:
    separators = Separators()
    assert separators.get("fast", stems="vocals").separator.model.name == "spleeter"
    assert separators.get("fast", stems="drums").separator.model.name == "spleeter_lite"


def test_an_ensemble_is_loaded_by_its_name_and_stays(models: Path) -> None:
    """Its models are downloaded on first use."""
    separators = Separators()
    loaded = separators.get("ensemble_demucs")
    assert loaded.separator.model.name == "ensemble_demucs"
    assert len(loaded.separator.model.networks) == 5
    assert catalog()["ensemble_demucs"].installed
    assert separators.get("ensemble_demucs", stems="vocals") is loaded
