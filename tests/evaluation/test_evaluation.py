"""Evaluation of folders, stem files, models and baselines, with failures reported."""

from __future__ import annotations

import builtins
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.evaluation.conftest import noise

from unbraid.errors import InputError, ModelError, SettingError
from unbraid.evaluation.bsseval import load_library
from unbraid.evaluation.evaluation import Evaluation
from unbraid.evaluation.report import to_dict
from unbraid.evaluation.sdr import sdr
from unbraid.models.catalog import HERE

FOUR = {name: noise(seed) for seed, name in enumerate(("drums", "bass", "other", "vocals"))}
MIXTURE = sum(FOUR.values())
HALVES = {name: 0.5 * stem for name, stem in FOUR.items()}
HALF_DB = 20 * math.log10(2)


@pytest.fixture
def evaluate():
    """Score all songs and return their reports as JSON values."""

    def call(*paths: Path | None, **options: Any) -> dict[str, Any]:
        evaluation = Evaluation(*paths, **options)
        return json.loads(json.dumps(to_dict([evaluation.score(song) for song in evaluation.songs])))

    return call


def test_scores_each_stem_of_a_folder(tmp_path: Path, write_stems, evaluate) -> None:
    result = evaluate(write_stems(tmp_path / "true", FOUR), write_stems(tmp_path / "estimate", HALVES))
    score = result["songs"][0]["scores"]["estimate"]
    assert not any(song["errors"] for song in result["songs"])
    assert list(score["stems"]) == ["drums", "bass", "other", "vocals", "no_vocals"]
    assert all(stem["sdr"] == pytest.approx(HALF_DB, abs=1e-3) for stem in score["stems"].values())
    assert score["mean_sdr"] == pytest.approx(HALF_DB, abs=1e-3)


def test_scores_two_stems_against_four(tmp_path: Path, write_stems, evaluate) -> None:
    estimate = {"vocals": FOUR["vocals"] / 2, "no_vocals": (MIXTURE - FOUR["vocals"]) / 2}
    result = evaluate(write_stems(tmp_path / "true", FOUR), write_stems(tmp_path / "estimate", estimate))
    score = result["songs"][0]["scores"]["estimate"]
    assert {n: s["sdr"] for n, s in score["stems"].items()} == pytest.approx(
        {"vocals": HALF_DB, "no_vocals": HALF_DB}, abs=1e-3
    )
    assert score["mean_sdr"] is None  # the estimate lacks three of the four stems


def test_pairs_songs_by_name(tmp_path: Path, write_stems, evaluate) -> None:
    gains = {"a": 0.5, "b": 0.9, "c": 0.75}
    for song, gain in gains.items():
        write_stems(tmp_path / "true" / song, FOUR)
        write_stems(tmp_path / "estimate" / song, {name: gain * stem for name, stem in FOUR.items()})
    result = evaluate(tmp_path / "true", tmp_path / "estimate")
    ratios = [-20 * math.log10(1 - gain) for gain in gains.values()]
    assert not any(song["errors"] for song in result["songs"])
    assert result["summary"]["estimate"]["mean"] == pytest.approx(np.mean(ratios), abs=1e-3)
    assert result["summary"]["estimate"]["median_sdr"]["bass"] == pytest.approx(np.median(ratios), abs=1e-3)


def test_missing_estimate_fails_only_its_song(tmp_path: Path, write_stems, evaluate) -> None:
    for song in ("a", "b"):
        write_stems(tmp_path / "true" / song, FOUR)
    write_stems(tmp_path / "estimate" / "b", HALVES)
    result = evaluate(tmp_path / "true", tmp_path / "estimate")
    assert "has no a" in result["songs"][0]["errors"][0]
    assert result["summary"]["estimate"]["songs"] == 1


def test_pairs_stem_file_with_its_separated_folder(
    tmp_path: Path, write_stems, write_stem_file, evaluate
) -> None:
    reference = write_stem_file(tmp_path / "tune.stem.mp4", [noise(9), *FOUR.values()])
    write_stems(tmp_path / "separated" / "tune.stem", HALVES)
    result = evaluate(reference, tmp_path / "separated")
    assert not any(song["errors"] for song in result["songs"])
    assert result["songs"][0]["scores"]["estimate"]["mean_sdr"] == pytest.approx(HALF_DB, abs=0.01)


