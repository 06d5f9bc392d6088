"""Published weights become the weights that are run, bit for bit, in little memory, whole or not at all."""

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

NAMED = {"name": "mine", "version": "1", "licence": "MIT"}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tiny_graphs(monkeypatch, tmp_path / "graphs")


def packaged(tmp_path: Path, name: str = "a", seed: int = 0, **arguments: Any) -> Package:
    return read_package(published(tmp_path / f"{name}.th", draw(TINY, seed), {**HTDEMUCS, **arguments}))


def same(read: dict[str, Any], state: dict[str, Any]) -> bool:
    return {name: values.tobytes() for name, values in read.items()} == {
        name: values.tobytes() for name, values in state.items()
    }


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("writer", [published, write_th, write_safetensors])
def test_weights_are_the_published_ones_bit_for_bit(
    tmp_path: Path, writer: Callable[..., Path], dtype: str
) -> None:
    state = draw(TINY)
    state["gains"][0, :, 0, 0] = [65504, -(2.0**-24), -0.0, 1]
    ending = ".safetensors" if writer is write_safetensors else ".th"
    path = writer(tmp_path / f"a{ending}", {name: values.astype(dtype) for name, values in state.items()})
    convert_bag([read_package(path)], None, tmp_path / "out", **NAMED)
    assert same(weights_in(tmp_path / "out"), state)
    model = load_model_folder(tmp_path / "out")
    assert (model.name, model.version, model.licence) == ("mine", "1", "MIT")
    assert (model.sources, model.segment, model.fixed_length) == (tuple(SOURCES), 343_980, True)


