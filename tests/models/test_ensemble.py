"""Ensembles are composed from models: which stems they have, and one clear line for what isn't an ensemble."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.models.mdx_files import write_small
from tests.models.roformer_files import write_files
from tests.separation.known_models import spectral_model

from unbraid.errors import ModelError, SettingError
from unbraid.models import Model, catalog, find_model, load_model_folder
from unbraid.models.auto import ORDERS
from unbraid.models.catalog import Speed, read_catalog
from unbraid.models.ensemble import adjusted, common_stems, compose, licence_of, split_name

FOUR = ("drums", "bass", "other", "vocals")
SIX = ("bass", "drums", "other", "vocals", "guitar", "piano")
MDX = ("vocals", "no_vocals")
ROFORMER = ("vocals", "other")
PRESETS = [name for name, entry in catalog().items() if name.startswith("ensemble_")]


@pytest.fixture
def four(tmp_path: Path) -> Path:
    return spectral_model(tmp_path / "four")


@pytest.fixture
def two(tmp_path: Path) -> Path:
    return spectral_model(tmp_path / "two", (0.5, 0.5), MDX, name="two")


def stems_of(*sources: tuple[str, ...]) -> dict[str, tuple[str | None, ...]]:
    return common_stems([f"model{place}" for place in range(len(sources))], sources)


def test_other_of_a_model_for_vocals_is_no_vocals() -> None:
    assert stems_of(MDX, ROFORMER) == {"vocals": ("vocals", "vocals"), "no_vocals": ("no_vocals", "other")}
    assert stems_of(ROFORMER, ROFORMER).keys() == {"vocals", "no_vocals"}
    assert stems_of(("vocals", "instrumental"), MDX) == {
        "vocals": ("vocals", "vocals"),
        "no_vocals": ("instrumental", "no_vocals"),
    }


@pytest.mark.parametrize("two_stems", [MDX, ROFORMER])
def test_rest_of_a_model_for_vocals_is_never_other_of_four_stems(two_stems: tuple[str, ...]) -> None:
    assert stems_of(FOUR, two_stems) == {
        "drums": ("drums", None),
        "bass": ("bass", None),
        "other": ("other", None),
        "vocals": ("vocals", "vocals"),
    }


def test_other_of_four_stems_is_not_other_of_six() -> None:
    stems = stems_of(FOUR, SIX)
    assert stems["other"] == (None, "other")
    assert stems["drums"] == ("drums", "drums")
    assert stems["guitar"] == (None, "guitar")
    assert stems_of(FOUR, FOUR)["other"] == ("other", "other")


def test_a_network_for_other_alone_is_combined_with_other_of_four_stems() -> None:
    assert stems_of(FOUR, ("other", "no_other"))["other"] == ("other", "other")
    assert "no_other" not in stems_of(FOUR, ("other", "no_other"))


@pytest.mark.parametrize(
    ("name", "models"),
    [
        ("a", ["a"]),
        ("a+b", ["a", "b"]),
        ("a+my+model+b", ["a", "my+model", "b"]),
        ("my+model", ["my+model"]),
        ("my+model+my+model", ["my+model", "my+model"]),
    ],
)
def test_splits_names_at_plus_signs_unless_the_whole_is_a_model(name: str, models: list[str]) -> None:
    assert split_name(name, {"a", "b", "my+model"}.__contains__) == models


@pytest.mark.parametrize("name", ["+a", "a+", "a++b", "+"])
def test_a_missing_model_is_named_in_one_line(name: str) -> None:
    with pytest.raises(SettingError, match=r"^A model is missing in '.*'\. Write an ensemble as"):
        find_model(name)


def test_finds_names_aliases_and_paths(four: Path, two: Path, cache: Path, tmp_path: Path) -> None:
    model = find_model(f"lite+{four}+{two}")
    assert (model.name, model.sources, model.licence) == ("lite+known+two", FOUR, "MIT")
    assert [network.name for network in model.networks] == ["lite", "known", "two"]
    plus = two.rename(tmp_path / "two+half")
    assert find_model(str(plus)).ensemble is None
    assert len(find_model(f"{plus}+lite").networks) == 2
    with pytest.raises(ModelError, match="There is no model 'lote'"):
        find_model("lite+lote")


def test_finds_models_of_a_repo_and_others_beside_it(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    write_small(tmp_path / "repo", "one")
    write_files(tmp_path / "repo")
    model = find_model("one+small", repo=tmp_path / "repo")
    assert (model.name, model.sources, model.licence) == ("one+small", MDX, "unknown")
    assert find_model("one+lite", repo=tmp_path / "repo").sources == ("vocals", "drums", "bass", "other")
    with pytest.raises(ModelError, match="There is no model 'nine'"):
        find_model("one+nine", repo=tmp_path / "repo")


def test_one_line_for_models_that_form_no_ensemble(four: Path, two: Path, tmp_path: Path) -> None:
    drums = spectral_model(tmp_path / "drums", (0.5, 0.5), ("kick", "snare"), name="pieces")
    slow = spectral_model(tmp_path / "slow", sample_rate=48000, name="slow")
    for other, reason in (
        (four, "known is in it twice"),
        (drums, "known has no stem in common with pieces"),
        (slow, "known works at 44100 Hz, and slow at 48000 Hz"),
    ):
        with pytest.raises(SettingError) as error:
            find_model(f"{four}+{other}")
        assert error.value.message == f"The ensemble {four}+{other} can't be used: {reason}."
    with pytest.raises(SettingError, match="pieces has no stem in common with known and two"):
        find_model(f"{four}+{two}+{drums}")


@pytest.mark.parametrize(
    ("combine", "weights", "reason"),
    [
        ("mean", [1], "weights must be 2 numbers, one for each model, not [1]"),
        ("mean", [1, 2, 3], "weights must be 2 numbers, one for each model, not [1, 2, 3]"),
        ("mean", "12", "weights must be 2 numbers, one for each model, not '12'"),
        ("mean", [1, -1], "a weight must be 0 or more, and at most 1e+06, not -1"),
        ("mean", [1, float("nan")], "a weight must be 0 or more, and at most 1e+06, not nan"),
        ("mean", [1, float("inf")], "a weight must be 0 or more, and at most 1e+06, not inf"),
        ("mean", [1, 10**400], "a weight must be 0 or more, and at most 1e+06, not 10000000000000000000"),
        ("mean", ["1", 1], "a weight must be a number, not '1'"),
        ("mean", [0, 0], "all weights for drums are 0"),
        ("mean", {"vocals": [0, 0]}, "all weights for vocals are 0"),
        ("mean", {"drums": [0, 1]}, "all weights for drums are 0"),  # only the first model has drums
        ("mean", {"guitar": [1, 1]}, "it has no stem guitar for a weight; it has drums, bass, other, vocals"),
        ("max", [1, 2], "with max, a weight is 0 (without the model) or 1, not 2"),
    ],
)
def test_one_line_for_wrong_weights(
    four: Path, two: Path, combine: str, weights: object, reason: str
) -> None:
    ensemble = find_model(f"{four}+{two}")
    with pytest.raises(SettingError) as error:
        adjusted(ensemble, combine, weights)  # type: ignore[arg-type]
    assert error.value.message == f"The ensemble known+two can't be used: {reason}."


def test_combine_is_one_of_four_and_only_for_ensembles(four: Path, two: Path) -> None:
    single = load_model_folder(four)
    assert adjusted(single) is single
    with pytest.raises(
        SettingError, match=r"known is a single model\. combine and weights are for ensembles"
    ):
        adjusted(single, "max")
    with pytest.raises(SettingError, match=r"called 'loud'\. Choose mean, median, max, min\."):
        adjusted(find_model(f"{four}+{two}"), "loud")


def test_weights_are_by_model_and_stem(four: Path, two: Path) -> None:
    model = adjusted(find_model(f"{four}+{two}"), "median", {"all": [2, 1], "vocals": [1, 3]})
    assert model.ensemble is not None
    assert model.ensemble.combine == "median"
    assert [dict(member.weights) for member in model.ensemble.members] == [
        {"drums": 2, "bass": 2, "other": 2, "vocals": 1},
        {"vocals": 3},
    ]
    kept = adjusted(model, "mean")
    assert kept.ensemble is not None
    assert [one.weights for one in kept.ensemble.members] == [one.weights for one in model.ensemble.members]


def test_a_folder_may_be_an_ensemble(four: Path, tmp_path: Path) -> None:
    spectral_model(tmp_path / "own" / "inside", (0.5, 0.5), ROFORMER, licence="unknown", name="inside")

    def load(**changed: object) -> Model:
        described = {"name": "own", "version": "3", "models": [{"model": "four"}, {"folder": "inside"}]}
        (tmp_path / "own" / "model.json").write_text(json.dumps({**described, **changed}))
        return load_model_folder(tmp_path / "own", lambda name: load_model_folder(four))

    model = load(combine="max", weights={"vocals": [0, 1]})
    assert (model.name, model.version, model.folder) == ("own", "3", tmp_path / "own")
    assert (model.sources, model.licence) == (FOUR, "unknown")
    assert model.ensemble is not None
    assert model.ensemble.combine == "max"
    assert model.ensemble.members[0].weights["vocals"] == 0
    with pytest.raises(ModelError, match=r"model\.json can't be used: all weights for drums are 0"):
        load(weights=[0, 1])
    with pytest.raises(ModelError, match="no way to combine models called 'x'"):
        load(combine="x")
    with pytest.raises(ModelError, match="it needs two or more models"):
        load(models=[{"model": "four"}])
    nested = compose([load(), replace(load_model_folder(four), name="again")])
    assert [network.name for network in nested.networks] == ["known", "inside", "again"]


def test_licence_is_that_of_all_models_or_unknown() -> None:
    assert licence_of(["MIT", "MIT"]) == "MIT"
    assert licence_of(["MIT", "CC BY 4.0", "MIT"]) == "MIT; CC BY 4.0"
    assert licence_of(["MIT", "unknown"]) == licence_of(["not stated", "MIT"]) == "unknown"


def test_there_are_presets() -> None:
    assert len(PRESETS) == 3


def test_presets_have_stems_licence_and_time_of_their_models_together() -> None:
    """A licence and times that are unlike those of the first model, and the same rules as for `a+b`."""
    models = """
        [[model]]
        name = "a"
        summary = "first"
        sources = ["vocals", "no_vocals"]
        licence = "MIT"
        speed = { one_stem = 0.5, all_stems = 1 }
        [[model]]
        name = "b"
        summary = "second"
        sources = ["vocals", "other"]
        licence = "GPL-3.0"
        speed = { one_stem = 2, all_stems = 3 }
        [[model]]
        name = "ab"
        summary = "both"
        models = ["a", "b"]
    """
    both = read_catalog(models)["ab"]
    assert (both.sources, both.licence, both.models) == (MDX, "MIT; GPL-3.0", ("a", "b"))
    assert both.speed == Speed(2.5, 4)
    assert read_catalog(models.replace("GPL-3.0", "unknown"))["ab"].licence == "unknown"


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_said_to_be_what_it_is(name: str) -> None:
    entry = catalog()[name]
    assert not entry.installed
    assert entry.download_size == sum(one.download_size for one in entry.members) > 0
    assert not entry.sdr_db  # none is published
    assert all(one.name in entry.summary for one in entry.members)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_an_ensemble_of_the_models_it_names(name: str, tmp_path: Path) -> None:
    def load(member: str) -> Model:
        sources = catalog()[member].sources
        gains = [1 / len(sources)] * len(sources)
        return load_model_folder(spectral_model(tmp_path / member, gains, sources, name=member))

    entry = catalog()[name]
    model = load_model_folder(entry.place, load)
    assert (model.name, model.sources) == (entry.name, entry.sources)
    assert [network.name for network in model.networks] == [one.name for one in entry.members]
    assert model.ensemble is not None
    assert model.ensemble.combine == "mean"


def test_auto_and_fast_never_choose_an_ensemble() -> None:
    assert not {*PRESETS}.intersection(name for names in ORDERS.values() for name in names)
