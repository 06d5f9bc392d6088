"""Graphs are chosen by the constructor arguments of a package."""

import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from unbraid.errors import ModelError
from unbraid.models.graphs import load_template, template_for, templates

HTDEMUCS: dict[str, Any] = {
    "sources": ["drums", "bass", "other", "vocals"],
    "segment": Fraction(39, 5),
    "dconv_mode": 3,
    "bottom_channels": 512,
}


def test_chooses_a_graph_by_class_and_arguments() -> None:
    assert template_for("HTDemucs", HTDEMUCS).name == "htdemucs"


def test_ignores_arguments_for_training() -> None:
    arguments = {**HTDEMUCS, "t_dropout": 0.5, "dconv_init": 1.0, "multi_freqs": [], "unknown": 3}
    assert template_for("HTDemucs", arguments).name == "htdemucs"


@pytest.mark.parametrize(
    "changed",
    [
        {"channels": 64},
        {"dconv_mode": 1},
        {"bottom_channels": 256},
        {"segment": 10},
        {"segment": "long"},
        {"sources": ["vocals", "other"]},
        {"sources": ["vocals", "vocals", "drums", "bass"]},
        {"t_norm_first": False},
        {"t_sin_random_shift": 3},
        {"cac": 0},
        {"multi_freqs": [0.25]},
    ],
)
def test_rejects_other_networks(changed: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="no graph for this HTDemucs"):
        template_for("HTDemucs", {**HTDEMUCS, **changed})


HDEMUCS: dict[str, Any] = {"sources": HTDEMUCS["sources"], "segment": 44}
UNFILTERED = {"wiener_iters": -1, "end_iters": -1}


@pytest.mark.parametrize(
    ("arguments", "graph"),
    [
        ({}, "hdemucs"),
        ({"cac": False}, "hdemucs_magnitudes"),
        ({"cac": False, **UNFILTERED}, "hdemucs_magnitudes_unfiltered"),
    ],
)
@pytest.mark.parametrize(("old", "edges"), [(False, "demucs"), (True, "demucs_old")])
def test_chooses_a_graph_of_hdemucs_and_the_edges_of_its_transform(
    arguments: dict[str, Any], graph: str, old: bool, edges: str
) -> None:
    template = template_for("HDemucs", {**HDEMUCS, **arguments, "hybrid_old": old})
    assert template.name == graph
    assert template.description["stft"] == {"n_fft": 4096, "hop": 1024, "edges": edges}
    assert load_template(graph).description["stft"]["edges"] == "demucs"


@pytest.mark.parametrize(
    "changed",
    [
        {"cac": False, "wiener_iters": 1, "end_iters": 1},
        {"hybrid": False},
        {"hybrid_old": "yes"},
        {"norm_starts": 999},
    ],
)
def test_rejects_other_networks_of_hdemucs(changed: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="no graph for this HDemucs"):
        template_for("HDemucs", {**HDEMUCS, **changed})


def test_missing_argument_is_the_default_of_the_class() -> None:
    with pytest.raises(ModelError, match="no graph"):
        template_for("HTDemucs", {name: HTDEMUCS[name] for name in ("sources", "segment")})


def test_keeps_the_package_names_of_sources() -> None:
    template = template_for("HTDemucs", {**HTDEMUCS, "sources": ["a", "b", "c", "d"]})
    assert template.description["sources"] == ["a", "b", "c", "d"]
    assert load_template("htdemucs").description["sources"] == HTDEMUCS["sources"]


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match="htdemucs"):
        load_template("tasnet")
    with pytest.raises(ModelError, match="TasNet"):
        template_for("TasNet", HTDEMUCS)


@pytest.mark.parametrize("template", templates(), ids=lambda template: template.name)
def test_tensors_are_contiguous(template: Any) -> None:
    assert template.tensors[0].offset == 0
    for before, place in pairwise(template.tensors):
        assert place.offset % 64 == 0
        assert 0 <= place.offset - (before.offset + before.length) < 64


@pytest.mark.parametrize("template", templates(), ids=lambda template: template.name)
def test_graphs_are_small(template: Any) -> None:
    assert template.graph.stat().st_size < 2_000_000


def test_needs_neither_pytorch_nor_onnx() -> None:
    code = (
        "import sys, unbraid.models.graphs as g; g.templates(); print({'torch', 'onnx'} & set(sys.modules))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
    )
