"""The shipped graphs match our networks, and give the same results as the published networks."""

import inspect
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from demucs.hdemucs import HDemucs as PeerHDemucs
from demucs.htdemucs import HTDemucs as PeerHTDemucs
from tests.networks.peer import error_db, music, seeded, spectrum, stems
from torch import nn

from unbraid.models.architectures import ARCHITECTURES, Architecture, GraphSpec
from unbraid.models.graphs import GraphTemplate, load_template
from unbraid.networks.export_graphs import export
from unbraid.separation.runtimes.openvino import OpenVinoRuntime

PEERS: Mapping[str, type[nn.Module]] = {"HTDemucs": PeerHTDemucs, "HDemucs": PeerHDemucs}

GRAPHS = [pytest.param(known, graph, id=graph.name) for known in ARCHITECTURES for graph in known.graphs]

each_graph = pytest.mark.parametrize(("architecture", "graph"), GRAPHS)
# Spleeter is compared with the published weights instead, in test_spleeter.py.
each_demucs_graph = pytest.mark.parametrize(
    ("architecture", "graph"), [case for case in GRAPHS if case.values[0].class_name in PEERS]
)


def peer_of(template: GraphTemplate, **changed: Any) -> nn.Module:
    return PEERS[template.class_name](**{**template.arguments, **changed})


def write_folder(folder: Path, template: GraphTemplate, state: Mapping[str, torch.Tensor]) -> Path:
    """Write the graph, with these weights beside it."""
    last = template.tensors[-1]
    weights = bytearray(last.offset + last.length)
    for place in template.tensors:
        content = state[place.name].numpy().astype("<f2").tobytes()
        weights[place.offset : place.offset + place.length] = content
    (folder / "weights.bin").write_bytes(weights)
    (folder / "graph.onnx").write_bytes(template.graph.read_bytes())
    return folder / "graph.onnx"


@each_graph
@pytest.mark.long
def test_export_reproduces_the_shipped_files(
    architecture: Architecture, graph: GraphSpec, tmp_path: Path
) -> None:
    export(architecture, graph, tmp_path)
    template = load_template(graph.name)
    assert (tmp_path / template.graph.name).read_bytes() == template.graph.read_bytes()
    description = template.graph.with_suffix(".json")
    assert (tmp_path / description.name).read_bytes() == description.read_bytes()


@each_demucs_graph
def test_tensors_match_the_published_state_dict(architecture: Architecture, graph: GraphSpec) -> None:
    template = load_template(graph.name)
    with torch.device("meta"):
        state = peer_of(template, rescale=0).state_dict()
    assert {place.name: place.shape for place in template.tensors} == {
        name: tuple(value.shape) for name, value in state.items()
    }


@each_demucs_graph
def test_defaults_match_the_published_class(architecture: Architecture, graph: GraphSpec) -> None:
    signature = inspect.signature(PEERS[architecture.class_name].__init__).parameters
    required = {**graph.arguments, **graph.defaults}
    assert {name: signature[name].default for name in required if name != "sources"} == {
        name: value for name, value in required.items() if name != "sources"
    }


def error_against(template: GraphTemplate, peer: nn.Module, graph: Path, samples: int) -> float:
    mixture = music(samples)
    with torch.no_grad():
        inputs = {"mixture": mixture.numpy(), "spectrum": np.ascontiguousarray(spectrum(peer, mixture))}
        shapes = {name: value.shape for name, value in inputs.items()}
        with OpenVinoRuntime(graph, shapes, threads=1, jobs=1).run(inputs) as outputs:
            return error_db(stems(peer, outputs), peer(mixture))


@pytest.mark.long
def test_htdemucs_agrees_with_the_published_network(tmp_path: Path) -> None:
    template = load_template("htdemucs")
    peer = seeded(lambda: peer_of(template, segment=Fraction(39, 5)))
    graph = write_folder(tmp_path, template, peer.state_dict())
    assert error_against(template, peer, graph, template.description["segment"]) < -100


@pytest.mark.long
def test_htdemucs_6s_agrees_with_the_published_network(tmp_path: Path) -> None:
    template = load_template("htdemucs_6s")
    peer = seeded(lambda: peer_of(template, segment=Fraction(1, 2)))  # its weights do not depend on it
    graph = write_folder(tmp_path, template, peer.state_dict())
    assert error_against(template, peer, graph, 22050) < -100


@pytest.mark.long
def test_hdemucs_agrees_with_the_published_network_at_any_length(tmp_path: Path) -> None:
    template = load_template("hdemucs")
    peer = seeded(lambda: peer_of(template))
    graph = write_folder(tmp_path, template, peer.state_dict())
    for samples in (10_001, 230_000):  # one and three pieces for the LSTM
        assert error_against(template, peer, graph, samples) < -100
