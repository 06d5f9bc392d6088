"""Compare the native library with OpenVINO on one segment of an MDX-Net: time on one core, by stage, and difference.

    python benchmarks/mdx_speed.py [--bins N] [--repeat N]
    ONEDNN_MAX_CPU_ISA=AVX2 python benchmarks/mdx_speed.py        # OpenVINO as on a processor without AVX-512

The weights are seeded, at published sizes. The engines compute the segment in turns. The packages that write the
network are in the extra `train`.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mdx_parity import PUBLISHED, error_db
from unbraid.models.cache import CACHE
from unbraid.models.folder import SPECTRA, SPECTRUM
from unbraid.models.mdx import load_mdx_file
from unbraid.models.mdx_layers import read_layers, sizes_of
from unbraid.native.library import load_libraries
from unbraid.native.mdx import STAGES, MdxSizes, NativeMdx
from unbraid.networks.mdx import Sizes, export, seeded
from unbraid.separation.runtimes.openvino import OpenVinoRuntime

Floats = NDArray[np.float32]

LEVEL = 0.14  # deviation of the spectrum


def main() -> None:
    """Print a row for each engine."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--bins", type=int, choices=[published.bins for published in PUBLISHED], default=PUBLISHED[0].bins
    )
    parser.add_argument("--repeat", type=int, default=3, help="turns (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.environ[CACHE] = str(Path(name) / "cache")
        compare(Path(name), options.bins, options.repeat)


def compare(folder: Path, bins: int, repeat: int) -> None:
    """Write a network into the folder and compute a segment with each engine."""
    n_fft = next(published.n_fft for published in PUBLISHED if published.bins == bins)
    sizes = Sizes(bins=bins)
    export(seeded(sizes), sizes, folder / "net.onnx")
    (folder / "net.json").write_text(json.dumps({"mdx_n_fft_scale_set": n_fft, "primary_stem": "Vocals"}))
    model = load_mdx_file(folder / "net.onnx")
    layers = read_layers(model)
    assert layers is not None
    shape = (1, 2, layers.all_bins, layers.frames, 2)
    spectrum = (LEVEL * np.random.default_rng(0).standard_normal(shape)).astype(np.float32)
    openvino = OpenVinoRuntime(model.graph, {SPECTRUM: shape}, threads=1, jobs=1)
    networks = {
        library.instructions: NativeMdx(library, MdxSizes(**sizes_of(layers)), layers.tensors)
        for library in load_libraries()
    }
    workspaces = {name: network.workspace() for name, network in networks.items()}
    stages = {name: np.zeros(len(STAGES)) for name in networks}
    seconds: dict[str, list[float]] = {"OpenVINO": [], **{name: [] for name in networks}}
    for _ in range(repeat + 1):  # the first turn reads the weights
        started = time.process_time()
        with openvino.run({SPECTRUM: spectrum}) as outputs:
            expected = outputs[SPECTRA][0, 0].copy()
        seconds["OpenVINO"].append(time.process_time() - started)
        for name, network in networks.items():
            started = time.process_time()
            network.run(spectrum[0], workspaces[name], stages[name])
            seconds[name].append(time.process_time() - started)
    errors = {name: error_db(workspaces[name].spectra, expected) for name in networks}
    show({name: float(np.median(turns[1:])) for name, turns in seconds.items()}, errors, stages)


def show(seconds: Mapping[str, float], errors: Mapping[str, float], stages: Mapping[str, Floats]) -> None:
    """Print the median seconds of each engine."""
    print(f"| engine | seconds of CPU | ratio | difference | {' | '.join(STAGES)} |")
    print("| --- " * (4 + len(STAGES)) + "|")
    for name, median in seconds.items():
        ratio = seconds["OpenVINO"] / median
        cells = [f"{median:.2f}", f"{ratio:.2f}", f"{errors[name]:.1f} dB" if name in errors else ""]
        shares = stages[name] / stages[name].sum() if name in stages else [None] * len(STAGES)
        cells += ["" if share is None else f"{share:.0%}" for share in shares]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
