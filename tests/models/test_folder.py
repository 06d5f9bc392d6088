"""A model folder is used only if it is intact and valid."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from tests.audio.sounds import as_an_ordinary_user
from tests.separation.known_models import SOURCES, bag_of, spectral_model

from unbraid.errors import ModelError
from unbraid.models import catalog, load_model_folder

Change = Callable[[dict[str, Any]], object]


def test_reads_the_description(tmp_path: Path) -> None:
    model = load_model_folder(spectral_model(tmp_path, overlap=0.1, normalise="scale"))
    assert model.name == "known"
    assert model.sources == SOURCES
    assert (model.sample_rate, model.segment, model.overlap, model.normalise) == (44100, 6000, 0.1, "scale")
    assert (model.n_fft, model.hop) == (512, 128)
    assert model.segment_s == pytest.approx(6000 / 44100)
    assert model.graph == tmp_path / "graph.onnx"


@pytest.mark.parametrize("name", ["graph.onnx", "weights.bin"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: b"",
        lambda content: bytes([content[0] ^ 1]) + content[1:],
        lambda content: content + b"\0",
    ],
    ids=["cut short", "empty", "one bit changed", "one byte more"],
)
def test_rejects_damaged_or_altered_file(tmp_path: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
    spectral_model(tmp_path)
    path = tmp_path / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelError, match=f"{name} is damaged or was altered"):
        load_model_folder(tmp_path)


@pytest.mark.parametrize("name", ["graph.onnx", "weights.bin", "model.json"])
def test_names_a_missing_file(tmp_path: Path, name: str) -> None:
    spectral_model(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ModelError, match=name):
        load_model_folder(tmp_path)


@pytest.mark.parametrize("name", ["graph.onnx", "weights.bin", "model.json"])
def test_names_an_unreadable_file(name: str) -> None:
    with as_an_ordinary_user() as folder:
        spectral_model(folder)
        (folder / name).chmod(0)
        with pytest.raises(ModelError, match=f"{name} can't be .*Permission denied") as caught:
            load_model_folder(folder)
        assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("sources"), "no 'sources'"),
        (lambda d: d.update(sources=[]), "sources"),
        (lambda d: d.update(sources=["a", "a"]), "each once"),
        (lambda d: d.update(sample_rate=0), "out of range"),
        (lambda d: d.update(channels=1), "out of range"),
        (lambda d: d.update(segment=0), "out of range"),
        (lambda d: d.update(segment="long"), "long"),
        (lambda d: d.update(overlap=1.0), "out of range"),
        (lambda d: d.update(normalise="loudly"), "normalise"),
        (lambda d: d.update(inputs=["lyrics"]), "lyrics"),
        (lambda d: d.update(outputs=[]), "outputs"),
        (lambda d: d.update(stft=None), "stft is missing"),
        (lambda d: d.update(sources=["../evil", *SOURCES[1:]]), "can't be the name of a stem"),
        (lambda d: d.update(sources=["..", *SOURCES[1:]]), "can't be the name of a stem"),
        (lambda d: d.update(sources=["a\0b", *SOURCES[1:]]), "can't be the name of a stem"),
        (lambda d: d.update(stft={"n_fft": 512, "hop": 500}), "hop"),
        (lambda d: d.update(stft={"n_fft": 512, "hop": 512}), "hop"),
        (lambda d: d.update(stft={"n_fft": 512, "hop": 0}), "hop"),
        (lambda d: d.update(stft={"n_fft": 0, "hop": 128}), "hop"),
        (lambda d: d.update(stft={"n_fft": 0, "hop": 0}), "hop"),
        (lambda d: d.update(stft={"n_fft": 512, "hop": -128}), "hop"),
        (lambda d: d.update(stft={}), "no 'n_fft'"),
        (lambda d: d.update(stft={"n_fft": 512, "hop": 128, "edges": "torn"}), "not torn"),
        (lambda d: d.update(stft={"n_fft": 512, "hop": 64, "edges": "demucs"}), "a quarter of the window"),
        (lambda d: d.update(fixed_length="no"), "fixed_length must be true, false or inside, not no"),
        (lambda d: d.update(fixed_length=1), "fixed_length must be true, false or inside, not 1"),
        (lambda d: d["sha256"].pop("graph.onnx"), "no SHA-256 of graph.onnx"),
        (lambda d: d["sha256"].pop("weights.bin"), "no SHA-256 of weights.bin"),
        (lambda d: d.update(sha256=[]), "can't be used"),
    ],
)
def test_rejects_invalid_description(tmp_path: Path, change: Change, message: str) -> None:
    path = spectral_model(tmp_path) / "model.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    change(description)
    path.write_text(json.dumps(description), encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        load_model_folder(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe"])
def test_rejects_unparsable_description(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.json can't be used"):
        load_model_folder(tmp_path)


def test_ignores_files_outside_the_folder(tmp_path: Path) -> None:
    folder = spectral_model(tmp_path / "model")
    path = folder / "model.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    (tmp_path / "outside").write_bytes(b"")
    description["sha256"]["../outside"] = "00"
    path.write_text(json.dumps(description), encoding="utf-8")
    with pytest.raises(ModelError, match="outside is missing"):
        load_model_folder(folder)


def test_accepts_a_graph_with_its_weights_inside(tmp_path: Path) -> None:
    folder = spectral_model(tmp_path)
    onnx.save_model(onnx.load(folder / "graph.onnx"), folder / "graph.onnx", save_as_external_data=False)
    (folder / "weights.bin").unlink()
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256((folder / "graph.onnx").read_bytes()).hexdigest()
    description["sha256"] = {"graph.onnx": digest}
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")
    assert load_model_folder(folder).graph == folder / "graph.onnx"


def test_rejects_a_graph_file_without_checksum(tmp_path: Path) -> None:
    folder = spectral_model(tmp_path)
    graph = onnx.load(folder / "graph.onnx")
    onnx.save_model(
        graph, folder / "graph.onnx", save_as_external_data=True, location="more.bin", size_threshold=0
    )
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    description["sha256"]["graph.onnx"] = hashlib.sha256((folder / "graph.onnx").read_bytes()).hexdigest()
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")
    with pytest.raises(ModelError, match=r"no SHA-256 of more\.bin, which graph\.onnx needs"):
        load_model_folder(folder)


def test_bundled_model_is_intact_and_at_most_12_megabytes() -> None:
    entry = catalog()["lite"]
    assert entry.folder is not None
    model = load_model_folder(entry.folder)
    assert (model.name, model.sources) == (entry.name, entry.sources)
    assert entry.size is not None
    assert entry.size <= 12_000_000


@pytest.mark.parametrize("fixed_length", [True, False, "inside", None])
@pytest.mark.parametrize("edges", ["centred", "demucs", None])
def test_reads_fixed_length_and_edges(
    tmp_path: Path, fixed_length: bool | str | None, edges: str | None
) -> None:
    stft = {"n_fft": 512, "hop": 128} | ({"edges": edges} if edges else {})
    length = {} if fixed_length is None else {"fixed_length": fixed_length}
    model = load_model_folder(spectral_model(tmp_path, stft=stft, **length))
    assert (model.fixed_length, model.edges) == (fixed_length, edges or "centred")


def test_reads_a_bag(tmp_path: Path) -> None:
    bag = load_model_folder(bag_of(tmp_path, {"a": (1, 0, 0.5, 0), "b": (0, 2, 0.5, 1)}))
    assert (bag.name, bag.sources, bag.overlap) == ("bag", SOURCES, 0.25)
    assert [member.model.folder for member in bag.members] == [tmp_path / "a", tmp_path / "b"]
    assert [tuple(member.weights.values()) for member in bag.members] == [(1, 0, 0.5, 0), (0, 2, 0.5, 1)]
    assert not bag.members[0].model.members


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(networks=[]), "a bag needs at least one network"),
        (lambda d: d.update(networks=None), "can't be used"),
        (lambda d: d.update(networks=["a"]), "can't be used"),
        (lambda d: d["networks"][0].pop("folder"), "no 'folder'"),
        (lambda d: d["networks"][0].update(folder="c"), "c is not a model folder"),
        (lambda d: d["networks"][0].update(folder="../a"), "must be inside the bag's"),
        (lambda d: d["networks"][0].update(folder="."), "must be inside the bag's"),
        (lambda d: d["networks"][0].pop("weights"), "no 'weights'"),
        (lambda d: d["networks"][0]["weights"].pop("drums"), "no network has a weight for drums"),
        (
            lambda d: d["networks"][0]["weights"].update(piano=1),
            "weights of a must be for drums, bass, other",
        ),
        (lambda d: d["networks"][0]["weights"].update(bass=-1), "0 or more"),
        (lambda d: d["networks"][0]["weights"].update(bass=float("nan")), "0 or more"),
        (lambda d: d["networks"][0]["weights"].update(bass="much"), "much"),
        (lambda d: d["networks"][1]["weights"].update(bass=0), "no network has a weight for bass"),
        (lambda d: d.update(sources=[*SOURCES, "piano"]), "no network has a weight for piano"),
        (
            lambda d: (d.update(sources=[*SOURCES, "piano"]), d["networks"][0]["weights"].update(piano=1)),
            "a has a weight for piano, but doesn't separate it",
        ),
        (lambda d: d.update(sample_rate=48000), "known and the bag differ in sample_rate"),
        (lambda d: d.update(rest="piano"), "its rest, piano, is not one of its sources"),
        (lambda d: d.update(rest="bass"), "a network has a weight for bass"),
        (lambda d: d["networks"][0].update(input="rest"), "first network can't read the rest"),
        (lambda d: d["networks"][1].update(input="vocals"), "input of b must be song or rest, not vocals"),
        (lambda d: d["networks"][1].update(model="b"), "no model 'b' here"),
    ],
)
def test_rejects_invalid_bag(tmp_path: Path, change: Change, message: str) -> None:
    path = bag_of(tmp_path, {"a": (1, 0, 1, 0), "b": (0, 1, 0, 1)}) / "model.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    change(description)
    path.write_text(json.dumps(description), encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        load_model_folder(tmp_path)


def test_reads_a_bag_of_named_models(tmp_path: Path) -> None:
    folders = {
        "voice": spectral_model(tmp_path / "voice", (0.5, 0.5), ("vocals", "no_vocals")),
        "band": spectral_model(tmp_path / "band"),
    }
    networks = [
        {"model": "voice", "weights": {"vocals": 1}},
        {"model": "band", "input": "rest", "weights": {"drums": 1, "bass": 2}},
    ]
    description = {"name": "pair", "version": "1", "licence": "MIT", "sources": SOURCES, "rest": "other"}
    (tmp_path / "model.json").write_text(json.dumps({**description, "networks": networks}))
    bag = load_model_folder(tmp_path, lambda name: load_model_folder(folders[name]))
    assert (bag.sources, bag.rest, bag.sample_rate) == (SOURCES, "other", 44100)
    assert [tuple(member.weights.values()) for member in bag.members] == [(0, 0, 0, 1), (1, 2, 0, 0)]
    assert [member.reads_rest for member in bag.members] == [False, True]


def test_rejects_nested_bag_and_damaged_network(tmp_path: Path) -> None:
    ones = {"a": (1, 1, 1, 1)}
    bag_of(tmp_path / "bag" / "a", ones)
    description = tmp_path / "bag" / "a" / "model.json"
    (tmp_path / "bag" / "model.json").write_bytes(description.read_bytes())
    with pytest.raises(ModelError, match="a is a bag itself"):
        load_model_folder(tmp_path / "bag")
    (bag_of(tmp_path / "other", ones) / "a" / "weights.bin").write_bytes(b"")
    with pytest.raises(ModelError, match=r"weights\.bin is damaged"):
        load_model_folder(tmp_path / "other")
