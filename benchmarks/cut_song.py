"""Cut a song over many functions: measure what each function does, and that the stitched stems are the same.

    ONEDNN_MAX_CPU_ISA=AVX2 python benchmarks/cut_song.py SONG [-m MODEL] [--functions N …]

Each function is a new process with one thread and without the native library, as in AWS Lambda with 1,769 MB. It loads
the model, reads the whole song for its length, mean and deviation, computes its segments and stores their weighted
sums. The last one adds the pieces up and writes the stems. The processes run one after another, because this machine
has fewer cores than functions. The time of all at once is that of the slowest, and of adding up. Seconds are CPU
seconds, so that other work on the machine doesn't count. `htdemucs` gets seeded weights of the published size, which
needs PyTorch; the time doesn't depend on their values.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from engines import only_openvino
from unbraid import Separator
from unbraid.audio.arrays import Floats
from unbraid.separation.network import Network
from unbraid.separation.overlap import MixtureBuffer, Segment, triangle
from unbraid.separation.progress import Reporter
from unbraid.separation.settings import Settings
from unbraid.separation.song import FileSong, analyse
from unbraid.separation.stems import choose_stems

STEMS = "vocals"
THREADS = 1


@dataclass(frozen=True, slots=True)
class Times:
    """CPU seconds of one process, and its peak memory."""

    load_s: float
    """From the start of the process until the model is loaded."""
    read_s: float
    compute_s: float
    store_s: float
    segments: int
    peak_mb: float

    @property
    def total_s(self) -> float:
        """Seconds of the whole process."""
        return self.load_s + self.read_s + self.compute_s + self.store_s


class Piece:
    """One function's part of a song."""

    def __init__(self, song: Path, model: str) -> None:
        with only_openvino():
            self.separator = Separator(model, device="cpu", threads=THREADS, jobs=1)
            self.model = self.separator.model
            (part,) = Settings().parts(self.model)
            (self.run,) = part.runs
            # The separator has loaded it; this is the same compiled network.
            self.network: Network = self.separator._pipeline.networks.get(self.model)
        loaded = time.process_time()
        self.song = FileSong(song)
        self.analysis = analyse(self.song, self.model, Reporter(None, None))
        self.load_s, self.read_s = loaded, time.process_time() - loaded
        self.normalisation = self.analysis.normalisation.of(self.model)
        self.choice = choose_stems(STEMS, self.model.sources)
        self.sources = [self.model.sources.index(name) for name in self.choice.sources]

    def segments(self) -> list[Segment]:
        """Return all segments of the song."""
        return list(self.run.segments(self.analysis.samples))

    def blocks(self) -> Iterator[Floats]:
        """Yield the song as stereo."""
        for block in self.song.blocks():
            yield np.broadcast_to(block, (2, block.shape[1]))

    def sums(self, mine: Sequence[Segment]) -> tuple[int, Floats, Floats]:
        """Compute segments. Return the first sample, the weighted sums (sources, 2, n) and the weights (n,)."""
        first, stop = mine[0].start, mine[-1].stop
        total = np.zeros((len(self.choice.sources), 2, stop - first), np.float32)
        weights, weight = np.zeros(stop - first, np.float32), triangle(self.run.length)
        buffer, blocks = MixtureBuffer(2), self.blocks()
        for segment in mine:
            while buffer.stop < min(segment.read_stop, self.analysis.samples):
                buffer.append(next(blocks))
            buffer.forget(segment.read_start)
            read = buffer.read(segment.read_start, segment.read_length)
            estimate = self.network.estimate(self.normalisation.to_network(read), self.sources)
            at = slice(segment.start - first, segment.stop - first)
            total[..., at] += weight[: segment.length] * estimate[..., segment.inner]
            weights[at] += weight[: segment.length]
        return first, total, weights


