"""The registered architectures agree with the shipped graphs and with our PyTorch networks."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from unbraid.models.architectures import ARCHITECTURES, Architecture, GraphSpec
from unbraid.models.graphs import FOLDER, load_template, templates
from unbraid.networks.build import build_network

each_graph = pytest.mark.parametrize(
    ("architecture", "graph"),
    [pytest.param(known, graph, id=graph.name) for known in ARCHITECTURES for graph in known.graphs],
)


@each_graph
def test_shipped_table_matches_the_registered_graph(architecture: Architecture, graph: GraphSpec) -> None:
    table = json.loads((FOLDER / f"{graph.name}.json").read_text("utf-8"))
    del table["tensors"]
    assert table == {
        "description": graph.description,
        "class": architecture.class_name,
        "arguments": graph.arguments,
        "defaults": graph.defaults,
    }


def test_every_shipped_graph_is_registered() -> None:
    registered = {graph.name for known in ARCHITECTURES for graph in known.graphs}
    assert {template.name for template in templates()} == registered


@each_graph
def test_our_network_has_the_tensors_of_the_graph(architecture: Architecture, graph: GraphSpec) -> None:
    with torch.device("meta"):
        network = build_network(architecture, len(graph.arguments["sources"]), graph.arguments)
    assert {name: tuple(value.shape) for name, value in network.state_dict().items()} == {
        place.name: place.shape for place in load_template(graph.name).tensors
    }


def test_importing_the_registry_loads_nothing_heavy() -> None:
    code = "import sys, unbraid.models.architectures; print({'torch', 'onnx', 'openvino'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
