"""An exported network gives the same results in the default runtime as in PyTorch."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from unbraid.models import load_model_folder
from unbraid.models.lite import BINS, LiteConfig
from unbraid.networks.checkpoint import averaged_network, save_average
from unbraid.networks.export_lite import export
from unbraid.networks.lite import Lite
from unbraid.separation.runtimes.choose import RuntimeLoader

SMALL = LiteConfig(widths=(8, 16, 24), bottom=2, hidden=8)


@pytest.fixture(scope="module")
def network() -> Lite:
    torch.manual_seed(3)
    return Lite(SMALL).eval()


@pytest.fixture(scope="module")
def folder(network: Lite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("model")
    export(network, path, "7")
    return path


def test_default_runtime_agrees_with_pytorch(network: Lite, folder: Path) -> None:
    model = load_model_folder(folder)
    spectrum = np.random.default_rng(0).standard_normal((1, 2, BINS, 21, 2)).astype(np.float32)
    runtime = RuntimeLoader(model, "cpu", threads=1).load(model, {"spectrum": spectrum.shape})
    with runtime.run({"spectrum": spectrum}) as outputs, torch.no_grad():
        halved = Lite(SMALL).eval()
        halved.load_state_dict({k: v.half().to(v.dtype) for k, v in network.state_dict().items()})
        expected = halved(torch.from_numpy(spectrum)).numpy()
        error = np.asarray(outputs["spectra"]) - expected
    assert model.sources == ("drums", "bass", "other", "vocals")
    assert (
        10 * np.log10(np.sum(error**2) / np.sum(expected**2)) < -55
    )  # weights in float16, with the statistics folded in


def test_folder_has_a_description(folder: Path) -> None:
    description = json.loads((folder / "model.json").read_text())
    assert description["version"] == "7"
    assert description["stft"] == {"n_fft": 4096, "hop": 1024}
    assert {path.name for path in folder.iterdir()} == {"graph.onnx", "weights.bin", "model.json"}


@pytest.mark.long
def test_export_is_reproducible(network: Lite, folder: Path, tmp_path: Path) -> None:
    export(network, tmp_path, "7")
    for name in ("graph.onnx", "weights.bin", "model.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_weights_stay_out_of_the_graph(folder: Path) -> None:
    assert (folder / "graph.onnx").stat().st_size < 200_000
    parameters = sum(p.numel() for p in Lite(SMALL).parameters())
    assert (folder / "weights.bin").stat().st_size < 2.1 * parameters + 65_536


def test_saved_average_can_be_loaded(network: Lite, tmp_path: Path) -> None:
    save_average(tmp_path / "average.pt", network)
    again = averaged_network(tmp_path / "average.pt")
    for name, value in network.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=1e-3, atol=1e-4)
