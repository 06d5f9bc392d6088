"""Measure the error of the native library, which computes on 16-bit integers, against PyTorch in float32.

    python benchmarks/native_error.py SONG… [--models htdemucs htdemucs_6s] [--weights initial scaled trained] [--at 30]
    python benchmarks/native_error.py SONG… --repo DIR --models NAME…

One segment of each song, from `--at` seconds on (or the last one), is normalised as usual. PyTorch in float32, the
native library and OpenVINO compute it. Prints for each stem the energy of the difference from PyTorch's stem, in dB
relative to that stem's energy. For the native library also prints the largest difference, in dB relative to the
largest sample. Fails if the energy of the native library's error is above -60 dB.

Without `--repo`, random weights are generated in three ways for each model:

- initial: PyTorch's initial weights. Their layer scales are so small that residual branches and the transformer hardly
  matter.
- scaled: the same with layer scales of 0.3.
- trained: at least as difficult for integers as trained weights: layer scales from 0.1 to 1.5, gains of normalisations
  from 0.3 to 3, one weight in 500 up to 20 times as large, one row in 50 up to 5 times, and attention four times as
  sharp.

None of these are the published weights. To measure those, give `--repo` a folder of published `.th` or `.safetensors`
files and their `.yaml`, or use `--published`, which takes the models of `unbraid models` and downloads missing ones.
Needs `pip install '.[torch]'` and a processor that the native library supports.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from engines import NATIVE, engine_of, only_openvino
from sound import RATE, difference_db, read
from unbraid.audio.arrays import Floats
from unbraid.cores import usable_cores
from unbraid.models import Model, find_model
from unbraid.models.folder import DESCRIPTION, GRAPH, WEIGHTS, load_model_folder
from unbraid.models.graphs import GraphTemplate, load_template
from unbraid.networks.build import build_network
from unbraid.separation.network import LoadRuntime, Network
from unbraid.separation.runtimes.choose import RuntimeLoader
from unbraid.separation.runtimes.native import NativeRuntime, native_template
from unbraid.separation.runtimes.pytorch import PyTorchRuntime

ALLOWED_DB = -60.0


def main() -> int:
    """Compute everything, print a table, and check the limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("songs", type=Path, nargs="+", metavar="SONG")
    parser.add_argument("--models", nargs="+", default=["htdemucs", "htdemucs_6s"])
    parser.add_argument("--weights", nargs="+", choices=WEIGHTS_BY_WAY, default=list(WEIGHTS_BY_WAY))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at", type=float, default=30.0, help="seconds into each song (default 30)")
    published = parser.add_mutually_exclusive_group()
    published.add_argument("--repo", type=Path, help="folder of published weights, as demucs reads it")
    published.add_argument("--published", action="store_true", help="use the models of `unbraid models`")
    options = parser.parse_args()
    worst = -np.inf
    print(f"{'':62}{'native':>9}{'largest':>9}{'OpenVINO':>10}  dB")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models:
            has_weights = options.repo or options.published
            for way in [""] if has_weights else options.weights:
                model = (
                    find_model(name, repo=options.repo)
                    if has_weights
                    else random_model(name, way, options.seed, Path(folder) / f"{name}-{way}")
                )
                for network in [member.model for member in model.members] or [model]:
                    if engine_of(network) != NATIVE:
                        raise SystemExit(f"The native library can't compute {name} on this processor.")
                    for path in options.songs:
                        worst = max(worst, compare(network, path, options.at, f"{name:13}{way:9}"))
    print(f"{'passed' if worst <= ALLOWED_DB else 'FAILED'}: {worst:.1f} dB relative to the stem at worst")
    return 0 if worst <= ALLOWED_DB else 1


def compare(model: Model, path: Path, at_s: float, label: str) -> float:
    """Compute one segment in all engines, print a line for each stem, and return the largest native error in dB."""
    segment = cut(read(path, at_s + model.segment / RATE), model.segment)
    exact = estimate(model, segment, lambda model, shapes, *, cache_compiled: PyTorchRuntime(model, "cpu"))
    native = estimate(model, segment, load_native)
    with only_openvino():
        openvino = estimate(model, segment, RuntimeLoader(model, "cpu", jobs=1).load)
    worst = -np.inf
    for source, reference, ours, other in zip(model.sources, exact, native, openvino, strict=True):
        error_db = difference_db(ours, reference)
        largest_db = 20 * np.log10(np.abs(ours - reference).max() / np.abs(reference).max() + 1e-15)
        worst = max(worst, error_db)
        figures = f"{error_db:9.1f}{largest_db:9.1f}{difference_db(other, reference):10.1f}"
        print(f"{label}{path.name:30.30}{source:10}{figures}", flush=True)
    return worst


