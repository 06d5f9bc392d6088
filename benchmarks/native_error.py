"""How far stems are from those of float32 where the native library computes them on 16-bit integers.

    python benchmarks/native_error.py SONG… [--models htdemucs htdemucs_6s] [--weights drawn heard trained] [--at 30]
    python benchmarks/native_error.py SONG… --repo DIR --models NAME…

Of each song one segment, from `--at` seconds on or else its last, brought to mean 0 and deviation 1 as songs are, goes
through the network in PyTorch with float32, in the native library, and in OpenVINO. Prints for each stem the energy of
the difference from PyTorch's in dB of that stem's energy, and for the native library the largest difference in dB of
the largest sample. Fails where the native library's energy is above -60 dB.

Without `--repo` weights are drawn, in three ways for each model:

- drawn: as PyTorch begins a training, where layer scales are so small that residual branches and the transformer hardly
  count;
- heard: the same with layer scales of 0.3;
- trained: made to be as hard as trained ones may be, or harder: layer scales from 0.1 to 1.5, gains of normalisations
  from 0.3 to 3, one weight in 500 up to 20 times its size, one row in 50 up to 5 times, attention four times as sharp.

None of these are the published weights. What those give is known when they are measured: with `--repo` and a folder of
published `.th` or `.safetensors` files and their `.yaml`, or with `--published`, which takes, and downloads where they
are missing, those of `unbraid models`. Needs `pip install '.[torch]'` and a processor that has the library.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from engines import NATIVE, engine_of, only_openvino
from sound import RATE, difference_db, read
from unbraid.models import Model, find_model
from unbraid.models.convert import WEIGHTS
from unbraid.models.folder import DESCRIPTION, GRAPH, load_model_folder
from unbraid.models.graphs import GraphTemplate, load_template
from unbraid.networks.build import build_network
from unbraid.separation.arrays import Floats
from unbraid.separation.network import LoadRuntime, Network
from unbraid.separation.runtimes.choose import RuntimeLoader
from unbraid.separation.runtimes.pytorch import PyTorchRuntime

ALLOWED_DB = -60.0


def main() -> int:
    """Compute everything, print a table, and say whether the promise holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("songs", type=Path, nargs="+", metavar="SONG")
    parser.add_argument("--models", nargs="+", default=["htdemucs", "htdemucs_6s"])
    parser.add_argument("--weights", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at", type=float, default=30.0, help="seconds into each song (default 30)")
    published = parser.add_mutually_exclusive_group()
    published.add_argument("--repo", type=Path, help="folder of published weights, as demucs reads it")
    published.add_argument("--published", action="store_true", help="take those of `unbraid models`")
    options = parser.parse_args()
    worst = -np.inf
    print(f"{'':62}{'native':>9}{'largest':>9}{'OpenVINO':>10}  dB")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models:
            given = options.repo or options.published
            for way in [""] if given else options.weights:
                model = (
                    find_model(name, repo=options.repo)
                    if given
                    else draw(name, way, options.seed, Path(folder) / f"{name}-{way}")
                )
                for network in [member.model for member in model.members] or [model]:
                    if engine_of(network) != NATIVE:
                        raise SystemExit(f"the native library doesn't compute {name} here")
                    for path in options.songs:
                        worst = max(worst, compare(network, path, options.at, f"{name:13}{way:9}"))
    print(f"{'holds' if worst <= ALLOWED_DB else 'DOES NOT HOLD'}: {worst:.1f} dB of a stem at worst")
    return 0 if worst <= ALLOWED_DB else 1


def compare(model: Model, path: Path, at_s: float, what: str) -> float:
    """Print a line for each stem of a segment of the song; the native library's worst, in dB."""
    segment = cut(read(path, at_s + model.segment / RATE), model.segment)
    exact = estimated(model, segment, lambda model, shapes, *, cache_compiled: PyTorchRuntime(model, "cpu"))
    native = estimated(model, segment, RuntimeLoader(model, "cpu", jobs=1).load)
    with only_openvino():
        openvino = estimated(model, segment, RuntimeLoader(model, "cpu", jobs=1).load)
    worst = -np.inf
    for source, theirs, ours, beside in zip(model.sources, exact, native, openvino, strict=True):
        error_db = difference_db(ours, theirs)
        largest_db = 20 * np.log10(np.abs(ours - theirs).max() / np.abs(theirs).max() + 1e-15)
        worst = max(worst, error_db)
        figures = f"{error_db:9.1f}{largest_db:9.1f}{difference_db(beside, theirs):10.1f}"
        print(f"{what}{path.name:30.30}{source:10}{figures}", flush=True)
    return worst


def cut(song: Floats, samples: int) -> Floats:
    """The last segment of what was read, as the engine gives it to a network; a shorter song has silence after it."""
    song = np.pad(song, ((0, 0), (0, max(0, samples - song.shape[1]))))[:, -samples:]
    mono = song.mean(axis=0)
    return np.ascontiguousarray((song - mono.mean()) / (mono.std() + 1e-8), np.float32)


def estimated(model: Model, segment: Floats, load: LoadRuntime) -> Floats:
    """All stems of a segment, (sources, channels, samples)."""
    return Network(model, model.segment, load).estimate(segment, range(len(model.sources)))


def draw(name: str, way: str, seed: int, folder: Path) -> Model:
    """A model folder of that architecture with seeded weights, drawn in that way."""
    template = load_template(name)
    torch.manual_seed(seed)
    network = build_network(template.architecture, len(template.description["sources"]), template.arguments)
    random = np.random.default_rng(seed)
    state = {key: WAYS[way](key, value.numpy(), random) for key, value in network.state_dict().items()}
    folder.mkdir()
    write(template, {key: value.astype("<f2") for key, value in state.items()}, folder)
    return load_model_folder(folder)


def write(template: GraphTemplate, state: Mapping[str, np.ndarray], folder: Path) -> None:
    """What a model folder has."""
    weights = bytearray(max(place.offset + place.length for place in template.tensors))
    for place in template.tensors:
        weights[place.offset : place.offset + place.length] = state[place.name].tobytes()
    content = {GRAPH: template.graph.read_bytes(), WEIGHTS: bytes(weights)}
    for file, written in content.items():
        (folder / file).write_bytes(written)
    sums = {file: hashlib.sha256(written).hexdigest() for file, written in content.items()}
    described = {
        "name": template.name,
        "version": "0",
        "licence": "none",
        **template.description,
        "sha256": sums,
    }
    (folder / DESCRIPTION).write_text(json.dumps(described))


def drawn(name: str, values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """As they are."""
    return values


def heard(name: str, values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """With layer scales that let every branch be heard."""
    return np.full_like(values, 0.3) if name.endswith("scale") else values


def trained(name: str, values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """With what makes integers hard: values of one row, or of one block, that are far apart."""
    values = values.copy()
    if name.endswith("scale"):
        return random.uniform(0.1, 1.5, values.shape).astype(np.float32)
    if values.ndim == 1 and name.endswith("weight"):  # of a normalisation
        return np.exp(random.uniform(np.log(0.3), np.log(3), values.shape)).astype(np.float32)
    if values.ndim == 1:
        return values + 0.1 * random.standard_normal(values.shape).astype(np.float32)
    if name.endswith("in_proj_weight"):
        values[: len(values) * 2 // 3] *= 2  # queries and keys
    far = random.random(values.shape) < 1 / 500
    values[far] *= random.uniform(5, 20, int(far.sum()))
    rows = random.random(len(values)) < 1 / 50
    values[rows] *= random.uniform(2, 5, (int(rows.sum()), *[1] * (values.ndim - 1)))
    return values


WAYS: dict[str, Callable[[str, np.ndarray, np.random.Generator], np.ndarray]] = {
    "drawn": drawn,
    "heard": heard,
    "trained": trained,
}

if __name__ == "__main__":
    sys.exit(main())
