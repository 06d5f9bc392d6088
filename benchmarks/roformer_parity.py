"""Compare our band-split transformers with a published implementation, on the same random weights: error in dB.

    python3.11 -m venv ORIGINAL
    ORIGINAL/bin/pip install bs-roformer-infer==0.1.5 melband-roformer-infer==0.1.5
    python benchmarks/roformer_parity.py ORIGINAL/bin/python SONG [--kinds mel bs four six narrow] [--seconds 8]

Both separate the same segments of a song, which are added up in the same way. The first error compares the networks:
the original has its matrices rounded to float16 too. The second one includes the rounding. With `--double`, the
original computes in float64, and a third error says how far it is from that in float32. Bands with nothing but rounding
errors, such as the highest ones of compressed songs, are normalised like all others. There no program in float32 gets
close to float64. OpenVINO computes with floats, unless UNBRAID_INSTRUCTIONS names the instructions of the native
library. `--at-most-worse DB` ends with exit code 1 if our error exceeds the original's own by more than that.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from unbraid.audio.arrays import Floats
from unbraid.models import Model, find_model
from unbraid.native.library import INSTRUCTIONS, NONE
from unbraid.separation.network import Network
from unbraid.separation.overlap import OverlapAdd, Segment, plan_segments, triangles
from unbraid.separation.runtimes.choose import RuntimeLoader
from unbraid.separation.song import FileSong

PROGRAM = Path(__file__).with_name("roformer_original.py")
KINDS = ("mel", "bs", "four", "six")
NARROW = "narrow"  # a Mel-Band RoFormer with the transform and the bands of `mel`, and width 64 and one layer


def main() -> int:
    """Print the lines of each kind of network. Return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("python", type=Path, help="Python of the original's environment")
    parser.add_argument("song", type=Path)
    parser.add_argument("--kinds", nargs="+", choices=(*KINDS, NARROW), default=KINDS)
    parser.add_argument("--seconds", type=float, default=8, help="length of the part of the song")
    parser.add_argument("--overlap", type=float, default=0, help="overlap of segments, from 0 to below 1")
    parser.add_argument("--chunk", type=int, help="samples of a segment (default: as published)")
    parser.add_argument("--double", action="store_true", help="the original computes in float64")
    parser.add_argument("--at-most-worse", type=float, metavar="DB", help="with --double: end with 1 beyond")
    options = parser.parse_args()
    os.environ.setdefault(INSTRUCTIONS, NONE)
    if options.at_most_worse is not None and not options.double:
        parser.error("--at-most-worse needs --double")
    failed = False
    mixture = read(options.song, options.seconds)
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as folder:
            comparison = Comparison(options.python, kind, Path(folder), mixture, options.overlap)
            worse = comparison.run(options.chunk, double=options.double)
            failed = failed or (options.at_most_worse is not None and worse > options.at_most_worse)
    return int(failed)


def read(path: Path, seconds: float) -> Floats:
    """Read the beginning of a stereo song of 44.1 kHz."""
    song = FileSong(path)
    assert (song.sample_rate, song.channels) == (44_100, 2)
    return np.concatenate(list(song.blocks()), axis=1)[:, : int(seconds * song.sample_rate)]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A network with random weights, and the song that both programs separate."""

    python: Path
    kind: str
    folder: Path
    mixture: Floats
    overlap: float

    def run(self, chunk: int | None, *, double: bool) -> float:
        """Print the errors of all stems. `chunk`: samples of a segment; None: as published.

        With `double`, return by how many dB our error exceeds that of the original in float32, for the worst stem;
        else 0.
        """
        self._call("weights")
        if chunk:
            path = self.folder / "model.yaml"
            config = yaml.safe_load(path.read_text("utf-8"))
            config["inference"]["chunk_size"] = chunk
            path.write_text(yaml.safe_dump(config), "utf-8")
        model = find_model(self.folder / "model.ckpt")
        network = model.members[0].model if model.members else model
        segments = list(plan(network, self.mixture.shape[1], self.overlap))
        inputs = [read_segment(self.mixture, segment) for segment in segments]
        np.save(self.folder / "segments.npy", np.stack(inputs))
        loaded = Network(network, network.segment, RuntimeLoader(network, "cpu").load)
        estimates = [loaded.estimate(part, range(len(network.sources))) for part in inputs]
        ours = add_up(estimates, segments, network)
        del loaded

        def original(*more: str) -> Floats:
            self._call("stems", *more)
            return add_up(list(np.load(self.folder / "stems.npy")), segments, network)

        if not double:
            self._print("same weights", network, ours, original("--half"))
            self._print("with rounded weights", network, ours, original())
            return 0.0
        exact = original("--half", "--double")
        errors = self._print("same weights, float64", network, ours, exact)
        theirs = self._print("the original in float32", network, original("--half"), exact)
        return float((errors - theirs).max())

    def _call(self, action: str, *more: str) -> None:
        command = [self.python, PROGRAM, action, self.kind, self.folder, *more]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)

    def _print(self, what: str, network: Model, stems: Floats, exact: Floats) -> NDArray[np.float64]:
        errors: NDArray[np.float64] = 10 * np.log10(
            ((stems - exact) ** 2).sum((1, 2)) / (exact**2).sum((1, 2))
        )
        pairs = zip(network.sources, errors, strict=True)
        text = ", ".join(f"{name} {error:.1f} dB" for name, error in pairs)
        sys.stdout.write(f"{self.kind}, {what}: {text}\n")
        sys.stdout.flush()
        return errors


def plan(network: Model, samples: int, overlap: float) -> Iterator[Segment]:
    """Cut the song as the separator does."""
    return plan_segments(samples, network.segment, overlap, context="inside")


def read_segment(mixture: Floats, segment: Segment) -> Floats:
    """Return the samples that the network reads."""
    part = mixture[:, segment.read_start : segment.read_stop]
    return np.pad(part, ((0, 0), (0, segment.read_length - part.shape[1])))


def add_up(estimates: list[Floats], segments: list[Segment], network: Model) -> Floats:
    """Add the estimates up as the separator does: (sources, 2, samples)."""
    total = OverlapAdd(len(network.sources), 2, triangles(network.segment), 2 * network.segment)
    blocks = []
    for segment, estimate in zip(segments, estimates, strict=True):
        total.add(segment, estimate[..., segment.inner])
        blocks.append(total.take(segment.next_start))
    return np.concatenate(blocks, axis=-1)


if __name__ == "__main__":
    sys.exit(main())
