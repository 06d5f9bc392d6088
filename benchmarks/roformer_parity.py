"""Compare our band-split transformers with a published implementation, on the same random weights: error in dB.

    python3.11 -m venv ORIGINAL
    ORIGINAL/bin/pip install bs-roformer-infer==0.1.5 melband-roformer-infer==0.1.5
    python benchmarks/roformer_parity.py ORIGINAL/bin/python SONG [--kinds mel bs four six] [--seconds 12]

Both separate the same segments of a song, which are added up in the same way. The first error compares the networks:
the original has its matrices rounded to float16 too. The second one includes the rounding.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.models import Model, find_model
from unbraid.separation.network import Network
from unbraid.separation.overlap import OverlapAdd, Segment, plan_segments
from unbraid.separation.runtimes.choose import RuntimeLoader
from unbraid.separation.song import FileSong

PROGRAM = Path(__file__).with_name("roformer_original.py")
KINDS = ("mel", "bs", "four", "six")


def main() -> None:
    """Print a line for each kind of network."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("python", type=Path, help="Python of the original's environment")
    parser.add_argument("song", type=Path)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--seconds", type=float, default=12, help="length of the part of the song")
    options = parser.parse_args()
    mixture = read(options.song, options.seconds)
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as folder:
            exact, rounded = compare(options.python, kind, Path(folder), mixture)
        sys.stdout.write(f"{kind}: {exact}; with rounding {rounded}\n")
        sys.stdout.flush()


def read(path: Path, seconds: float) -> Floats:
    """Read the beginning of a stereo song of 44.1 kHz."""
    song = FileSong(path)
    assert (song.sample_rate, song.channels) == (44_100, 2)
    return np.concatenate(list(song.blocks()), axis=1)[:, : int(seconds * song.sample_rate)]


def compare(python: Path, kind: str, folder: Path, mixture: Floats) -> tuple[str, str]:
    """Return the errors of all stems, without and with the rounding of the weights."""

    def original(*arguments: str) -> None:
        subprocess.run([python, PROGRAM, *arguments], check=True, stderr=subprocess.DEVNULL)

    original("weights", kind, str(folder))
    model = find_model(folder / "model.ckpt")
    network = model.members[0].model if model.members else model
    segments = list(plan(network, mixture.shape[1]))
    inputs = [read_segment(mixture, segment) for segment in segments]
    np.save(folder / "segments.npy", np.stack(inputs))
    loaded = Network(network, network.segment, RuntimeLoader(network, "cpu").load)
    ours = add_up([loaded.estimate(part, range(len(network.sources))) for part in inputs], segments, network)
    del loaded
    texts = []
    for more in (["--half"], []):
        original("stems", kind, str(folder), *more)
        theirs = add_up(list(np.load(folder / "stems.npy")), segments, network)
        errors = 10 * np.log10(((ours - theirs) ** 2).sum((1, 2)) / (theirs**2).sum((1, 2)))
        pairs = zip(network.sources, errors, strict=True)
        texts.append(", ".join(f"{name} {error:.1f} dB" for name, error in pairs))
    return texts[0], texts[1]


def plan(network: Model, samples: int) -> Iterator[Segment]:
    """Cut the song as the separator does."""
    return plan_segments(samples, network.segment, network.overlap, context="inside")


def read_segment(mixture: Floats, segment: Segment) -> Floats:
    """Return the samples that the network reads."""
    part = mixture[:, segment.read_start : segment.read_stop]
    return np.pad(part, ((0, 0), (0, segment.read_length - part.shape[1])))


def add_up(estimates: list[Floats], segments: list[Segment], network: Model) -> Floats:
    """Add the estimates up as the separator does: (sources, 2, samples)."""
    total = OverlapAdd(len(network.sources), 2, network.segment, 2 * network.segment)
    blocks = []
    for segment, estimate in zip(segments, estimates, strict=True):
        total.add(segment, estimate[..., segment.inner])
        blocks.append(total.take(segment.next_start))
    return np.concatenate(blocks, axis=-1)


if __name__ == "__main__":
    main()
