"""Models by the path of a file: which file is taken, and what the errors say."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from tests.models.mdx_files import write_small
from tests.models.roformer_files import BS, MEL, config_of, state_of, write_files

from unbraid import Separator
from unbraid.errors import ModelError
from unbraid.models import find_model
from unbraid.models.find import find_installed
from unbraid.models.readers.configs import read_config
from unbraid.models.repo import find_in_repo


def reason(name: str | Path) -> str:
    with pytest.raises(ModelError) as raised:
        find_model(name)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_file_is_preferred_to_a_model_of_the_catalogue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_small(tmp_path, "Kim_Vocal_2")
    write_files(tmp_path, name="MelBandRoformer.ckpt")
    for find in (find_model, find_installed):
        assert find("Kim_Vocal_2.onnx").name == "Kim_Vocal_2"
        assert find("MelBandRoformer.ckpt").name == "MelBandRoformer"


def test_endings_may_be_in_capitals(tmp_path: Path) -> None:
    file = write_small(tmp_path)
    assert find_model(file.rename(tmp_path / "small.ONNX")).name == "small"


def test_names_that_are_no_files_are_errors(tmp_path: Path) -> None:
    assert "There is no model" in reason("x" * 5000)
    assert ".onnx, .ckpt, .th" in reason(tmp_path / "missing.ckpt")
    os.mkfifo(tmp_path / "pipe.onnx")  # opening it would wait for a writer
    assert "There is no model" in reason(tmp_path / "pipe.onnx")


def test_a_demucs_network_is_named_by_its_folder(tmp_path: Path) -> None:
    (tmp_path / "955717e8-8726e21a.th").write_bytes(b"0")
    assert f"--repo {tmp_path} -m 955717e8" in reason(tmp_path / "955717e8-8726e21a.th")


@pytest.mark.parametrize("change", [lambda text: "\ufeff" + text, lambda text: "{model: {}, audio: {}}"])
def test_configs_in_other_forms_of_yaml_are_found(tmp_path: Path, change: object) -> None:
    checkpoint = write_files(tmp_path)
    config = checkpoint.with_suffix(".yaml")
    config.write_text(change(config.read_text("utf-8")), "utf-8")  # type: ignore[operator]
    try:
        find_model(checkpoint)
    except ModelError as error:
        assert "has no config" not in str(error)


def test_configs_are_not_offered_as_bags(tmp_path: Path) -> None:
    write_files(tmp_path, name="one.ckpt")
    (tmp_path / "two.yaml").write_bytes((tmp_path / "one.yaml").read_bytes())
    with pytest.raises(ModelError, match=r"Choose one\.$"):
        find_in_repo("three", tmp_path)


@pytest.mark.parametrize("value", ['!!int ""', "2020-99-99"])
def test_numbers_that_yaml_cannot_build_are_errors(tmp_path: Path, value: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(f"model:\n  dim: {value}\n")
    with pytest.raises(ModelError, match="it is not YAML"):
        read_config(path)


def test_bands_that_are_no_list_are_an_error(tmp_path: Path) -> None:
    config = config_of(BS)
    config["model"]["freqs_per_bands"] = 5
    assert "freqs_per_bands differs" in reason(write_files(tmp_path, BS, config=config))


@pytest.mark.filterwarnings("error")
def test_infinite_stems_are_an_error_instead_of_silence(tmp_path: Path) -> None:
    huge = {
        name: value + 3e38
        for name, value in state_of(MEL).items()
        if name.startswith("mask_") and name.endswith("bias")
    }
    state = state_of(MEL) | huge
    separator = Separator(write_files(tmp_path, state=state), device="cpu")
    song = np.random.default_rng(0).standard_normal((2, 30_000), np.float32)
    with pytest.raises(ModelError, match="infinite or undefined samples"):
        separator.separate(song)


@pytest.mark.filterwarnings("ignore:.*encountered in reduce")
def test_a_song_that_no_network_can_compute_is_no_fault_of_the_model(tmp_path: Path) -> None:
    """Samples of a damaged file may be any float32."""
    separator = Separator(write_files(tmp_path), device="cpu")
    song = np.full((2, 30_000), 3e38, np.float32)
    assert [stem.shape for stem in separator.separate(song).values()] == [song.shape] * 2
