"""An evaluation scores folders, stem files, models and baselines, and tells what it could not score."""

from __future__ import annotations

import builtins
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.evaluation.conftest import noise

from unbraid.errors import InputError, ModelError, SettingError
from unbraid.evaluation.bsseval import load_library
from unbraid.evaluation.evaluation import Evaluation
from unbraid.evaluation.report import as_object
from unbraid.evaluation.sdr import sdr

FOUR = {name: noise(seed) for seed, name in enumerate(("drums", "bass", "other", "vocals"))}
MIXTURE = sum(FOUR.values())
HALVES = {name: 0.5 * stem for name, stem in FOUR.items()}
HALF_DB = 20 * math.log10(2)


@pytest.fixture
def evaluate():
    """Scores all songs and gives the object of their reports."""

    def call(*paths: Path | None, **options: Any) -> dict[str, Any]:
        evaluation = Evaluation(*paths, **options)
        return json.loads(json.dumps(as_object([evaluation.score(song) for song in evaluation.songs])))

    return call


def test_a_folder_is_scored_stem_by_stem(tmp_path: Path, write_stems, evaluate) -> None:
    found = evaluate(write_stems(tmp_path / "true", FOUR), write_stems(tmp_path / "mine", HALVES))
    score = found["songs"][0]["scores"]["estimate"]
    assert not any(song["errors"] for song in found["songs"])
    assert list(score["stems"]) == ["drums", "bass", "other", "vocals", "no_vocals"]
    assert all(stem["sdr"] == pytest.approx(HALF_DB, abs=1e-3) for stem in score["stems"].values())
    assert score["mean_sdr"] == pytest.approx(HALF_DB, abs=1e-3)


def test_two_stems_are_scored_against_four(tmp_path: Path, write_stems, evaluate) -> None:
    mine = {"vocals": FOUR["vocals"] / 2, "no_vocals": (MIXTURE - FOUR["vocals"]) / 2}
    found = evaluate(write_stems(tmp_path / "true", FOUR), write_stems(tmp_path / "mine", mine))
    score = found["songs"][0]["scores"]["estimate"]
    assert {n: s["sdr"] for n, s in score["stems"].items()} == pytest.approx(
        {"vocals": HALF_DB, "no_vocals": HALF_DB}, abs=1e-3
    )
    assert score["mean_sdr"] is None  # of four stems, which this estimate hasn't got


def test_folders_of_songs_are_paired_by_name(tmp_path: Path, write_stems, evaluate) -> None:
    gains = {"a": 0.5, "b": 0.9, "c": 0.75}
    for song, gain in gains.items():
        write_stems(tmp_path / "true" / song, FOUR)
        write_stems(tmp_path / "mine" / song, {name: gain * stem for name, stem in FOUR.items()})
    found = evaluate(tmp_path / "true", tmp_path / "mine")
    ratios = [-20 * math.log10(1 - gain) for gain in gains.values()]
    assert not any(song["errors"] for song in found["songs"])
    assert found["summary"]["estimate"]["mean"] == pytest.approx(np.mean(ratios), abs=1e-3)
    assert found["summary"]["estimate"]["median_sdr"]["bass"] == pytest.approx(np.median(ratios), abs=1e-3)


def test_a_song_without_its_estimate_fails_and_the_others_are_scored(
    tmp_path: Path, write_stems, evaluate
) -> None:
    for song in ("a", "b"):
        write_stems(tmp_path / "true" / song, FOUR)
    write_stems(tmp_path / "mine" / "b", HALVES)
    found = evaluate(tmp_path / "true", tmp_path / "mine")
    assert "has no a" in found["songs"][0]["errors"][0]
    assert found["summary"]["estimate"]["songs"] == 1


def test_a_stem_file_is_paired_with_the_folder_separating_it_leaves(
    tmp_path: Path, write_stems, write_stem_file, evaluate
) -> None:
    reference = write_stem_file(tmp_path / "tune.stem.mp4", [noise(9), *FOUR.values()])
    write_stems(tmp_path / "separated" / "tune.stem", HALVES)
    found = evaluate(reference, tmp_path / "separated")
    assert not any(song["errors"] for song in found["songs"])
    assert found["songs"][0]["scores"]["estimate"]["mean_sdr"] == pytest.approx(HALF_DB, abs=0.01)


