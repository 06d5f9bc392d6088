"""Unbraid's bundled model and `demucs` 4.1.0 in turn on one song: time, memory, size of the installation.

    python benchmarks/peers.py SONG [--runs 3] [--peer DIR]

Makes an environment for the peer in DIR the first time. The peer's network gets random weights of the published
size: what they are changes what comes out, not what it costs. The two do not do the same work: `lite` is a small
model, `htdemucs` a large and better one. What this compares is what a user waits for who takes what comes with
each, and it says nothing about how good the stems are (`unbraid evaluate` does).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from process import Cost, measure
from unbraid.audio import Decoder

PEER = ["demucs==4.1.0", "numpy", "torch==2.13.0"]  # demucs imports numpy without saying so
SIGNATURE = "0123abcd"
# Published hyper-parameters of htdemucs: arXiv 2211.08553, and the training arguments in the published file.
DRAW = f"""
import sys, torch
from fractions import Fraction
from demucs.htdemucs import HTDemucs
torch.manual_seed(0)
kwargs = dict(sources=["drums", "bass", "other", "vocals"], audio_channels=2, samplerate=44100,
              segment=Fraction(39, 5), channels=48, nfft=4096, depth=4, dconv_mode=3, bottom_channels=512,
              t_layers=5, t_heads=8, t_hidden_scale=4.0, t_dropout=0.02)
state = {{name: value.half() for name, value in HTDemucs(**kwargs).state_dict().items()}}
torch.save({{"klass": HTDemucs, "args": (), "kwargs": kwargs, "state": state}}, sys.argv[1] + "/{SIGNATURE}.th")
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("song", type=Path)
    parser.add_argument("--runs", type=int, default=3, help="of each, in turn (default 3)")
    parser.add_argument("--peer", type=Path, default=Path.home() / ".cache/unbraid-benchmarks/demucs-4.1.0")
    parser.add_argument(
        "--ours", type=Path, default=Path(__file__).parents[1] / "unbraid", help="the launcher"
    )
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    peer = make_peer(options.peer)
    with Decoder(options.song) as decoder:
        seconds = sum(block.shape[1] for block in decoder) / decoder.info.sample_rate
    costs: dict[str, list[Cost]] = {"unbraid (lite)": [], "demucs 4.1.0 (htdemucs)": []}
    subprocess.run([options.ours, "--version"], check=True)  # makes its environment the first time
    with tempfile.TemporaryDirectory() as out:
        commands = (
            [options.ours, "separate", options.song, "-o", Path(out) / "ours", "--quiet"],
            [peer, "--repo", options.peer / "weights", "-n", SIGNATURE, "--two-stems", "vocals",
             "-o", Path(out) / "theirs", options.song],
        )  # fmt: skip
        for _ in range(options.runs):
            for name, command in zip(costs, commands, strict=True):
                costs[name].append(measure(command))
    report = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.processor() or platform.machine()}, {cores()} cores, {platform.system()}",
        "command": f"python benchmarks/peers.py {options.song.name} --runs {options.runs}",
        "song_s": round(seconds, 1),
        "costs": {name: [asdict(cost) for cost in part] for name, part in costs.items()},
        "installed_mb": {
            "unbraid (lite)": megabytes(options.ours.parent / ".venv"),
            "demucs 4.1.0 (htdemucs)": megabytes(options.peer / "environment"),
        },
    }
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    show(report, costs, seconds)


def make_peer(folder: Path) -> Path:
    """The peer's command, in an environment of its own with random weights beside it."""
    environment, weights = folder / "environment", folder / "weights"
    if not (weights / f"{SIGNATURE}.th").exists():
        weights.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        subprocess.run([environment / "bin/pip", "install", "--quiet", *PEER], check=True)
        subprocess.run([environment / "bin/python", "-c", DRAW, weights], check=True)
    return environment / "bin/demucs"


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def megabytes(folder: Path) -> int:
    return round(sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6)


def show(report: dict[str, object], costs: dict[str, list[Cost]], seconds: float) -> None:
    print(f"{report['date']}, {report['machine']}; {seconds:.0f} s of music; medians of the runs")
    print(f"{'':26}{'wall':>9}{'x real time':>13}{'CPU':>9}{'peak':>10}{'installed':>11}")
    medians = {}
    for name, part in costs.items():
        wall_s, cpu_s, peak = (
            statistics.median(getattr(cost, field) for cost in part)
            for field in ("wall_s", "cpu_s", "peak_bytes")
        )
        medians[name] = (wall_s, cpu_s, peak)
        installed = report["installed_mb"][name]  # type: ignore[index]
        print(
            f"{name:26}{wall_s:7.1f} s{seconds / wall_s:13.1f}{cpu_s:7.1f} s{peak / 1e6:7.0f} MB{installed:8} MB"
        )
    ours, theirs = medians.values()
    ratios = [theirs[index] / ours[index] for index in range(3)]
    pairs = [b.wall_s / a.wall_s for a, b in zip(*costs.values(), strict=True)]
    spread = f"(pairs {min(pairs):.1f} to {max(pairs):.1f})"
    print(f"ratio: wall {ratios[0]:.1f} {spread}, CPU {ratios[1]:.1f}, peak {ratios[2]:.1f}")


if __name__ == "__main__":
    main()
