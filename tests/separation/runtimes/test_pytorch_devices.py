"""Which card computes: the best that is there by itself; when asked for, that one, or a word about what is missing."""

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
from unbraid.models.graphs import load_template, template_of
from unbraid.separation.runtimes import pytorch_devices
from unbraid.separation.runtimes.pytorch_devices import choose_gpu

NO_CUDA = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card here")
NO_GPU = pytest.mark.skipif(
    torch.cuda.is_available() or torch.backends.mps.is_available(), reason="there is a card here"
)


@pytest.fixture
def known(gains_folder: Path, tmp_path: Path) -> Model:
    """A model with the graph of htdemucs."""
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
    monkeypatch.setattr(pytorch_devices, "DRIVERS", (__file__,))


def test_published_networks_are_known_by_their_graph(known: Model, other: Model) -> None:
    assert template_of(known) == load_template("htdemucs")
    assert template_of(other) is None


def test_the_processor_needs_nothing(known: Model, without_pytorch: None) -> None:
    assert choose_gpu(known, "cpu") is None
    assert choose_gpu(known, "auto") is None


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_without_pytorch_the_error_says_how_to_install_it(
    known: Model, device: str, without_pytorch: None
) -> None:
    with pytest.raises(SettingError, match=rf"{device} needs PyTorch.*pip install 'unbraid\[torch\]'"):
        choose_gpu(known, device)


@NO_CUDA
def test_without_a_card_the_error_says_so(known: Model) -> None:
    with pytest.raises(
        SettingError, match=r"cuda can't be used: .*(built for CUDA|nvidia-smi).*--device cpu"
    ):
        choose_gpu(known, "cuda")


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is one here")
def test_apples_cards_need_a_mac(known: Model) -> None:
    with pytest.raises(SettingError, match=r"mps can't be used: .*Apple silicon.*--device cpu"):
        choose_gpu(known, "mps")


def test_a_model_without_a_network_for_cards_says_so(other: Model) -> None:
    with pytest.raises(SettingError, match=r"known runs on the processor only.*--device cpu"):
        choose_gpu(other, "cuda")


@NO_GPU
def test_a_driver_alone_is_not_enough(known: Model, with_driver: None) -> None:
    assert choose_gpu(known, "auto") is None


def test_the_first_card_that_works_is_taken(
    known: Model, other: Model, with_driver: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pytorch_devices, "_driver", lambda: True)
    lacks: dict[str, str | None] = {"cuda": None, "mps": None}
    monkeypatch.setattr(pytorch_devices, "_what_lacks", lacks.get)
    assert choose_gpu(known, "auto") == "cuda"
    assert choose_gpu(known, "mps") == "mps"
    assert choose_gpu(other, "auto") is None
    lacks["cuda"] = "it fails"
    assert choose_gpu(known, "auto") == "mps"
    with pytest.raises(SettingError, match="cuda can't be used: it fails"):
        choose_gpu(known, "cuda")


def test_a_bag_is_computed_where_all_its_networks_can_be(
    known: Model, other: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pytorch_devices, "_driver", lambda: True)
    monkeypatch.setattr(pytorch_devices, "_what_lacks", lambda device: None)
    for networks, gpu in ((known, known), "cuda"), ((known, other), None):
        members = tuple(Member(network, {}) for network in networks)
        assert choose_gpu(replace(known, folder=tmp_path / "bag", members=members), "auto") == gpu


def test_a_card_that_fails_is_told_with_its_reason() -> None:
    # A device on which nothing can be computed.
    assert pytorch_devices._fault(torch.device("meta")) == (
        "it fails (Tensor.item() cannot be called on meta tensors); a PyTorch or a driver made for this card may help"
    )
    assert pytorch_devices._fault(torch.device("cpu")) is None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, drivers are not looked for")
@NO_GPU
def test_pytorch_is_not_imported_where_there_is_no_driver(known: Model) -> None:
    code = f"""
import sys
from pathlib import Path
from dataclasses import replace
from unbraid.models import find_model
from unbraid.models.graphs import template_of
from unbraid.separation.runtimes.pytorch_devices import choose_gpu
model = replace(find_model("lite"), folder=Path({str(known.folder)!r}))
assert template_of(model)
assert choose_gpu(model, "auto") is None
assert "torch" not in sys.modules
"""
    source = str(Path(__file__).parents[3] / "src")
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": source}, check=True)