def load_native(model: Model, shapes: Mapping[str, Sequence[int]], *, cache_compiled: bool) -> NativeRuntime:
    """Load the native library even if it is known to be inexact with these weights."""
    template = native_template(model)
    assert template is not None
    return NativeRuntime(model, template, shapes, threads=usable_cores(), jobs=1)


def cut(song: Floats, samples: int) -> Floats:
    """Return the last segment of a song, normalised as in the engine. A shorter song is padded with silence."""
    song = np.pad(song, ((0, 0), (0, max(0, samples - song.shape[1]))))[:, -samples:]
    mono = song.mean(axis=0)
    return np.ascontiguousarray((song - mono.mean()) / (mono.std() + 1e-8), np.float32)


def estimate(model: Model, segment: Floats, load: LoadRuntime) -> Floats:
    """Return all stems of a segment, (sources, channels, samples)."""
    return Network(model, model.segment, load).estimate(segment, range(len(model.sources)))


def random_model(name: str, way: str, seed: int, folder: Path) -> Model:
    """Write a model folder of an architecture with seeded weights, generated in one of the three ways, and load it."""
    template = load_template(name)
    torch.manual_seed(seed)
    network = build_network(template.architecture, len(template.description["sources"]), template.arguments)
    random = np.random.default_rng(seed)
    state = {
        key: WEIGHTS_BY_WAY[way](key, value.numpy(), random) for key, value in network.state_dict().items()
    }
    folder.mkdir()
    write(template, {key: value.astype("<f2") for key, value in state.items()}, folder)
    return load_model_folder(folder)


def write(template: GraphTemplate, state: Mapping[str, np.ndarray], folder: Path) -> None:
    """Write the files of a model folder."""
    weights = bytearray(max(tensor.offset + tensor.length for tensor in template.tensors))
    for tensor in template.tensors:
        weights[tensor.offset : tensor.offset + tensor.length] = state[tensor.name].tobytes()
    content = {GRAPH: template.graph.read_bytes(), WEIGHTS: bytes(weights)}
    for file, data in content.items():
        (folder / file).write_bytes(data)
    hashes = {file: hashlib.sha256(data).hexdigest() for file, data in content.items()}
    description = {
        "name": template.name,
        "version": "0",
        "licence": "none",
        **template.description,
        "sha256": hashes,
    }
    (folder / DESCRIPTION).write_text(json.dumps(description))


def initial(name: str, values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Keep the initial weights."""
    return values


def scaled(name: str, values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Set layer scales to 0.3, so that every branch matters."""
    return np.full_like(values, 0.3) if name.endswith("scale") else values


def trained(name: str, values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Make weights difficult for integers: values of very different magnitudes in one row or block."""
    values = values.copy()
    if name.endswith("scale"):
        return random.uniform(0.1, 1.5, values.shape).astype(np.float32)
    if values.ndim == 1 and name.endswith("weight"):  # gain of a normalisation
        return np.exp(random.uniform(np.log(0.3), np.log(3), values.shape)).astype(np.float32)
    if values.ndim == 1:
        return values + 0.1 * random.standard_normal(values.shape).astype(np.float32)
    if name.endswith("in_proj_weight"):
        values[: len(values) * 2 // 3] *= 2  # queries and keys
    outliers = random.random(values.shape) < 1 / 500
    values[outliers] *= random.uniform(5, 20, int(outliers.sum()))
    rows = random.random(len(values)) < 1 / 50
    values[rows] *= random.uniform(2, 5, (int(rows.sum()), *[1] * (values.ndim - 1)))
    return values


WEIGHTS_BY_WAY: dict[str, Callable[[str, np.ndarray, np.random.Generator], np.ndarray]] = {
    "initial": initial,
    "scaled": scaled,
    "trained": trained,
}

if __name__ == "__main__":
    sys.exit(main())
