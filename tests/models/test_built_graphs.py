"""Graphs that are built for `lite` and Spleeter with any stems compute what the PyTorch networks compute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import torch
from tests.networks.seeded_spleeter import seeded_spleeter
from torch import nn

from unbraid.models import lite, spleeter
from unbraid.models.folder import load_model_folder
from unbraid.models.graphs import GraphTemplate
from unbraid.models.lite import LiteConfig
from unbraid.models.own_files import save_model
from unbraid.models.spleeter import SpleeterSizes
from unbraid.models.templates import lite_template, spleeter_template, template_of
from unbraid.networks.lite import Lite
from unbraid.networks.spleeter import Spleeter
from unbraid.separation.runtimes.pytorch import load_network

SMALL = LiteConfig(widths=(8, 16, 24), bottom=2, hidden=8, stems=3)


def seeded_lite(config: LiteConfig) -> Lite:
    """A network with random weights and statistics."""
    torch.manual_seed(0)
    network = Lite(config).eval()
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    return network


def arrays(network: nn.Module) -> dict[str, Any]:
    state = network.state_dict()
    return {name: value.numpy() for name, value in state.items() if value.is_floating_point()}


def computed(folder: Path, spectrum: torch.Tensor) -> np.ndarray:
    return np.asarray(
        openvino.Core().compile_model(folder / "graph.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(
            spectrum.numpy()
        )[0]
    )


@pytest.mark.parametrize("config", [LiteConfig(), SMALL])
def test_sizes_have_the_tensors_of_the_network(config: LiteConfig) -> None:
    state = Lite(config).state_dict()
    shapes = {name: tuple(value.shape) for name, value in state.items() if value.is_floating_point()}
    assert shapes == config.shapes()
    assert LiteConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize("stems", [1, 2, 3])
def test_spleeter_sizes_have_the_tensors_of_the_network(stems: int) -> None:
    state = Spleeter(stems, "relu", "ratio").state_dict()
    sizes = SpleeterSizes(stems, "relu", "ratio")
    assert {name: tuple(value.shape) for name, value in state.items()} == sizes.shapes()
    assert SpleeterSizes.from_dict(sizes.to_dict()) == sizes


def lite_model() -> tuple[nn.Module, GraphTemplate]:
    described = lite.description(("kick", "snare", "rest"), SMALL)
    return seeded_lite(SMALL), lite_template(SMALL, described)


def spleeter_model() -> tuple[nn.Module, GraphTemplate]:
    sizes = SpleeterSizes(2, "relu", "ratio")
    described = spleeter.description(("kick", "rest"), sizes)
    return seeded_spleeter(), spleeter_template(sizes, described)


@pytest.mark.parametrize("make", [lite_model, spleeter_model])
def test_built_graph_equals_the_network(make: Any, tmp_path: Path) -> None:
    network, template = make()
    model = save_model(tmp_path / "drums", template, arrays(network), {"songs": 3})
    frames = (model.segment // 1024) + 1
    spectrum = torch.randn(1, 2, 2049, frames, 2, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = network(spectrum).numpy()
    error = computed(model.folder, spectrum) - expected
    assert np.sum(error**2) < 1e-4 * np.sum(expected**2)  # -40 dB: weights of `lite` are in float16
    assert model.name == "drums"

    found = template_of(load_model_folder(model.folder))
    assert found is not None
    again = load_network(model, found)  # as on a graphics card, and to train it further
    with torch.no_grad():
        difference = again(spectrum).numpy() - expected
    assert np.sum(difference**2) < 1e-4 * np.sum(expected**2)


def test_changed_graph_is_not_recognised(tmp_path: Path) -> None:
    network, template = lite_model()
    model = save_model(tmp_path / "drums", template, arrays(network), {})
    model.graph.write_bytes(model.graph.read_bytes() + b"\x00")
    assert template_of(model) is None
