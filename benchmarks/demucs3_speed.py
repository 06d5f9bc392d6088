"""Compare the time of Unbraid and of `demucs` 4.1.0 for one network like those of mdx_extra, on the same weights.

    python benchmarks/demucs3_speed.py SONG [--repeat 3] [--quantised]

Needs the environment of `demucs3_parity.py`. Writes a seeded network on magnitudes at the published size. Runs both
command lines by turns, from song to WAV files, and prints wall time, CPU time and memory of each process. One run of
Unbraid before them converts the weights and compiles the network, as its first use does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from demucs3_parity import write
from process import Cost, measure

SIDES = {
    "demucs": ["-m", "demucs", "-d", "cpu", "--shifts", "0"],
    "Unbraid": ["-m", "unbraid.demucs", "-d", "cpu", "--shifts", "0"],
}


def main() -> None:
    """Run both sides by turns, and print a line for each run and the ratio of the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("song", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--quantised", action="store_true")
    options = parser.parse_args()
    costs: dict[str, list[Cost]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["UNBRAID_CACHE"] = str(Path(folder) / "cache")
        path = write(Path(folder) / "00000001.th", 0, options.quantised, cac=False)
        common = ["-n", path.stem, "--repo", folder, "-o", f"{folder}/out", options.song]
        measure([sys.executable, *SIDES["Unbraid"], *common])
        for _ in range(options.repeat):
            for side, command in SIDES.items():
                cost = measure([sys.executable, *command, *common])
                costs[side].append(cost)
                print(
                    f"{side:8}{cost.wall_s:8.1f} s{cost.cpu_s:8.1f} s of CPU{cost.peak_bytes / 1e9:6.2f} GB",
                    flush=True,
                )
    ratios = [
        statistics.median(getattr(cost, figure) for cost in costs["demucs"])
        / statistics.median(getattr(cost, figure) for cost in costs["Unbraid"])
        for figure in ("wall_s", "cpu_s")
    ]
    print(f"demucs / Unbraid: wall {ratios[0]:.2f}, CPU {ratios[1]:.2f}")


if __name__ == "__main__":
    main()