def compute(song: Path, model: str, number: int, functions: int, folder: Path) -> Times:
    """Be function `number` of `functions`: store a piece in `folder`."""
    piece = Piece(song, model)
    every = piece.segments()
    first, stop = (len(every) * edge // functions for edge in (number, number + 1))
    mine = every[first:stop]
    started = time.process_time()
    first, total, weights = piece.sums(mine)
    computed = time.process_time()
    np.savez(folder / f"{number}.npz", first=first, total=total, weights=weights)
    stored = time.process_time()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Times(piece.load_s, piece.read_s, computed - started, stored - computed, len(mine), round(peak_mb))


def stitch(song: Path, model: str, folder: Path, output: Path) -> float:
    """Add the pieces up and write the stems, as the last function. Return the seconds."""
    import soundfile

    with only_openvino():
        separator = Separator(model, device="cpu", threads=THREADS, jobs=1)
    source = FileSong(song)
    analysis = analyse(source, separator.model, Reporter(None, None))
    choice = choose_stems(STEMS, separator.model.sources)
    started = time.process_time()
    total = np.zeros((len(choice.sources), 2, analysis.samples), np.float32)
    weights = np.zeros(analysis.samples, np.float32)
    for file in folder.glob("*.npz"):
        piece = np.load(file)
        at = slice(int(piece["first"]), int(piece["first"]) + piece["weights"].size)
        total[..., at] += piece["total"]
        weights[at] += piece["weights"]
    total /= weights
    estimates = analysis.normalisation.of(separator.model).from_network(total)
    mixture = np.concatenate(
        [np.broadcast_to(block, (2, block.shape[1])) for block in source.blocks()], axis=1
    )
    for name, stem in zip(choice.names, choice.finish(estimates, mixture), strict=True):
        soundfile.write(output / f"{name}.wav", stem.T, source.sample_rate, "FLOAT")
    return time.process_time() - started


def measure(song: Path, model: str, functions: int, whole: dict[str, Floats] | None) -> dict[str, object]:
    """Run all functions, and return the figures of a row."""
    import soundfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        times = [_process(song, model, number, functions, folder) for number in range(functions)]
        seconds = stitch(song, model, folder, folder)
        worst = 0.0
        for stem, samples in (whole or {}).items():
            worst = max(worst, float(np.abs(soundfile.read(folder / f"{stem}.wav")[0].T - samples).max()))
        stored = sum(file.stat().st_size for file in folder.glob("*.npz")) / 1e6
    slowest = max(times, key=lambda one: one.total_s)
    return {
        "functions": functions,
        "all at once, s": round(slowest.total_s + seconds, 1),
        "added up, s": round(sum(one.total_s for one in times) + seconds, 1),
        "load": round(slowest.load_s, 1),
        "read the song": round(slowest.read_s, 1),
        "segments": slowest.segments,
        "s a segment": round(sum(one.compute_s for one in times) / sum(one.segments for one in times), 2),
        "store": round(slowest.store_s, 2),
        "stitch": round(seconds, 1),
        "pieces, MB": round(stored),
        "peak, MB": max(one.peak_mb for one in times),
        "largest difference": f"{worst:.0e}",
    }


def _process(song: Path, model: str, number: int, functions: int, folder: Path) -> Times:
    command = [sys.executable, __file__, str(song), "-m", model, "--functions", str(functions)]
    command += ["--piece", str(number), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"function {number} failed: {done.stderr.strip().splitlines()[-1]}")
    return Times(**json.loads(done.stdout))


def seeded(name: str, folder: Path) -> str:
    """Return a model folder of `htdemucs` with seeded weights, or the name of any other model."""
    if name != "htdemucs":
        return name
    from native_error import random_model

    return str(random_model(name, "initial", 0, folder / name).folder)


def main() -> None:
    """Measure, or be one of the functions."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("song", type=Path, metavar="SONG")
    parser.add_argument("-m", "--model", default="spleeter")
    parser.add_argument("--functions", type=int, nargs="+", default=[1, 2, 4, 8], metavar="N")
    parser.add_argument("--piece", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.piece:
        number, folder = options.piece
        times = compute(options.song, options.model, int(number), options.functions[0], Path(folder))
        print(json.dumps(asdict(times)))
        return
    with tempfile.TemporaryDirectory() as folder:
        model = seeded(options.model, Path(folder))
        with only_openvino():
            separator = Separator(model, device="cpu", threads=THREADS, jobs=1)
        started = time.process_time()
        whole = {
            name: np.asarray(stem) for name, stem in separator.separate(options.song, stems=STEMS).items()
        }
        print(f"the whole song in one process, loaded: {time.process_time() - started:.1f} s")
        del separator
        rows = [measure(options.song, model, count, whole) for count in options.functions]
    print("| " + " | ".join(rows[0]) + " |\n| " + " | ".join("---" for _ in rows[0]) + " |")
    for row in rows:
        print("| " + " | ".join(map(str, row.values())) + " |")


if __name__ == "__main__":
    main()