@pytest.mark.usefixtures("tiny")
def test_what_stood_there_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    convert_bag([packaged(tmp_path)], None, tmp_path / "out", **NAMED)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"graph.onnx", "model.json", "weights.bin"}


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("gains"), "lacks 'gains'"),
        (lambda s: s.update(more=s["gains"], other=s["gains"]), "has 'more' and 1 more"),
        (lambda s: s.update(gains=s["gains"].reshape(4)), "gains is 4, not 1 x 4 x 1 x 1"),
        (lambda s: s.update(gains=s["gains"].astype(np.float32) * 1e6), "float16 can't hold"),
        (
            lambda s: s.update(gains=np.float32(1 / 3) * np.ones((1, 4, 1, 1), np.float32)),
            "float16 can't hold",
        ),
        (
            lambda s: s.update(gains=np.float32(2**-26) * np.ones((1, 4, 1, 1), np.float32)),
            "float16 can't hold",
        ),
        (lambda s: s.update(gains=s["gains"] * np.float16(np.nan)), "not a number"),
    ],
)
def test_other_weights_are_refused_and_leave_nothing(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    state = draw(TINY)
    change(state)
    package = read_package(published(tmp_path / "a.th", state))
    (tmp_path / "into").mkdir()
    with pytest.raises(ModelError, match=message) as caught:
        convert_bag([package], None, tmp_path / "into" / "out", **NAMED)
    assert str(package.path) in caught.value.message and "\n" not in caught.value.message
    assert list((tmp_path / "into").iterdir()) == []


@pytest.mark.usefixtures("tiny")
def test_a_network_that_no_graph_fits_is_refused(tmp_path: Path) -> None:
    package = packaged(tmp_path, channels=64)
    with pytest.raises(ModelError, match=r"a\.th can't be used: no graph"):
        convert_bag([package], None, tmp_path / "out", **NAMED)


@pytest.mark.usefixtures("tiny")
def test_a_file_altered_meanwhile_leaves_nothing(tmp_path: Path) -> None:
    package = packaged(tmp_path)
    os.truncate(package.path, 300)
    with pytest.raises(ModelError, match="cut short"):
        convert_bag([package], None, tmp_path / "out", **NAMED)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("tiny")
def test_a_bag_has_a_folder_for_each_network_and_their_weights(tmp_path: Path) -> None:
    packages = [packaged(tmp_path, name, seed) for seed, name in enumerate("ab")]
    weights = [[1.0, 0.0, 0.5, 1.0], [0.0, 1.0, 0.5, 1.0]]
    convert_bag(packages, weights, tmp_path / "out", **NAMED)
    bag = load_model_folder(tmp_path / "out")
    assert (bag.name, bag.sources, bag.segment) == ("mine", tuple(SOURCES), 343_980)
    assert [member.model.name for member in bag.members] == ["a", "b"]
    assert [list(member.weights.values()) for member in bag.members] == weights
    for seed, member in enumerate(bag.members):
        assert same(weights_in(member.model.folder), draw(TINY, seed))


@pytest.mark.usefixtures("tiny")
def test_a_bag_of_one_is_that_network(tmp_path: Path) -> None:
    convert_bag([packaged(tmp_path)], [[0.5, 1, 1, 2]], tmp_path / "out", **NAMED)
    assert load_model_folder(tmp_path / "out").members == ()
    assert load_model_folder(tmp_path / "out").name == "mine"


@pytest.mark.usefixtures("tiny")
def test_weights_of_a_network_that_is_there_twice_add_up(tmp_path: Path) -> None:
    a, b = (packaged(tmp_path, name, seed) for seed, name in enumerate("ab"))
    convert_bag([a, b, a], None, tmp_path / "out", **NAMED)
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
def test_weights_that_mix_nothing_are_refused(tmp_path: Path, weights: list[list[float]]) -> None:
    packages = [packaged(tmp_path, name) for name in "ab"]
    with pytest.raises(ModelError, match="weight"):
        convert_bag(packages, weights, tmp_path / "out", **NAMED)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("tiny")
def test_networks_of_other_stems_are_no_bag(tmp_path: Path) -> None:
    a, b = packaged(tmp_path), packaged(tmp_path, "b", sources=["kick", "snare", "cymbals", "toms"])
    with pytest.raises(ModelError, match=r"b\.th has other sources than .*a\.th"):
        convert_bag([a, b], None, tmp_path / "out", **NAMED)


@pytest.mark.usefixtures("tiny")
def test_the_segment_of_a_bag_goes_before_that_of_its_networks(tmp_path: Path) -> None:
    """But a network of a fixed length keeps its own if the bag's is longer, as with demucs."""
    free = read_package(published(tmp_path / "a.th", draw(TINY), HDEMUCS_MMI, "HDemucs"))
    convert_bag([free], None, tmp_path / "out", **NAMED, segment_s=10)
    assert load_model_folder(tmp_path / "out").segment == 441_000
    fixed = packaged(tmp_path, "b")
    convert_bag([fixed, free], None, tmp_path / "both", **NAMED, segment_s=10)
    both = load_model_folder(tmp_path / "both")
    assert [both.segment, *(member.model.segment for member in both.members)] == [343_980, 343_980, 441_000]
    with pytest.raises(ModelError, match=r"reads 7\.8 s at once"):
        convert_bag([fixed], None, tmp_path / "short", **NAMED, segment_s=5)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of the real size."""
    shapes = {place.name: place.shape for place in load_template("htdemucs").tensors}
    return published(tmp_path_factory.mktemp("whole") / "a.th", draw(shapes))


# Converts a package, and says how much memory there was at the peak before and after, in KiB. (Not by getrusage, whose
# peak is inherited from the process that started this one.)
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


@pytest.mark.skipif(sys.platform != "linux", reason="peaks of memory are Linux's here")
def test_a_whole_network_is_converted_bit_for_bit_in_little_memory(whole: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PEAK, whole, tmp_path / "out"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    before, after = json.loads(done.stdout)
    assert (after - before) / 1024 < 30  # MiB, of the 80 that the weights have
    state = read_package(whole).state
    written = weights_in(tmp_path / "out")
    for name in state:
        assert written[f"{name}.float16"].tobytes() == state[name].tobytes()
    load_model_folder(tmp_path / "out")


@pytest.mark.parametrize(
    ("class_name", "arguments", "name"),
    [("HTDemucs", HTDEMUCS, "htdemucs"), ("HTDemucs", HTDEMUCS_6S, "htdemucs_6s")],
)
def test_there_is_a_graph_for_all_that_is_published(
    class_name: str, arguments: dict[str, Any], name: str
) -> None:
    """For all arguments that the published files name, which are more than matter."""
    assert template_for(class_name, arguments).name == name
