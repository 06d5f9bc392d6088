"""Small models with known output: real graphs for the real runtime."""

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
# The gains add up to 1, like masks.
GAINS = (0.4, 0.3, 0.2, 0.1)
N_FFT, HOP = 512, 128
BINS = N_FFT // 2 + 1
SEGMENT = 6000


def spectral_model(
    folder: Path, masks: Any = GAINS, sources: Sequence[str] = SOURCES, **described: Any
) -> Path:
    """Write a model that multiplies the spectrum by `masks`, (sources,) or (sources, bins), stored in float16."""
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
    """Write a model that multiplies the mixture by its mean magnitude in the segment.

    Its output shows how the song was split.
    """
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
    """Write a bag of networks made by `make`: `weights` maps the folder of each to its weights for SOURCES."""
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
    input_name, output_name = shapes
    graph = helper.make_graph(
        nodes,
        "known",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, shapes[input_name])],
        [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, shapes[output_name])],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in weights.items()],
    )
    # Every current ONNX reader supports opset 18 with IR version 10.
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
        "inputs": [input_name],
        "outputs": [output_name],
        "licence": "MIT",
        "sha256": {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in ("graph.onnx", "weights.bin")
        },
        **described,
    }
    (folder / "model.json").write_text(json.dumps(described), encoding="utf-8")
    return folder
