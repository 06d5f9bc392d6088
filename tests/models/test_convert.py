"""Conversion keeps published weights bit for bit, needs little memory, and is atomic."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.models.published import (
    HDEMUCS_MMI,
    HTDEMUCS,
    HTDEMUCS_6S,
    SOURCES,
    TINY,
    draw,
    published,
    tiny_graphs,
    weights_in,
    write_safetensors,
    write_th,
)

from unbraid.errors import ModelError
from unbraid.models import load_model_folder
from unbraid.models.convert import convert_bag
from unbraid.models.graphs import load_template, template_for
from unbraid.models.readers.packages import Package, read_package

LABELS = {"name": "mine", "version": "1", "licence": "MIT"}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tiny_graphs(monkeypatch, tmp_path / "graphs")


def write_package(tmp_path: Path, name: str = "a", seed: int = 0, **arguments: Any) -> Package:
    return read_package(published(tmp_path / f"{name}.th", draw(TINY, seed), {**HTDEMUCS, **arguments}))


def same_bytes(weights: dict[str, Any], state: dict[str, Any]) -> bool:
    return {name: values.tobytes() for name, values in weights.items()} == {
        name: values.tobytes() for name, values in state.items()
    }


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("writer", [published, write_th, write_safetensors])
def test_weights_are_kept_bit_for_bit(tmp_path: Path, writer: Callable[..., Path], dtype: str) -> None:
    state = draw(TINY)
    state["gains"][0, :, 0, 0] = [65504, -(2.0**-24), -0.0, 1]
    ending = ".safetensors" if writer is write_safetensors else ".th"
    path = writer(tmp_path / f"a{ending}", {name: values.astype(dtype) for name, values in state.items()})
    convert_bag([read_package(path)], None, tmp_path / "out", **LABELS)
    assert same_bytes(weights_in(tmp_path / "out"), state)
    model = load_model_folder(tmp_path / "out")
    assert (model.name, model.version, model.licence) == ("mine", "1", "MIT")
    assert (model.sources, model.segment, model.fixed_length) == (tuple(SOURCES), 343_980, True)


@pytest.mark.usefixtures("tiny")
def test_replaces_an_older_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    convert_bag([write_package(tmp_path)], None, tmp_path / "out", **LABELS)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"graph.onnx", "model.json", "weights.bin"}


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("gains"), "lacks 'gains'"),
        (lambda s: s.update(more=s["gains"], other=s["gains"]), "has 'more' and 1 more"),
        (lambda s: s.update(gains=s["gains"].reshape(4)), "gains is 4, the published one is 1 x 4 x 1 x 1"),
        (lambda s: s.update(gains=s["gains"].astype(np.float32) * 1e6), "gains don't fit float16"),
        (
            lambda s: s.update(gains=np.float32(1 / 3) * np.ones((1, 4, 1, 1), np.float32)),
            "gains don't fit float16",
        ),
        (
            lambda s: s.update(gains=np.float32(2**-26) * np.ones((1, 4, 1, 1), np.float32)),
            "gains don't fit float16",
        ),
        (lambda s: s.update(gains=s["gains"] * np.float16(np.nan)), "infinite or NaN"),
    ],
)
def test_rejects_unfitting_weights_and_leaves_no_file(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    state = draw(TINY)
    change(state)
    package = read_package(published(tmp_path / "a.th", state))
    (tmp_path / "into").mkdir()
    with pytest.raises(ModelError, match=message) as caught:
        convert_bag([package], None, tmp_path / "into" / "out", **LABELS)
    assert str(package.path) in caught.value.message and "\n" not in caught.value.message
    assert list((tmp_path / "into").iterdir()) == []


@pytest.mark.usefixtures("tiny")
def test_rejects_network_without_a_graph(tmp_path: Path) -> None:
    package = write_package(tmp_path, channels=64)
    with pytest.raises(ModelError, match=r"a\.th can't be used: There is no graph"):
        convert_bag([package], None, tmp_path / "out", **LABELS)


@pytest.mark.usefixtures("tiny")
def test_file_altered_during_conversion_leaves_no_file(tmp_path: Path) -> None:
    package = write_package(tmp_path)
    os.truncate(package.path, 300)
    with pytest.raises(ModelError, match="truncated"):
        convert_bag([package], None, tmp_path / "out", **LABELS)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("tiny")
def test_bag_has_a_folder_and_weights_for_each_network(tmp_path: Path) -> None:
    packages = [write_package(tmp_path, name, seed) for seed, name in enumerate("ab")]
    weights = [[1.0, 0.0, 0.5, 1.0], [0.0, 1.0, 0.5, 1.0]]
    convert_bag(packages, weights, tmp_path / "out", **LABELS)
    bag = load_model_folder(tmp_path / "out")
    assert (bag.name, bag.sources, bag.segment) == ("mine", tuple(SOURCES), 343_980)
    assert [member.model.name for member in bag.members] == ["a", "b"]
    assert [list(member.weights.values()) for member in bag.members] == weights
    for seed, member in enumerate(bag.members):
        assert same_bytes(weights_in(member.model.folder), draw(TINY, seed))


@pytest.mark.usefixtures("tiny")
def test_bag_of_one_becomes_a_plain_network(tmp_path: Path) -> None:
    convert_bag([write_package(tmp_path)], [[0.5, 1, 1, 2]], tmp_path / "out", **LABELS)
    assert load_model_folder(tmp_path / "out").members == ()
    assert load_model_folder(tmp_path / "out").name == "mine"


@pytest.mark.usefixtures("tiny")
def test_weights_of_a_network_listed_twice_add_up(tmp_path: Path) -> None:
    a, b = (write_package(tmp_path, name, seed) for seed, name in enumerate("ab"))
    convert_bag([a, b, a], None, tmp_path / "out", **LABELS)
    members = load_model_folder(tmp_path / "out").members
    assert [(member.model.name, set(member.weights.values())) for member in members] == [
        ("a", {2}),
        ("b", {1}),
    ]


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    "weights",
    [[[1, 1, 1, 1]], [[1, 1, 1], [1, 1, 1]], [[1, 1, 1, 0], [1, 1, 1, 0]], [[2, 1, 1, 1], [-1, 1, 1, 1]]],
)
def test_rejects_weights_without_a_valid_mean(tmp_path: Path, weights: list[list[float]]) -> None:
    packages = [write_package(tmp_path, name) for name in "ab"]
    with pytest.raises(ModelError, match="weight"):
        convert_bag(packages, weights, tmp_path / "out", **LABELS)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("tiny")
def test_rejects_bag_of_networks_with_other_stems(tmp_path: Path) -> None:
    a, b = write_package(tmp_path), write_package(tmp_path, "b", sources=["kick", "snare", "cymbals", "toms"])
    with pytest.raises(ModelError, match=r"b\.th and .*a\.th can't be in one bag: they differ in sources"):
        convert_bag([a, b], None, tmp_path / "out", **LABELS)


@pytest.mark.usefixtures("tiny")
def test_segment_of_a_bag_replaces_that_of_its_networks(tmp_path: Path) -> None:
    """A network with a fixed length keeps its own if the bag's is longer, as in demucs."""
    free = read_package(published(tmp_path / "a.th", draw(TINY), HDEMUCS_MMI, "HDemucs"))
    convert_bag([free], None, tmp_path / "out", **LABELS, segment_s=10)
    assert load_model_folder(tmp_path / "out").segment == 441_000
    fixed = write_package(tmp_path, "b")
    convert_bag([fixed, free], None, tmp_path / "both", **LABELS, segment_s=10)
    both = load_model_folder(tmp_path / "both")
    assert [both.segment, *(member.model.segment for member in both.members)] == [343_980, 343_980, 441_000]
    with pytest.raises(ModelError, match=r"has a fixed segment of 7\.8 s"):
        convert_bag([fixed], None, tmp_path / "short", **LABELS, segment_s=5)


