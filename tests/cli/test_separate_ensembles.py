"""`unbraid separate -m a+b` combines the stems of several models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import write
from tests.separation.conftest import noise, read
from tests.separation.known_models import spectral_model

from unbraid.cli.main import main

SOUND = noise(2, 20_000)


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An ensemble of two models, whose vocals are a quarter and three quarters of the song."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "song.wav", SOUND)
    for name, share in (("a", 0.25), ("b", 0.75)):
        spectral_model(tmp_path / name, (share, 1 - share), ("vocals", "other"), name=name, normalise=False)
    return "./a+./b"


def vocals(*options: str) -> np.ndarray:
    """Return the vocals of `unbraid separate song.wav` as a share of the song."""
    assert main(["separate", "song.wav", "--float32", "--clip-mode", "none", *options]) == 0
    return read(Path("separated/song/vocals.wav")) / SOUND


@pytest.mark.parametrize(
    ("options", "share"),
    [
        ((), 0.5),
        (("--combine", "max"), 0.75),
        (("--combine", "min"), 0.25),
        (("--combine", "median"), 0.5),
        (("--weights", "3,1"), 0.375),
        (("--weights", "1,0", "--weights", "vocals=1,4"), 0.65),
        (("--combine", "max", "--weights", "vocals=1,0"), 0.25),
    ],
)
def test_combines_with_weights(names: str, options: tuple[str, ...], share: float) -> None:
    assert np.median(vocals("-m", names, *options)) == pytest.approx(share, abs=1e-3)


def test_json_names_the_models(names: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["separate", "song.wav", "-m", names, "--stems", "all", "--json", "-q"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["model"] == "a+b"
    assert list(report["files"]) == ["vocals", "no_vocals"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("-m", "./a+./a"), "The ensemble ./a+./a can't be used: a is in it twice."),
        (
            ("-m", "./a+./b", "--weights", "1"),
            "The ensemble a+b can't be used: weights must be 2 numbers, one for each model, not [1.0].",
        ),
        (
            ("-m", "./a", "--combine", "max"),
            "a is a single model. combine and weights are for ensembles, such as htdemucs+mdx_voc_ft.",
        ),
        (("-m", "./a+"), "A model is missing in './a+'. Write an ensemble as htdemucs+mdx_voc_ft."),
    ],
)
def test_wrong_usage_is_one_line(
    names: str, options: tuple[str, ...], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["separate", "song.wav", *options]) == 2
    assert capsys.readouterr().err == f"unbraid: {line}\n"
    assert not Path("separated").exists()


@pytest.mark.parametrize("weights", ["", "1,x", "=1,2"])
def test_weights_are_numbers(names: str, weights: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["separate", "song.wav", "-m", names, "--weights", weights])
    assert "--weights: invalid list of weights value" in capsys.readouterr().err


def test_evaluate_scores_an_ensemble(names: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "songs" / "one").mkdir(parents=True)
    for stem, share in (("vocals", 0.25), ("no_vocals", 0.75)):
        write(tmp_path / "songs" / "one" / f"{stem}.wav", share * SOUND)
    command = ["evaluate", "--reference", "songs", "--json"]
    scores = []
    for way in ("mean", "min"):
        assert main([*command, "-m", names, "--combine", way]) == 0
        scores.append(capsys.readouterr().out)
    mean, smallest = (
        json.loads(text)["songs"][0]["scores"]["a+b"]["stems"]["vocals"]["sdr"] for text in scores
    )
    assert smallest > mean + 40  # vocals are a quarter of the song, as model a says
    assert main([*command, "--baselines", "--combine", "max"]) == 2
    assert capsys.readouterr().err.endswith("Name its models: --model a+b.\n")