def test_a_silent_reference_has_no_ratio_but_a_level(tmp_path: Path, write_stems, evaluate) -> None:
    reference = write_stems(tmp_path / "true", {**FOUR, "vocals": np.zeros_like(MIXTURE)})
    band = MIXTURE - FOUR["vocals"]
    estimate = write_stems(tmp_path / "mine", {**HALVES, "vocals": 0.01 * band})
    found = evaluate(reference, estimate)
    score = found["songs"][0]["scores"]["estimate"]
    assert score["stems"]["vocals"]["sdr"] is None
    assert score["stems"]["vocals"]["level_db"] == pytest.approx(-40, abs=1e-2)
    assert score["mean_sdr"] == pytest.approx(HALF_DB, abs=1e-3)  # of the three that sound


def test_the_mixture_scores_as_the_closed_form_says(tmp_path: Path, write_stems, evaluate) -> None:
    found = evaluate(write_stems(tmp_path / "true", FOUR), None, baselines=True)
    scores = found["songs"][0]["scores"]
    assert set(scores) == {"mixture", "centre", "repetition", "percussion"}
    for name, stem in FOUR.items():
        expected = 10 * np.log10(np.sum(stem**2) / np.sum((MIXTURE - stem) ** 2))
        assert scores["mixture"]["stems"][name]["sdr"] == pytest.approx(expected, abs=1e-3)


def test_a_model_is_run_on_the_mixture(tmp_path: Path, write_stems, model_folder: Path, evaluate) -> None:
    found = evaluate(write_stems(tmp_path / "true", FOUR), None, model=str(model_folder))
    stems = found["songs"][0]["scores"]["known"]["stems"]
    for (name, stem), gain in zip(FOUR.items(), (0.4, 0.3, 0.2, 0.1), strict=True):
        assert stems[name]["sdr"] == pytest.approx(sdr(stem, gain * MIXTURE), abs=0.05)
    rest = MIXTURE - FOUR["vocals"]
    assert stems["no_vocals"]["sdr"] == pytest.approx(sdr(rest, 0.9 * MIXTURE), abs=0.05)


def test_bsseval_agrees_with_the_plain_ratio_where_it_must(tmp_path: Path, write_stems, evaluate) -> None:
    try:
        load_library()
    except SettingError as error:
        pytest.skip(error.message)
    # Steady noise has one ratio in every window, the same as over the whole song. Mono, for the sake of time.
    true = {"vocals": noise(1, channels=1), "no_vocals": noise(2, channels=1)}
    mine = {name: stem + noise(7 + i, 0.02, channels=1) for i, (name, stem) in enumerate(true.items())}
    found = evaluate(write_stems(tmp_path / "true", true), write_stems(tmp_path / "mine", mine), bsseval=True)
    assert len(found["songs"][0]["scores"]["estimate"]["stems"]) == 2
    for stem in found["songs"][0]["scores"]["estimate"]["stems"].values():
        assert stem["bsseval"]["sdr"] == pytest.approx(stem["sdr"], abs=0.1)
        assert stem["bsseval"]["sir"] > stem["bsseval"]["sar"]  # noise is an artefact, not another stem


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (ImportError("museval"), r"pip install '\.\[evaluate\]'"),
        (RuntimeError("ffmpeg or ffprobe could not be found!"), "Install FFmpeg, or leave out --bsseval"),
    ],
)
def test_bsseval_without_what_it_needs_says_how_to_get_it(
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


def test_what_makes_no_sense_is_refused(tmp_path: Path, write_stems, evaluate) -> None:
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
    found = evaluate(song, write_stems(tmp_path / "other", {"kazoo": noise(1)}))
    assert "no stem in common" in found["songs"][0]["errors"][0]
