"""Small models whose answer is known: real graphs for the real runtime, built on the spot."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SOURCES = ("drums", "bass", "other", "vocals")
# Adds up to 1, as a mask does.
GAINS = (0.4, 0.3, 0.2, 0.1)
N_FFT, HOP = 512, 128
BINS = N_FFT // 2 + 1
SEGMENT = 6000


def spectral_model(
    folder: Path, masks: Any = GAINS, sources: Sequence[str] = SOURCES, **described: Any
) -> Path:
    """Masks (sources,) or (sources, bins) on the spectrum, in float16 beside the graph, as shipped models do."""
    masks = np.broadcast_to(np.asarray(masks, np.float16).reshape(len(sources), -1), (len(sources), BINS))
    nodes = [
        helper.make_node("Cast", ["masks16"], ["masks"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["spectrum", "axis"], ["mixture_spectrum"]),
        helper.make_node("Mul", ["mixture_spectrum", "masks"], ["spectra"]),
    ]
    weights = {"masks16": masks.reshape(1, len(sources), 1, BINS, 1, 1), "axis": np.array([1], np.int64)}
    shapes = {
        "spectrum": ["batch", 2, BINS, "frames", 2],
        "spectra": ["batch", len(sources), 2, BINS, "frames", 2],
    }
    described = {"stft": {"n_fft": N_FFT, "hop": HOP}, **described}
    return _write(folder, nodes, weights, shapes, dict(described, sources=list(sources)))


def loudness_model(folder: Path, gains: Sequence[float] = GAINS, **described: Any) -> Path:
    """Waveform in, waveforms out: the mixture times its mean magnitude in the segment: every cut shows."""
    nodes = [
        helper.make_node("Abs", ["mixture"], ["magnitude"]),
        helper.make_node("ReduceMean", ["magnitude", "last"], ["level"], keepdims=1),
        helper.make_node("Mul", ["mixture", "level"], ["louder"]),
        helper.make_node("Unsqueeze", ["louder", "axis"], ["one"]),
        helper.make_node("Mul", ["one", "gains"], ["waveforms"]),
    ]
    weights = {
        "gains": np.array(gains, np.float32).reshape(1, 4, 1, 1),
        "axis": np.array([1], np.int64),
        "last": np.array([1, 2], np.int64),
    }
    shapes = {"mixture": ["batch", 2, "samples"], "waveforms": ["batch", 4, 2, "samples"]}
    return _write(folder, nodes, weights, shapes, dict(described, sources=list(SOURCES), stft=None))


def bag_of(
    folder: Path,
    weights: Mapping[str, Sequence[float]],
    make: Callable[..., Path] = spectral_model,
    **described: Any,
) -> Path:
    """A bag of networks that `make` writes into folders of these names, with a weight for each of SOURCES."""
    for name in weights:
        make(folder / name, **described)
    description = json.loads((folder / name / "model.json").read_text(encoding="utf-8"))
    description["name"] = "bag"
    description["networks"] = [
        {"folder": name, "weights": dict(zip(SOURCES, part, strict=True))} for name, part in weights.items()
    ]
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")
    return folder


def _write(
    folder: Path,
    nodes: list[Any],
    weights: dict[str, Any],
    shapes: dict[str, list[Any]],
    described: dict[str, Any],
) -> Path:
    (given, taken) = shapes
    graph = helper.make_graph(
        nodes,
        "known",
        [helper.make_tensor_value_info(given, TensorProto.FLOAT, shapes[given])],
        [helper.make_tensor_value_info(taken, TensorProto.FLOAT, shapes[taken])],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in weights.items()],
    )
    # Opset 18 with IR version 10: what every current ONNX reader takes.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save_model(
        model, folder / "graph.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    described = {
        "name": "known",
        "version": "1",
        "sample_rate": 44100,
        "channels": 2,
        "segment": SEGMENT,
        "overlap": 0.25,
        "normalise": True,
        "inputs": [given],
        "outputs": [taken],
        "licence": "MIT",
        "sha256": {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in ("graph.onnx", "weights.bin")
        },
        **described,
    }
    (folder / "model.json").write_text(json.dumps(described), encoding="utf-8")
    return folder