def test_silent_reference_gets_level_instead_of_ratio(tmp_path: Path, write_stems, evaluate) -> None:
    reference = write_stems(tmp_path / "true", {**FOUR, "vocals": np.zeros_like(MIXTURE)})
    band = MIXTURE - FOUR["vocals"]
    estimate = write_stems(tmp_path / "estimate", {**HALVES, "vocals": 0.01 * band})
    result = evaluate(reference, estimate)
    score = result["songs"][0]["scores"]["estimate"]
    assert score["stems"]["vocals"]["sdr"] is None
    assert score["stems"]["vocals"]["level_db"] == pytest.approx(-40, abs=1e-2)
    assert score["mean_sdr"] == pytest.approx(HALF_DB, abs=1e-3)  # over the three audible stems


def test_mixture_scores_match_closed_form(tmp_path: Path, write_stems, evaluate) -> None:
    result = evaluate(write_stems(tmp_path / "true", FOUR), None, baselines=True)
    scores = result["songs"][0]["scores"]
    assert set(scores) == {"mixture", "centre", "repetition", "percussion"}
    for name, stem in FOUR.items():
        expected = 10 * np.log10(np.sum(stem**2) / np.sum((MIXTURE - stem) ** 2))
        assert scores["mixture"]["stems"][name]["sdr"] == pytest.approx(expected, abs=1e-3)


def test_runs_model_on_mixture(tmp_path: Path, write_stems, model_folder: Path, evaluate) -> None:
    result = evaluate(write_stems(tmp_path / "true", FOUR), None, model=str(model_folder))
    stems = result["songs"][0]["scores"]["known"]["stems"]
    for (name, stem), gain in zip(FOUR.items(), (0.4, 0.3, 0.2, 0.1), strict=True):
        assert stems[name]["sdr"] == pytest.approx(sdr(stem, gain * MIXTURE), abs=0.05)
    rest = MIXTURE - FOUR["vocals"]
    assert stems["no_vocals"]["sdr"] == pytest.approx(sdr(rest, 0.9 * MIXTURE), abs=0.05)


def test_bsseval_agrees_with_sdr_on_steady_noise(tmp_path: Path, write_stems, evaluate) -> None:
    try:
        load_library()
    except SettingError as error:
        pytest.skip(error.message)
    # Steady noise has the same ratio in every window as over the whole song. Mono is faster.
    true = {"vocals": noise(1, channels=1), "no_vocals": noise(2, channels=1)}
    estimate = {name: stem + noise(7 + i, 0.02, channels=1) for i, (name, stem) in enumerate(true.items())}
    result = evaluate(
        write_stems(tmp_path / "true", true), write_stems(tmp_path / "estimate", estimate), bsseval=True
    )
    assert len(result["songs"][0]["scores"]["estimate"]["stems"]) == 2
    for stem in result["songs"][0]["scores"]["estimate"]["stems"].values():
        assert stem["bsseval"]["sdr"] == pytest.approx(stem["sdr"], abs=0.1)
        assert stem["bsseval"]["sir"] > stem["bsseval"]["sar"]  # noise is an artefact, not another stem


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (ImportError("museval"), r"pip install '\.\[evaluate\]'"),
        (RuntimeError("ffmpeg or ffprobe could not be result!"), "Install FFmpeg, or leave out --bsseval"),
    ],
)
def test_bsseval_error_names_missing_requirement(
    error: Exception, advice: str, tmp_path: Path, write_stems, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_stems(tmp_path / "true", FOUR)
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("museval"):
            raise error
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SettingError, match=advice):
        Evaluation(folder, folder, bsseval=True)


def test_rejects_a_model_with_the_name_of_another_column(tmp_path: Path, write_stems) -> None:
    song = write_stems(tmp_path / "songs" / "a", FOUR)
    folder = tmp_path / "folder"
    shutil.copytree(HERE / "bundled" / "lite", folder)
    description = json.loads((folder / "model.json").read_text("utf-8"))
    (folder / "model.json").write_text(json.dumps({**description, "name": "mixture"}), "utf-8")
    with pytest.raises(ModelError, match="Rename the model folder"):
        Evaluation(song, model=str(folder))


def test_rejects_invalid_combinations(tmp_path: Path, write_stems, evaluate) -> None:
    song = write_stems(tmp_path / "songs" / "a", FOUR)
    write_stems(tmp_path / "songs" / "b", FOUR)
    with pytest.raises(SettingError, match="nothing to score"):
        evaluate(song, None)
    with pytest.raises(SettingError, match="is one song"):
        evaluate(tmp_path / "songs", song)
    with pytest.raises(InputError, match="doesn't exist"):
        evaluate(song, tmp_path / "nowhere")
    with pytest.raises(ModelError):
        evaluate(song, None, model="no such model")
    result = evaluate(song, write_stems(tmp_path / "other", {"kazoo": noise(1)}))
    assert "no stem in common" in result["songs"][0]["errors"][0]
