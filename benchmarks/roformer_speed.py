"""Time and memory of band-split transformers against a published implementation, as whole processes.

    python benchmarks/roformer_speed.py ORIGINAL/bin/python [--kinds mel six] [--segments 2] [--overlaps 1]

`benchmarks/roformer_parity.py` says how to create the environment ORIGINAL. Both programs get the same random weights,
noise of that many segments, and a config with that `num_overlap`. Both use two threads. Unbraid has converted the
checkpoint before, as it has for every song but the first.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import yaml

from process import Cost, measure
from roformer_parity import KINDS, PROGRAM
from unbraid.models import find_model

THREADS = "2"
# The published packages have the same program for each family.
PACKAGES = {"mel": ("mel_band_roformer", "mel_band_roformer"), "bs": ("bs_roformer", "bs_roformer")}


def main() -> None:
    """Print a table with two rows for each kind of network."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("python", type=Path, help="Python of the original's environment")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=["mel"])
    parser.add_argument("--segments", type=int, default=2)
    parser.add_argument("--overlaps", type=int, default=1)
    options = parser.parse_args()
    sys.stdout.write("| network | program | wall | CPU | peak memory |\n| --- | --- | --- | --- | --- |\n")
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as folder:
            compare(options.python, kind, Path(folder), options.segments, options.overlaps)


def compare(python: Path, kind: str, folder: Path, segments: int, overlaps: int) -> None:
    """Print the rows of one kind."""
    os.environ.update(OMP_NUM_THREADS=THREADS, UNBRAID_CACHE=str(folder / "cache"))
    subprocess.run([python, PROGRAM, "weights", kind, folder], check=True, stderr=subprocess.DEVNULL)
    path = folder / "model.yaml"
    config = yaml.safe_load(path.read_text("utf-8"))
    config["inference"]["num_overlap"] = overlaps
    path.write_text(yaml.safe_dump(config), "utf-8")
    (folder / "songs").mkdir()
    samples = segments * config["inference"]["chunk_size"]
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (samples, 2))
    soundfile.write(folder / "songs/song.wav", noise, 44_100)
    find_model(folder / "model.ckpt")
    command = [sys.executable, "-m", "unbraid", "separate", "-m", folder / "model.ckpt", "--stems", "all"]
    ours = [*command, "-q", "-o", folder / "ours", folder / "songs/song.wav"]
    measure(ours)  # compiles the network
    row(kind, "Unbraid", measure(ours))
    package, kind_name = PACKAGES["mel" if kind == "mel" else "bs"]
    theirs = [
        python,
        "-W",
        "ignore",
        "-m",
        f"{package}.inference",
        "--model_type",
        kind_name,
        "--device",
        "cpu",
    ]
    files = ["--model_path", folder / "model.ckpt", "--config_path", path, "--input_folder", folder / "songs"]
    row(kind, package.replace("_", "-"), measure([*theirs, *files, "--store_dir", folder / "theirs"]))


def row(kind: str, program: str, cost: Cost) -> None:
    """Print a row."""
    cells = (kind, program, f"{cost.wall_s:.1f} s", f"{cost.cpu_s:.1f} s", f"{cost.peak_bytes / 1e9:.2f} GB")
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
