"""Choice of a graphics card: the best available one for `auto`, or an error that names what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from unbraid.errors import SettingError
from unbraid.models import Model, load_model_folder
from unbraid.models.folder import Member
from unbraid.models.graphs import load_template
from unbraid.models.templates import template_of
from unbraid.separation.runtimes import choose
from unbraid.separation.runtimes.choose import choose_gpu

NO_CUDA = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a card")
NO_GPU = pytest.mark.skipif(
    torch.cuda.is_available() or torch.backends.mps.is_available(), reason="this machine has a card"
)


@pytest.fixture
def published_model(gains_folder: Path, tmp_path: Path) -> Model:
    """A model with the graph of htdemucs, which PyTorch has a network for."""
    (tmp_path / "graph.onnx").write_bytes(load_template("htdemucs").graph.read_bytes())
    return replace(load_model_folder(gains_folder), folder=tmp_path, name="htdemucs")


@pytest.fixture
def other(gains_folder: Path) -> Model:
    """A model that PyTorch has no network for."""
    return load_model_folder(gains_folder)


@pytest.fixture
def without_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)


@pytest.fixture
def with_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "DRIVERS", (__file__,))


def test_published_network_is_recognised_by_its_graph(published_model: Model, other: Model) -> None:
    assert template_of(published_model) == load_template("htdemucs")
    assert template_of(other) is None


def test_processor_needs_no_pytorch(published_model: Model, without_pytorch: None) -> None:
    assert choose_gpu(published_model, "cpu") is None
    assert choose_gpu(published_model, "auto") is None


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_error_without_pytorch_says_how_to_install_it(
    published_model: Model, device: str, without_pytorch: None
) -> None:
    with pytest.raises(SettingError, match=rf"{device} needs PyTorch.*pip install 'unbraid\[torch\]'"):
        choose_gpu(published_model, device)


@NO_CUDA
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:1"])
def test_error_without_a_card_says_what_to_check(published_model: Model, device: str) -> None:
    with pytest.raises(
        SettingError, match=rf"{device} can't be used: .*(built for CUDA|nvidia-smi).*--device cpu"
    ):
        choose_gpu(published_model, device)


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let PyTorch report two cards. Computing on them isn't tried."""
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(choose, "_computation_problem", lambda device: None)


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:1"])
def test_a_number_chooses_the_card(published_model: Model, device: str, two_cards: None) -> None:
    assert choose_gpu(published_model, device) == device


def test_error_for_a_missing_card_names_the_last_one(published_model: Model, two_cards: None) -> None:
    with pytest.raises(SettingError, match=r"cuda:2 can't be used: the last card is cuda:1\."):
        choose_gpu(published_model, "cuda:2")


@pytest.mark.parametrize("device", ["cuda:", "cuda:-1", "cuda:x", "cpu:1", "gpu"])
def test_unknown_devices_are_errors(published_model: Model, device: str) -> None:
    with pytest.raises(SettingError, match=f"no device {device!r}.* or cuda:1 for the second card"):
        choose.RuntimeLoader(published_model, device)


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has one")
def test_mps_needs_a_mac(published_model: Model) -> None:
    with pytest.raises(SettingError, match=r"mps can't be used: .*Apple silicon.*--device cpu"):
        choose_gpu(published_model, "mps")


def test_model_without_a_pytorch_network_is_rejected(other: Model) -> None:
    with pytest.raises(SettingError, match=r"known runs on the processor only.*--device cpu"):
        choose_gpu(other, "cuda")


@NO_GPU
def test_driver_without_a_card_is_not_enough(published_model: Model, with_driver: None) -> None:
    assert choose_gpu(published_model, "auto") is None


def test_first_working_card_is_chosen(
    published_model: Model, other: Model, with_driver: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "_has_driver", lambda: True)
    problems: dict[str, str | None] = {"cuda": None, "mps": None}
    monkeypatch.setattr(choose, "_problem_of", problems.get)
    assert choose_gpu(published_model, "auto") == "cuda"
    assert choose_gpu(published_model, "mps") == "mps"
    assert choose_gpu(other, "auto") is None
    problems["cuda"] = "it fails"
    assert choose_gpu(published_model, "auto") == "mps"
    with pytest.raises(SettingError, match="cuda can't be used: it fails"):
        choose_gpu(published_model, "cuda")


def test_bag_needs_a_pytorch_network_for_each_member(
    published_model: Model, other: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "_has_driver", lambda: True)
    monkeypatch.setattr(choose, "_problem_of", lambda device: None)
    for networks, gpu in ((published_model, published_model), "cuda"), ((published_model, other), None):
        members = tuple(Member(network, {}) for network in networks)
        assert choose_gpu(replace(published_model, folder=tmp_path / "bag", members=members), "auto") == gpu


def test_failing_card_is_reported_with_its_reason() -> None:
    # The meta device can compute nothing.
    assert choose._computation_problem(torch.device("meta")) == (
        "it fails (Tensor.item() cannot be called on meta tensors); a PyTorch or a driver made for this card may help"
    )
    assert choose._computation_problem(torch.device("cpu")) is None


@pytest.mark.skipif(sys.platform != "linux", reason="drivers are only looked for on Linux")
@NO_GPU
def test_pytorch_is_not_imported_without_a_driver(published_model: Model) -> None:
    code = f"""
import sys
from pathlib import Path
from dataclasses import replace
from unbraid.models import find_model
from unbraid.models.templates import template_of
from unbraid.separation.runtimes.choose import choose_gpu
model = replace(find_model("lite"), folder=Path({str(published_model.folder)!r}))
assert template_of(model)
assert choose_gpu(model, "auto") is None
assert "torch" not in sys.modules
"""
    source = str(Path(__file__).parents[3] / "src")
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": source}, check=True)