@pytest.fixture(scope="module")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of the published size."""
    shapes = {place.name: place.shape for place in load_template("htdemucs").tensors}
    return published(tmp_path_factory.mktemp("full_size") / "a.th", draw(shapes))


# Converts a package, and prints the peak memory before and after, in KiB. (The peak of getrusage is inherited from the
# parent process.)
PEAK = """
import json, re, sys
from pathlib import Path
from unbraid.models.convert import convert_bag
from unbraid.models.graphs import templates
from unbraid.models.readers.packages import read_package
def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
templates()
before = peak()
package = read_package(Path(sys.argv[1]))
convert_bag([package], None, Path(sys.argv[2]), name="a", version="1", licence="MIT")
print(json.dumps([before, peak()]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_full_size_network_needs_little_memory(full_size: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PEAK, full_size, tmp_path / "out"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    before, after = json.loads(done.stdout)
    assert (after - before) / 1024 < 30  # MiB; the weights have 80
    state = read_package(full_size).state
    converted = weights_in(tmp_path / "out")
    for name in state:
        assert converted[f"{name}.float16"].tobytes() == state[name].tobytes()
    load_model_folder(tmp_path / "out")


@pytest.mark.parametrize(
    ("class_name", "arguments", "name"),
    [("HTDemucs", HTDEMUCS, "htdemucs"), ("HTDemucs", HTDEMUCS_6S, "htdemucs_6s")],
)
def test_published_arguments_have_a_graph(class_name: str, arguments: dict[str, Any], name: str) -> None:
    """The published files name more arguments than change the network."""
    assert template_for(class_name, arguments).name == name
