"""The native runtime: which models it computes, concurrent songs, memory, and errors."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.native.networks import LIBRARIES, audible_network, needs_library
from tests.separation.conftest import noise
from tests.separation.engines import ENGINES, choose, describe, folder_of, gain_network

from unbraid import Separator
from unbraid.errors import ModelError
from unbraid.models import Model, find_model, load_model_folder
from unbraid.models.graphs import load_template
from unbraid.native.library import NativeLibrary
from unbraid.separation.runtimes import native
from unbraid.separation.runtimes.base import Runtime
from unbraid.separation.runtimes.choose import RuntimeLoader
from unbraid.separation.runtimes.native import NativeRuntime, native_template
from unbraid.separation.runtimes.openvino import OpenVinoRuntime

GAINS = (0.4, 0.3, 0.2, 0.1)
SHAPES = {"mixture": (1, 2, 4096), "spectrum": (1, 2, 2048, 4, 2)}
LONGER = {"mixture": (1, 2, 30_000), "spectrum": (1, 2, 2048, 30, 2)}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """htdemucs with stems that are GAINS times the mixture."""
    return folder_of(gain_network(GAINS), tmp_path_factory.mktemp("known") / "four")


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """htdemucs_6s with weights for which every layer matters."""
    return folder_of(audible_network(6, 0), tmp_path_factory.mktemp("known") / "six")


@pytest.fixture(scope="module")
def without_the_library(six: Model) -> Runtime:
    """The runtime that the loader chooses for htdemucs_6s without the library. Compiling it takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        choose("openvino", patch)
        assert native_template(six) is None
        return RuntimeLoader(six, "cpu").load(six, LONGER)


@needs_library
@pytest.mark.parametrize("graph", ["htdemucs", "htdemucs_6s"])
def test_computes_published_htdemucs(graph: str, known: Model, six: Model) -> None:
    model = six if graph == "htdemucs_6s" else known
    assert native_template(model) == load_template(graph)
    assert isinstance(RuntimeLoader(model, "cpu").load(model, SHAPES), NativeRuntime)


@needs_library
def test_computes_every_network_of_a_bag(known: Model, tmp_path: Path) -> None:
    """The bag has a network for each source, like htdemucs_ft."""
    description = json.loads((known.folder / "model.json").read_text())
    for source in known.sources:
        shutil.copytree(known.folder, tmp_path / source)
    description["networks"] = [
        {"folder": name, "weights": {source: float(source == name) for source in known.sources}}
        for name in known.sources
    ]
    (tmp_path / "model.json").write_text(json.dumps(description))
    members = load_model_folder(tmp_path).members
    assert [native_template(member.model) for member in members] == [load_template("htdemucs")] * 4


def test_openvino_computes_other_models(known: Model, gains_folder: Path, tmp_path: Path) -> None:
    assert native_template(find_model("lite")) is None
    assert native_template(load_model_folder(gains_folder)) is None
    # hdemucs_mmi, which is recognised by its graph only.
    (tmp_path / "graph.onnx").write_bytes(load_template("hdemucs").graph.read_bytes())
    assert native_template(replace(known, folder=tmp_path)) is None


@needs_library
def test_rejects_a_graph_with_another_description(known: Model) -> None:
    assert native_template(replace(known, sources=(*known.sources, "guitar"))) is None
    assert native_template(replace(known, hop=512)) is None


def test_openvino_computes_without_the_library(without_the_library: Runtime) -> None:
    assert isinstance(without_the_library, OpenVinoRuntime)


