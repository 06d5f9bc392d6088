"""`benchmarks/common_scores.py` compares models only on songs that all of them have."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import pytest

from unbraid.models.catalog import catalog


@pytest.fixture(scope="module")
def common_scores(benchmarks: None) -> ModuleType:
    return import_module("common_scores")


def test_medians_are_of_the_common_songs(common_scores: ModuleType) -> None:
    songs, medians = common_scores.common_medians(
        {"a": {"x": 1.0, "y": 3.0, "z": 90.0}, "b": {"x": 2.0, "y": 8.0}}
    )
    assert songs == ["x", "y"]
    assert medians == {"a": 2.0, "b": 5.0}


def test_reads_the_table_by_file_and_stem(common_scores: ModuleType) -> None:
    song = {"track_name": "x", "scores": {"vocals": {"SDR": 7.5}}}
    table = {file: {"track_scores": [song]} for file in common_scores.FILES.values()}
    assert common_scores.scores_of(table, "vocals")["htdemucs"] == {"x": 7.5}
    assert common_scores.scores_of(table, "drums")["htdemucs"] == {}


def test_has_every_model_that_the_catalogue_scores_on_that_set(common_scores: ModuleType) -> None:
    assert {name for name, entry in catalog().items() if "musdb11" in entry.scores} == {*common_scores.FILES}
