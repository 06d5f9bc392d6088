"""Compare Unbraid with `demucs` 4.1.0 on a graphics card: htdemucs with the same random weights, in turn.

    python benchmarks/gpu.py SONG [--device cuda|mps] [--runs 3] [--peer DIR]

Needs PyTorch in this environment (`pip install 'unbraid[torch]'`). The first run creates an environment with the same
version for the peer. For every run, each side starts a process that loads the model and separates the song, as an
array, twice. `first` includes one-time work of the card (choosing kernels, reserving memory); `again` is the time of
each further song. `peak` is the card's memory that PyTorch reserved (CUDA only). `command` is the time of the whole
command, from file to files. Shifts are 0 and the overlap is 0.25 on both sides. The last line is the difference of
the stems: Unbraid computes in half precision where that costs less than -50 dB.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from peer import DEMUCS_FOLDER, SIGNATURE, make_peer
from process import measure
from sound import RATE, difference_db, read

# Prints the name of the card, or exits with the reason why PyTorch can't compute on it.
CARD = """
import sys
try:
    import torch
    torch.ones(1, device=sys.argv[1]).add(1).item()
except Exception as error:
    sys.exit(f"{type(error).__name__}: {str(error).splitlines()[0]}")
print(torch.cuda.get_device_name() if sys.argv[1] == "cuda" else sys.argv[1], "with PyTorch", torch.__version__)
"""
# Both sides print a line of JSON and save their stems, (sources, channels, samples).
END = """
    done = time.perf_counter()
    took.append(done - started)
peak = torch.cuda.max_memory_reserved() if device == "cuda" else 0
np.save(out, stems)
print(json.dumps({"load": load, "first": took[0], "again": took[1], "peak": peak}))
"""
BEGIN = """
import json, sys, time
started = time.perf_counter()
device, signature, repo, song, out = sys.argv[1:]
import numpy as np, torch
song, took = np.load(song), []
"""
OURS = f"""{BEGIN}
from unbraid import Separator
separator = Separator(signature, repo=repo, device=device, overlap=0.25)
load = time.perf_counter() - started
for _ in range(2):
    started = time.perf_counter()
    stems = np.stack(list(separator.separate(song, {RATE}).values()))
{END}"""
THEIRS = f"""{BEGIN}
from pathlib import Path
from demucs.apply import apply_model
from demucs.pretrained import get_model
model = get_model(signature, Path(repo)).to(device)
load = time.perf_counter() - started
for _ in range(2):
    started = time.perf_counter()
    song_tensor = torch.from_numpy(song)
    mean, deviation = song_tensor.mean(0).mean(), song_tensor.mean(0).std() + 1e-8
    with torch.no_grad():
        stems = apply_model(model, ((song_tensor - mean) / deviation)[None], device=device, shifts=0, overlap=0.25)
    stems = (stems[0] * deviation + mean).cpu().numpy()
{END}"""
FIGURES = ("load", "first", "again", "command", "peak")


def main() -> int:
    """Measure, and print a table, the ratios and the difference of the stems."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("song", type=Path)
    parser.add_argument("--device", choices=("cuda", "mps"), default="cuda")
    parser.add_argument("--runs", type=int, default=3, help="of each, in turn (default 3)")
    parser.add_argument("--peer", type=Path, default=DEMUCS_FOLDER)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    card = find_card(sys.executable, options.device)
    if card is None:
        return 1
    peer = make_peer(options.peer)
    if find_card(peer.python, options.device) is None:
        return 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        song = read(options.song)
        np.save(folder / "song.npy", song)
        workers = {
            "unbraid": (sys.executable, OURS, [sys.executable, "-m", "unbraid", "demucs"]),
            "demucs 4.1.0": (peer.python, THEIRS, [peer.command]),
        }
        figures: dict[str, list[dict[str, float]]] = {side: [] for side in workers}
        for _ in range(options.runs):
            for side, (python, code, command) in workers.items():
                parameters = [
                    options.device,
                    SIGNATURE,
                    peer.weights,
                    folder / "song.npy",
                    folder / f"{side}.npy",
                ]
                answer = subprocess.run([python, "-c", code, *parameters], stdout=subprocess.PIPE, check=True)
                command_line = [*command, "-n", SIGNATURE, "--repo", peer.weights, "-d", options.device,
                         "--shifts", "0", "-o", folder / "out", options.song]  # fmt: skip
                figures[side].append({**json.loads(answer.stdout), "command": measure(command_line).wall_s})
        stems = [np.load(folder / f"{side}.npy") for side in workers]
        difference = max(map(difference_db, *stems))
    seconds = song.shape[1] / RATE
    print(f"{time.strftime('%Y-%m-%d')}, {card}; {seconds:.0f} s of music; medians of {options.runs} runs")
    show(figures, seconds)
    print(f"stems differ by {difference:.1f} dB at worst")
    if options.json:
        report = {"card": card, "song_s": seconds, "figures": figures, "difference_db": difference}
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def find_card(python: str | Path, device: str) -> str | None:
    """Return the name of the card that PyTorch computes on in an environment. If there is none, print the reason."""
    result = subprocess.run([python, "-c", CARD, device], capture_output=True, text=True)
    if result.returncode:
        print(
            f"Nothing to measure: PyTorch in {python} finds no {device} card ({result.stderr.strip()}).",
            file=sys.stderr,
        )
        return None
    return result.stdout.strip()


def show(figures: dict[str, list[dict[str, float]]], seconds: float) -> None:
    """Print the table, and the ratios of the peer's figures to ours."""
    print(f"{'':14}{'load':>9}{'first':>9}{'again':>9}{'x real time':>13}{'command':>10}{'peak':>11}")
    medians = {}
    for side, runs in figures.items():
        medians[side] = {name: statistics.median(run[name] for run in runs) for name in FIGURES}
        load, first, again, command, peak = medians[side].values()
        print(
            f"{side:14}{load:7.2f} s{first:7.2f} s{again:7.2f} s{seconds / again:13.0f}{command:8.2f} s"
            f"{peak / 1e6:8.0f} MB"
        )
    ours, theirs = medians.values()
    ratios = [f"{name} {theirs[name] / ours[name]:.2f}" for name in FIGURES if ours[name]]
    pairs = [theirs["again"] / ours["again"] for ours, theirs in zip(*figures.values(), strict=True)]
    print(f"ratios: {', '.join(ratios)}; of `again` in each run: {min(pairs):.2f} to {max(pairs):.2f}")


if __name__ == "__main__":
    sys.exit(main())