@needs_library
def test_every_instruction_set_agrees_with_openvino(
    six: Model, without_the_library: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    inputs = {name: random.standard_normal(shape, np.float32) for name, shape in LONGER.items()}

    def with_library(library: NativeLibrary) -> Runtime:
        with monkeypatch.context() as patch:
            patch.setattr(native, "native_library", lambda: library)
            runtime = RuntimeLoader(six, "cpu").load(six, LONGER)
        assert isinstance(runtime, NativeRuntime)
        return runtime

    def outputs_of(runtime: Runtime) -> dict[str, np.ndarray]:
        with runtime.run(inputs) as outputs:
            return {name: value.copy() for name, value in outputs.items()}

    assert isinstance(without_the_library, OpenVinoRuntime)
    openvino = outputs_of(without_the_library)
    for library in LIBRARIES:
        for name, value in outputs_of(with_library(library)).items():
            difference = np.square(value - openvino[name], dtype=np.float64).sum()
            error = difference / np.square(openvino[name], dtype=np.float64).sum()
            assert value.shape == openvino[name].shape
            assert 10 * np.log10(error) < -63, library.instructions  # measured: -66


@needs_library
def test_impulses_keep_their_positions(known: Model) -> None:
    """The song has two segments, the second one incomplete. Nothing but the impulses may appear."""
    song = np.zeros((2, 400_003), np.float32)
    positions = [0, 1000, 200_001, 343_979, 343_980, 400_002]
    song[0, positions], song[1, positions] = 0.5, -0.25
    stems = Separator(known.folder, device="cpu").separate(song)
    assert tuple(stems) == known.sources
    for stem, gain in zip(stems.values(), GAINS, strict=True):
        assert stem.shape == song.shape
        assert np.abs(stem - gain * song).max() < 1e-3


@needs_library
def test_concurrent_songs_match_single_songs(known: Model, tmp_path: Path) -> None:
    folder = shutil.copytree(known.folder, tmp_path / "model")
    describe(folder, {"segment": 20_000})
    separator = Separator(folder, device="cpu")
    songs = [noise(2, 45_000, seed=seed) for seed in range(3)]
    alone = [separator.separate(song) for song in songs]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(separator.separate, songs))
    for expected, actual in zip(alone, together, strict=True):
        assert all(np.array_equal(expected[name], actual[name]) for name in known.sources)


# A process of its own: in this one, memory that earlier tests have freed would be used again and not counted.
RESIDENT_MB = """
import gc, resource, sys
from pathlib import Path
import numpy as np
from unbraid.models import load_model_folder
from unbraid.separation.runtimes.base import Runtime
from unbraid.separation.runtimes.choose import RuntimeLoader

def resident_mb():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6

model = load_model_folder(Path(sys.argv[1]))
shapes = {"mixture": (1, 2, 343_980), "spectrum": (1, 2, 2048, 336, 2)}
inputs = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
before = resident_mb()
runtime = RuntimeLoader(model, "cpu").load(model, shapes)
with runtime.run(inputs) as outputs:
    assert outputs["waveforms"].shape == (1, 4, 2, 343_980)
held = resident_mb()
del runtime, outputs
print(held - before, resident_mb() - before)
"""


@needs_library
def test_memory_is_released_with_the_last_reference(known: Model) -> None:
    command = [sys.executable, "-c", RESIDENT_MB, str(known.folder)]
    held, left = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert float(held) > 200
    assert float(left) < 60


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"stft": {"n_fft": 2048, "hop": 512, "edges": "demucs"}}, id="another transform"),
        pytest.param({"inputs": ["mixture"]}, id="no spectrum"),
    ],
)
def test_unfitting_description_is_a_model_error(
    engine: str, change: dict[str, object], known: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(engine, monkeypatch)
    folder = shutil.copytree(known.folder, tmp_path / "model")
    describe(folder, change)
    with pytest.raises(ModelError):
        Separator(folder, device="cpu").separate(np.zeros((2, 1000), np.float32))


@needs_library
def test_truncated_weights_are_a_model_error(known: Model, tmp_path: Path) -> None:
    folder = shutil.copytree(known.folder, tmp_path / "model")
    with (folder / "weights.bin").open("r+b") as file:
        file.truncate(1_000_000)
    with pytest.raises(ModelError, match="too short"):
        RuntimeLoader(known, "cpu").load(replace(known, folder=folder), SHAPES)
