"""A model folder is used as it was published or not at all."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from tests.separation.known_models import SOURCES, spectral_model

from unbraid.errors import ModelError
from unbraid.models import catalog, load_model_folder

Change = Callable[[dict[str, Any]], object]


def test_a_folder_says_what_its_model_is(tmp_path: Path) -> None:
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
def test_a_damaged_or_altered_file_is_refused(
    tmp_path: Path, name: str, damage: Callable[[bytes], bytes]
) -> None:
    spectral_model(tmp_path)
    path = tmp_path / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelError, match=f"{name} is damaged or was altered"):
        load_model_folder(tmp_path)


@pytest.mark.parametrize("name", ["graph.onnx", "weights.bin", "model.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    spectral_model(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ModelError, match=name):
        load_model_folder(tmp_path)


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
        (lambda d: d.update(stft=None), "STFT"),
        (lambda d: d.update(stft={"n_fft": 512, "hop": 500}), "hop"),
        (lambda d: d.update(stft={"n_fft": 512, "hop": 512}), "hop"),
        (lambda d: d.update(stft={"n_fft": 512, "hop": 0}), "hop"),
        (lambda d: d.update(stft={"n_fft": 0, "hop": 128}), "hop"),
        (lambda d: d.update(stft={"n_fft": 0, "hop": 0}), "hop"),
        (lambda d: d.update(stft={"n_fft": 512, "hop": -128}), "hop"),
        (lambda d: d.update(stft={}), "no 'n_fft'"),
        (lambda d: d["sha256"].pop("graph.onnx"), "no SHA-256 of graph.onnx"),
        (lambda d: d["sha256"].pop("weights.bin"), "no SHA-256 of weights.bin"),
        (lambda d: d.update(sha256=[]), "can't be used"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(tmp_path: Path, change: Change, message: str) -> None:
    path = spectral_model(tmp_path) / "model.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    change(described)
    path.write_text(json.dumps(described), encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        load_model_folder(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe"])
def test_a_description_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.json can't be used"):
        load_model_folder(tmp_path)


def test_files_outside_the_folder_are_not_looked_at(tmp_path: Path) -> None:
    folder = spectral_model(tmp_path / "model")
    path = folder / "model.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    (tmp_path / "outside").write_bytes(b"")
    described["sha256"]["../outside"] = "00"
    path.write_text(json.dumps(described), encoding="utf-8")
    with pytest.raises(ModelError, match="outside is missing"):
        load_model_folder(folder)


def test_a_graph_that_needs_no_file_beside_it_is_verified_by_itself(tmp_path: Path) -> None:
    folder = spectral_model(tmp_path)
    onnx.save_model(onnx.load(folder / "graph.onnx"), folder / "graph.onnx", save_as_external_data=False)
    (folder / "weights.bin").unlink()
    described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256((folder / "graph.onnx").read_bytes()).hexdigest()
    described["sha256"] = {"graph.onnx": digest}
    (folder / "model.json").write_text(json.dumps(described), encoding="utf-8")
    assert load_model_folder(folder).graph == folder / "graph.onnx"


def test_a_file_whose_name_only_the_graph_knows_is_refused(tmp_path: Path) -> None:
    folder = spectral_model(tmp_path)
    graph = onnx.load(folder / "graph.onnx")
    onnx.save_model(
        graph, folder / "graph.onnx", save_as_external_data=True, location="more.bin", size_threshold=0
    )
    described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    described["sha256"]["graph.onnx"] = hashlib.sha256((folder / "graph.onnx").read_bytes()).hexdigest()
    (folder / "model.json").write_text(json.dumps(described), encoding="utf-8")
    with pytest.raises(ModelError, match=r"no SHA-256 of more\.bin, which graph\.onnx needs"):
        load_model_folder(folder)


def test_the_bundled_model_is_whole_and_at_most_12_megabytes() -> None:
    entry = catalog()["lite"]
    assert entry.folder is not None
    model = load_model_folder(entry.folder)
    assert (model.name, model.sources) == (entry.name, entry.sources)
    assert entry.size is not None
    assert entry.size <= 12_000_000
