"""Where the time of one segment goes in a band-split transformer with random weights, by kind of layer, with OpenVINO.

    python benchmarks/roformer_profile.py [--kind mel|bs|six]

Times of the layers are OpenVINO's own, of each operation. GFLOP are counted from the sizes: two for each product.
`speed_peak.py` measures the peak of the machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from math import prod
from pathlib import Path

import numpy as np

from unbraid.cores import usable_cores
from unbraid.models.folder import WEIGHTS
from unbraid.models.graphs import TensorPlace
from unbraid.models.roformer import TOKENS, RoformerSizes, block_shapes, layout, mel_bands
from unbraid.models.roformer_graph import build_block
from unbraid.separation.runtimes import openvino, roformer
from unbraid.separation.runtimes.roformer_layers import group_size
from unbraid.separation.runtimes.stored_weights import StoredWeights

WIDTHS = [2] * 24 + [4] * 12 + [12] * 8 + [24] * 8 + [48] * 8 + [128, 129]
COMMON = {"bins": 1025, "heads": 8, "head_width": 64, "time_depth": 1, "band_depth": 1}
SIDE_BY_SIDE = {
    "bands": tuple(pairwise(accumulate(WIDTHS, initial=0))),
    "transformer_norms": False,
    "final_norm": True,
}
SIZES = {
    "mel": RoformerSizes(
        **COMMON,
        bands=mel_bands(44_100, 2048, 60),
        frames=801,
        width=384,
        hidden=1536,
        layers=6,
        stems=1,
        mask_widths=(1536, 1536),
        transformer_norms=True,
        final_norm=False,
    ),
    "bs": RoformerSizes(
        **COMMON, **SIDE_BY_SIDE, frames=801, width=512, hidden=2048, layers=12, stems=1, mask_widths=(2048,)
    ),
    "six": RoformerSizes(
        **COMMON, **SIDE_BY_SIDE, frames=1151, width=256, hidden=1024, layers=12, stems=6, mask_widths=(1024,)
    ),
}
# OpenVINO's kinds of operations. Products of queries and keys, softmax and products with values are one `Subgraph`, as
# are sums, rotations and gates.
KINDS = {
    "MatMul": "linear layers",
    "Subgraph": "attention, rotation, gates, sums",
    "RMS": "norms",
}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kind", choices=SIZES, default="mel")
    sizes = SIZES[parser.parse_args().kind]
    with tempfile.TemporaryDirectory() as folder:
        seconds = profile(sizes, Path(folder))
    gflop = {"linear layers": linear_gflop(sizes), "masks": mask_gflop(sizes)}
    gflop["attention, rotation, gates, sums"] = attention_gflop(sizes)
    total = sum(seconds.values())
    sys.stdout.write("| kind | share | GFLOP | GFLOP/s |\n| --- | --- | --- | --- |\n")
    for kind, time_s in sorted(seconds.items(), key=lambda item: -item[1]):
        counts = f"{gflop[kind]:.0f} | {gflop[kind] / time_s:.0f}" if kind in gflop else "|"
        sys.stdout.write(f"| {kind} | {time_s / total:.1%} | {counts} |\n")
    sys.stdout.write(f"\n{total:.1f} s for {(sizes.frames - 1)} hops\n")


def profile(sizes: RoformerSizes, folder: Path) -> dict[str, float]:
    """Return the seconds of one segment by kind of layer."""
    places, rng = layout(sizes), np.random.default_rng(0)
    write_weights(
        folder / WEIGHTS,
        places,
        lambda place: rng.standard_normal(prod(place.shape), np.float32) * place.shape[-1] ** -0.5,
    )
    seconds: dict[str, float] = defaultdict(float)
    for axis, depth in enumerate(sizes.depths):
        for kind, time_s in profile_block(sizes, axis).items():
            seconds[kind] += time_s * depth * sizes.layers
    weights = StoredWeights(folder / WEIGHTS, places)
    masks = roformer.Masks(sizes, weights, roformer.LinearLayer(usable_cores()))
    tokens = rng.standard_normal((len(sizes.bands), sizes.frames, sizes.width), np.float32)
    started = time.perf_counter()
    for stem in range(sizes.stems):
        masks.estimate(tokens, stem)
    seconds["masks"] = time.perf_counter() - started
    return seconds


def write_weights(
    path: Path, places: Sequence[TensorPlace], values_of: Callable[[TensorPlace], np.ndarray]
) -> None:
    """Write the weights of a model folder."""
    with path.open("wb") as file:
        for place in places:
            file.seek(place.offset)
            file.write(values_of(place).astype("<f2" if place.float16 else "<f4").tobytes())


def profile_block(sizes: RoformerSizes, axis: int) -> dict[str, float]:
    """Return the seconds of an attention along an axis and its hidden layer, for all tokens, by kind of layer."""
    rng, lengths = np.random.default_rng(0), (sizes.frames, len(sizes.bands))
    items = group_size(lengths[1 - axis], lengths[axis])
    angles = rng.uniform(-3, 3, (lengths[axis], sizes.head_width // 2)).astype(np.float32)
    network = openvino.prepare_network(build_block(sizes, items, (np.cos(angles), np.sin(angles)), 0), {})
    compiled = openvino.compile_network(network, threads=usable_cores(), more={"PERF_COUNT": True})
    request = compiled.create_infer_request()
    inputs = {
        name: (0.02 * rng.standard_normal(shape, np.float32)).astype("<f2" if len(shape) > 1 else "<f4")
        for name, shape in block_shapes(sizes).items()
    }
    inputs[TOKENS] = rng.standard_normal((items, lengths[axis], sizes.width), np.float32)
    for _ in range(2):  # the first run is slower
        request.infer(inputs)
    seconds: dict[str, float] = defaultdict(float)
    for step in request.get_profiling_info():
        kind = KINDS.get(step.node_type, "copies and others")
        seconds[kind] += step.real_time.total_seconds() * lengths[1 - axis] / items
    return seconds


def linear_gflop(sizes: RoformerSizes) -> float:
    """Products of the linear layers for all tokens, without those of masks and of the band split."""
    inner = sizes.heads * sizes.head_width
    weights = sizes.width * (4 * inner + sizes.heads + 2 * sizes.hidden)
    tokens = sizes.frames * len(sizes.bands)
    return 2e-9 * tokens * weights * sizes.layers * sum(sizes.depths)


def attention_gflop(sizes: RoformerSizes) -> float:
    """Products of queries with keys, and of their softmax with values."""
    lengths = (sizes.frames, len(sizes.bands))
    per_token = sum(depth * length for depth, length in zip(sizes.depths, lengths, strict=True))
    tokens = sizes.frames * len(sizes.bands)
    return 4e-9 * tokens * per_token * sizes.heads * sizes.head_width * sizes.layers


def mask_gflop(sizes: RoformerSizes) -> float:
    """Products of the networks that estimate masks."""
    weights = sum(prod(shape) for name, shape in sizes.shapes().items() if "mask" in name and len(shape) > 1)
    return 2e-9 * sizes.frames * weights


if __name__ == "__main__":
    main()
