"""`unbraid.demucs.api` compared with `demucs.api`: the same model, song and parameters give the same results."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import demucs.api
import numpy as np
import pytest
import torch
from demucs.apply import BagOfModels
from tests.conftest import WriteWave
from tests.demucs.peer import Loudness
from tests.demucs.published_run import PublishedRun, Result, published_run
from tests.separation.conftest import level_db, noise
from tests.separation.engines import ENGINES, LIMITS_DB, choose, skip_native_check
from tests.separation.known_models import SOURCES, bag_of, loudness_model

from unbraid.demucs import api

SAMPLES = 20001  # several segments


@pytest.fixture
def song() -> torch.Tensor:
    """Noise of growing loudness."""
    swell = np.linspace(0.1, 1, SAMPLES, dtype=np.float32) ** 2
    return torch.from_numpy(noise(2, SAMPLES) * swell)


Both = Callable[..., tuple[api.Separator, demucs.api.Separator]]


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Both:
    """Make the Separator of both packages with the same model and parameters."""
    monkeypatch.setattr(demucs.api, "get_model", lambda name, repo=None: Loudness())
    folder = loudness_model(tmp_path / "models" / "loudness", fixed_length=False)

    def make(**parameters: Any) -> tuple[api.Separator, demucs.api.Separator]:
        random.seed(0)  # the seed of the shifts
        return (
            api.Separator(folder, device="cpu", **parameters),
            demucs.api.Separator("loudness", device="cpu", **parameters),
        )

    return make


def assert_same(ours: Result, theirs: Result, limit_db: float = -80) -> None:
    assert list(ours[1]) == list(theirs[1])
    for our, their in [(ours[0], theirs[0]), *zip(ours[1].values(), theirs[1].values(), strict=True)]:
        assert isinstance(our, torch.Tensor)
        assert (our.shape, our.dtype, our.device) == (their.shape, their.dtype, their.device)
        assert level_db((our - their).numpy(), their.numpy()) < limit_db


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"shifts": 0},
        {"shifts": 3},
        {"shifts": 0, "overlap": 0.6},
        {"shifts": 0, "jobs": 2},
        {"shifts": 0, "segment": 0.1},
    ],
    ids=str,
)
def test_a_tensor_gives_the_same_tensors(parameters: dict[str, Any], both: Both, song: torch.Tensor) -> None:
    ours, theirs = (separator.separate_tensor(song.clone()) for separator in both(**parameters))
    assert_same(ours, theirs)


@pytest.mark.parametrize(("sample_rate", "channels"), [(48000, 1), (22050, 2), (32000, 2)])
def test_another_rate_gives_tensors_at_the_rate_of_the_model(
    sample_rate: int, channels: int, both: Both, song: torch.Tensor
) -> None:
    mixture = song[:channels]
    ours, theirs = (separator.separate_tensor(mixture, sample_rate) for separator in both(shifts=0))
    for our, their in [(ours[0], theirs[0]), *zip(ours[1].values(), theirs[1].values(), strict=True)]:
        assert our.shape[0] == their.shape[0] == 2
        assert abs(our.shape[1] - their.shape[1]) <= 1  # demucs rounds the length down, we to the nearest


@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_gives_the_same_tensors(
    channels: int, both: Both, write_wave: WriteWave, tmp_path: Path
) -> None:
    path = write_wave(tmp_path / "song.wav", seconds=0.4, channels=channels)
    ours, theirs = (separator.separate_audio_file(path) for separator in both(shifts=0))
    assert_same(ours, theirs)


def test_has_the_same_properties(both: Both) -> None:
    ours, theirs = both()
    assert (ours.samplerate, ours.audio_channels) == (theirs.samplerate, theirs.audio_channels)
    for name in ("sources", "samplerate", "audio_channels"):
        assert getattr(ours.model, name) == getattr(theirs.model, name)
    assert ours.model.segment == float(theirs.model.segment)


def test_a_changed_parameter_has_the_same_effect(both: Both, song: torch.Tensor) -> None:
    ours, theirs = both(shifts=0)
    for separator in (ours, theirs):
        separator.separate_tensor(song)
        separator.update_parameter(segment=0.1)
        separator.update_parameter(overlap=0.5)
    assert_same(ours.separate_tensor(song), theirs.separate_tensor(song))


@pytest.mark.parametrize("shifts", [0, 1])
def test_the_callback_receives_the_same_dicts(shifts: int, both: Both, song: torch.Tensor) -> None:
    calls: list[list[dict[str, Any]]] = [[], []]
    for separator, received in zip(both(shifts=shifts), calls, strict=True):
        separator.update_parameter(callback=received.append, callback_arg={"job": 7, "state": "mine"})
        separator.separate_tensor(song)
    ours, theirs = calls
    if shifts:  # the shift makes the song of demucs longer
        theirs = [call for call in theirs if call["segment_offset"] < SAMPLES]
    assert ours == theirs
    assert len(ours) == 2 * 5


def test_the_callback_counts_the_networks_of_a_bag(
    both: Both, song: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = [[1.0, 1.0, 0.5, 0.5], [1.0, 1.0, 0.5, 0.5]]
    bag = BagOfModels([Loudness(), Loudness()], weights)
    monkeypatch.setattr(demucs.api, "get_model", lambda name, repo=None: bag)
    folder = bag_of(tmp_path / "bag", {"a": weights[0], "b": weights[1]}, loudness_model, fixed_length=False)
    ours: list[dict[str, Any]] = []
    theirs: list[dict[str, Any]] = []
    api.Separator(folder, shifts=0, device="cpu", callback=ours.append).separate_tensor(song)
    demucs.api.Separator("bag", shifts=0, device="cpu", callback=theirs.append).separate_tensor(song)
    assert ours == theirs
    assert {call["model_idx_in_bag"] for call in ours} == {0, 1}


@pytest.fixture(autouse=True)
def native_library_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_native_check(monkeypatch)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, write_wave: WriteWave) -> PublishedRun:
    """A folder with a bag called `mine` of one HTDemucs with seeded random weights, and what `demucs` returns."""
    return published_run(tmp_path_factory.getbasetemp(), write_wave)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_published_network_gives_the_same_stems(
    engine: str, run: PublishedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(engine, monkeypatch)
    ours = api.Separator("mine", repo=run.repo, shifts=0, device="cpu").separate_audio_file(run.song)
    assert_same(ours, run.result, LIMITS_DB[engine])
    assert tuple(ours[1]) == SOURCES


def test_lists_the_models_of_a_folder_like_demucs(run: PublishedRun) -> None:
    assert api.list_models(run.repo) == demucs.api.list_models(run.repo)
