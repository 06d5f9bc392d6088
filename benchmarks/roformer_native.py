"""Compare the native library with OpenVINO for one segment of a Roformer: CPU seconds by part, and the error.

    taskset -c 0 python benchmarks/roformer_native.py SONG [--kind mel|bs|six] [--repeat 3] [--at-least 1.3]

Weights are random, with the initial distribution of the original and matrices in float16. Both engines compute the
layers and the masks of the beginning of a song, in turns, with as many threads as there are cores. Tokens come from
PyTorch, because OpenVINO computes them in both cases. The error is that of the worst stem relative to the level of the
mixture. The exit code is 1 if the native library is less than `--at-least` times as fast, or if the error is above
-60 dB.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from roformer_parity import read
from roformer_profile import SIZES, write_weights
from unbraid.cores import usable_cores
from unbraid.models.folder import WEIGHTS
from unbraid.models.roformer import RoformerSizes, layout
from unbraid.networks.roformer import Roformer
from unbraid.separation.runtimes.accuracy import LIMIT_DB
from unbraid.separation.runtimes.native_roformer import NativeLayers, NativeLinearLayer, library_for
from unbraid.separation.runtimes.roformer import LinearLayer, Masks
from unbraid.separation.runtimes.roformer_layers import Layers
from unbraid.separation.runtimes.stored_weights import StoredWeights
from unbraid.separation.spectral import Spectral

N_FFT = 2048
HOPS = {"mel": 441, "bs": 441, "six": 512}
OPENVINO, NATIVE = "OpenVINO", "native"

Engine = tuple[Any, Masks]
"""The layers of one engine, and its masks."""


def main() -> int:
    """Print a table. Return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("song", type=Path)
    parser.add_argument("--kind", choices=SIZES, default="mel")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--at-least", type=float, default=1.3, metavar="RATIO", help="smallest ratio")
    options = parser.parse_args()
    sizes, hop = SIZES[options.kind], HOPS[options.kind]
    samples = (sizes.frames - 1) * hop
    spectrum = Spectral(N_FFT, hop).forward(read(options.song, samples / 44_100 + 1)[:, :samples])
    torch.manual_seed(0)
    network = Roformer(sizes.stems, sizes.to_dict()).requires_grad_(False)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.data = parameter.data.half().float()
    with tempfile.TemporaryDirectory() as folder:
        path, state = Path(folder, WEIGHTS), network.state_dict()
        write_weights(path, layout(sizes), lambda place: state[place.name].numpy())
        engines = load(sizes, StoredWeights(path, layout(sizes)))
        tokens = tokens_of(network, spectrum)
        del network
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in engines}
        stems = {}
        for _ in range(options.repeat):
            for name, engine in engines.items():
                *parts, stems[name] = compute(engine, sizes, tokens.copy(), spectrum)
                seconds[name].append((parts[0], parts[1]))
    ratio = print_table(seconds)
    error = stems[NATIVE] - stems[OPENVINO]
    energies = np.square(np.abs(error)).sum((1, 2, 3)) / np.square(spectrum, dtype=np.float64).sum()
    error_db = 10 * np.log10(energies.max())
    sys.stdout.write(f"\nerror of the worst stem: {error_db:.1f} dB\n")
    return int(ratio < options.at_least or not error_db <= LIMIT_DB)


def load(sizes: RoformerSizes, weights: StoredWeights) -> Mapping[str, Engine]:
    """Load both engines."""
    threads, library = usable_cores(), library_for(sizes)
    if library is None:
        raise SystemExit("The native library is not built, or can't compute this network.")
    sys.stdout.write(f"{library.instructions}, {threads} threads\n\n")
    linear = NativeLinearLayer(library, sizes, threads=threads, jobs=1)
    native = NativeLayers(library, sizes, weights, threads=threads, jobs=1)
    return {
        OPENVINO: (
            Layers(sizes, weights, threads=threads),
            Masks(sizes, weights, LinearLayer(threads)),
        ),
        NATIVE: (native, Masks(sizes, weights, linear)),
    }


def tokens_of(network: Roformer, spectrum: np.ndarray) -> np.ndarray:
    """Return the first tokens, (bands, frames, width)."""
    numbers = torch.from_numpy(spectrum)[None].permute(0, 3, 2, 1, 4).flatten(2)
    tokens: np.ndarray = network.band_split(numbers)[0].transpose(0, 1).contiguous().numpy()
    return tokens


def compute(
    engine: Engine, sizes: RoformerSizes, tokens: np.ndarray, spectrum: np.ndarray
) -> tuple[float, float, np.ndarray]:
    """Return the CPU seconds of the layers and of the masks, and the spectra of the stems."""
    layers, masks = engine
    layers_s = measure(lambda: layers.apply(tokens))
    found: list[np.ndarray] = []
    masks_s = measure(lambda: found.extend(masks.estimate(tokens, stem) for stem in range(sizes.stems)))
    return layers_s, masks_s, np.stack(found) * spectrum.view(np.complex64)[..., 0]


def measure(compute: Callable[[], None]) -> float:
    """Return the CPU seconds of a call."""
    started = time.process_time()
    compute()
    return time.process_time() - started


def print_table(seconds: Mapping[str, list[tuple[float, float]]]) -> float:
    """Print medians and their ratios. Return the ratio of the whole segment."""
    sys.stdout.write(f"| part | {OPENVINO} | {NATIVE} | ratio |\n| --- | --- | --- | --- |\n")
    parts = {"layers": lambda run: run[0], "masks": lambda run: run[1], "both": sum}
    for part, choose in parts.items():
        before, after = (
            statistics.median(choose(run) for run in seconds[name]) for name in (OPENVINO, NATIVE)
        )
        sys.stdout.write(f"| {part} | {before:.2f} s | {after:.2f} s | {before / after:.2f} |\n")
    return before / after


if __name__ == "__main__":
    sys.exit(main())
