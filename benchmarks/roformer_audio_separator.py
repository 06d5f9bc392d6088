"""Compare a Mel-Band RoFormer with audio-separator: time and memory from file to files, on the same weights.

    python3.11 -m venv PEER && PEER/bin/pip install torch==2.13.0 'audio-separator[cpu]==0.47.1'
    python benchmarks/roformer_audio_separator.py PEER/bin/python SONG [--seconds 16] [--repeat N] [--at-least 2]

The weights are random, with the sizes of Kim's model. Both programs compute segments of 8 s with the same overlap, in
turns, with the same number of threads, and write both stems. Unbraid has converted the checkpoint and checked the
native library with it before, as it has for every song but the first. The exit code is 1 if Unbraid is less than
`--at-least` times as fast, in seconds of the processor or of the clock.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import soundfile
import yaml

from peer import write_audio_separator_list
from process import Cost, measure
from roformer_parity import PROGRAM as WEIGHTS
from roformer_parity import read
from unbraid.models.cache import CACHE

PROGRAM = Path(__file__).with_name("mdx23c_original.py")
NAME = "vocals_mel_band_roformer.ckpt"  # audio-separator takes only names that it knows
RATE = 44_100
SHORTEST_S = 10  # audio-separator cuts shorter songs into segments of another length


def main() -> int:
    """Print a table. Return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("python", type=Path, help="Python of audio-separator's environment")
    parser.add_argument("song", type=Path)
    parser.add_argument("--seconds", type=float, default=16, help="length of the part of the song")
    parser.add_argument("--overlaps", type=int, default=2, help="networks for each sample")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each program")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--at-least", type=float, default=2, metavar="RATIO", help="smallest ratio")
    options = parser.parse_args()
    if options.seconds < SHORTEST_S:
        parser.error(f"--seconds must be at least {SHORTEST_S}")
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ[CACHE] = str(folder / "cache")
        song = folder / "song.wav"
        soundfile.write(song, read(options.song, options.seconds).T, RATE, "PCM_16")
        theirs, ours = run(options.python, folder, song, options.overlaps, options.repeat)
    ratios = [
        statistics.median(before / after for before, after in pairs)
        for pairs in (
            [(a.wall_s, b.wall_s) for a, b in zip(theirs, ours, strict=True)],
            [(a.cpu_s, b.cpu_s) for a, b in zip(theirs, ours, strict=True)],
        )
    ]
    print("| program | wall | CPU | peak memory |\n| --- | --- | --- | --- |")
    print(row("audio-separator", theirs))
    print(row("Unbraid", ours))
    print(f"| ratio | {ratios[0]:.2f} | {ratios[1]:.2f} | |")
    return int(min(ratios) < options.at_least)


def run(python: Path, folder: Path, song: Path, overlaps: int, repeat: int) -> tuple[list[Cost], list[Cost]]:
    """Run both programs in turns, and return their costs."""
    models = write_models(python, folder / "models", overlaps)
    # In a process of its own: the kernel counts the memory of a parent for the programs that it starts.
    measure(
        [sys.executable, "-c", f"from unbraid.models import find_model; find_model({str(models / NAME)!r})"]
    )
    theirs = [python, PROGRAM, models, NAME, song, folder / "theirs", str(overlaps), "-"]
    ours = [sys.executable, "-m", "unbraid", "separate", "-q", "--stems", "all", "-m", models / NAME]
    ours += ["--overlap", str(1 - 1 / overlaps), song, "-o", folder / "ours"]
    measure(ours)  # checks the native library with these weights
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for _ in range(repeat):
        for command, measured in zip((theirs, ours), costs, strict=True):
            measured.append(measure(command))
    return costs


def write_models(python: Path, folder: Path, overlaps: int) -> Path:
    """Write the weights and their config, with the lists that audio-separator would download."""
    folder.mkdir()
    measure([python, WEIGHTS, "weights", "mel", folder])
    (folder / "model.ckpt").rename(folder / NAME)
    config: dict[str, dict[str, Any]] = yaml.safe_load((folder / "model.yaml").read_text("utf-8"))
    (folder / "model.yaml").unlink()
    chunk, hop = config["inference"]["chunk_size"], config["model"]["stft_hop_length"]
    config["inference"] |= {"num_overlap": overlaps, "dim_t": chunk // hop + 1, "batch_size": 1}
    config["audio"] = {"sample_rate": RATE, "num_channels": 2, "hop_length": hop, "chunk_size": chunk}
    file = (folder / NAME).with_suffix(".yaml")
    file.write_text(yaml.safe_dump(config), "utf-8")
    write_audio_separator_list(
        folder, roformer_download_list={"Roformer Model": {NAME: file.name}}, demucs_download_list={}
    )
    for table in ("vr_model_data.json", "mdx_model_data.json"):
        (folder / table).write_text("{}")
    return folder


def row(program: str, costs: list[Cost]) -> str:
    """Return a row."""
    wall_s, cpu_s = (
        statistics.median(values)
        for values in ([cost.wall_s for cost in costs], [cost.cpu_s for cost in costs])
    )
    peak = max(cost.peak_bytes for cost in costs) / 1e9
    return f"| {program} | {wall_s:.1f} s | {cpu_s:.1f} s | {peak:.2f} GB |"


if __name__ == "__main__":
    sys.exit(main())
