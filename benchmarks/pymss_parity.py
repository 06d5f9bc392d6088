"""Compare Roformers and MDX23C with pymss: the same seeded weights at published sizes, on the same song.

    python3.11 -m venv PYMSS && PYMSS/bin/pip install torch==2.13.0 pymss==2.1.12
    python benchmarks/pymss_parity.py PYMSS/bin/python SONG [--kinds mel hq] [--seconds 10] [--overlaps 2]

For each kind it prints a row: the error of each of our stems in dB, and time of the processor for both. pymss cuts the
song, and this program cuts it in the same way for our network. All matrices have values of 16 bits. The exit code is 1
if an error is above `--at-most`. OpenVINO computes with floats, unless UNBRAID_INSTRUCTIONS names the instructions of
the native library. The weights are drawn by PyTorch, which is in the extra `train`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import yaml

from mdx23c_parity import KINDS as MDX23C
from mdx23c_parity import write_models
from mdx_parity import error_db
from process import measure
from roformer_parity import KINDS as ROFORMERS
from roformer_parity import PROGRAM as WEIGHTS
from roformer_parity import read
from unbraid.audio.arrays import Floats
from unbraid.models import Model, find_model
from unbraid.models.cache import CACHE
from unbraid.native.library import INSTRUCTIONS, NONE
from unbraid.separation.network import Network
from unbraid.separation.runtimes.choose import RuntimeLoader

PROGRAM = Path(__file__).with_name("pymss_original.py")
FADE = 10  # the ends of a segment that are faded are this fraction of it


def main() -> int:
    """Print a row for each kind."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("python", type=Path, help="Python of pymss's environment")
    parser.add_argument("song", type=Path)
    parser.add_argument("--kinds", nargs="+", choices=[*ROFORMERS, *MDX23C], default=["mel", "hq"])
    parser.add_argument("--seconds", type=float, default=10, help="length of the part of the song")
    parser.add_argument("--overlaps", type=int, default=2, help="networks for each sample")
    parser.add_argument(
        "--chunk", type=int, help="samples of a segment of a Roformer (default: as published)"
    )
    parser.add_argument("--at-most", type=float, default=-80, metavar="DB", help="largest error")
    options = parser.parse_args()
    os.environ.setdefault(INSTRUCTIONS, NONE)
    mixture = read(options.song, options.seconds)
    print("| network | error of each stem | CPU of pymss | CPU of Unbraid |\n| --- | --- | --- | --- |")
    failed = False
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as name:
            os.environ[CACHE] = str(Path(name) / "cache")
            comparison = Comparison(options.python, kind, Path(name), mixture, options.overlaps)
            errors = comparison.run(options.chunk)
            failed = failed or max(errors) > options.at_most
    return int(failed)


@dataclass(frozen=True)
class Comparison:
    """Both programs on one kind."""

    python: Path
    kind: str
    folder: Path
    mixture: Floats
    overlaps: int

    def run(self, chunk: int | None) -> list[float]:
        """Print a row, and return the errors. `chunk`: samples of a segment; None: as published."""
        family, checkpoint = self._write(chunk)
        song, stems = self.folder / "song.npy", self.folder / "stems.npz"
        np.save(song, self.mixture)
        config = checkpoint.with_suffix(".yaml")
        cost = measure([self.python, PROGRAM, family, checkpoint, config, song, stems])
        with np.load(stems) as loaded:
            expected = {name.lower(): loaded[name] for name in loaded.files}
        model = find_model(checkpoint)
        network = model.members[0].model if model.members else model
        started = process_time()
        ours = pymss_chunks(network, self.mixture, network.segment // self.overlaps)
        cpu_s = process_time() - started
        errors = {
            name: error_db(stem, expected[name.lower()])
            for name, stem in zip(network.sources, ours, strict=True)
        }
        text = ", ".join(f"{name} {error:.1f} dB" for name, error in errors.items())
        print(f"| {self.kind} | {text} | {cost.cpu_s:.0f} s | {cpu_s:.0f} s |", flush=True)
        return list(errors.values())

    def _write(self, chunk: int | None) -> tuple[str, Path]:
        """Write weights and config. Return the family's name in pymss, and the checkpoint."""
        if self.kind in MDX23C:
            published, folder = MDX23C[self.kind], self.folder / "models"
            write_models(folder, published, half=True)
            _edit(folder / published.file, {"num_overlap": self.overlaps}, {})
            return "mdx23c", folder / published.file
        measure([self.python, WEIGHTS, "weights", self.kind, self.folder, "--half"])
        checkpoint = self.folder / "model.ckpt"
        inference: dict[str, int] = {"num_overlap": self.overlaps, "batch_size": 1}
        if chunk:
            inference["chunk_size"] = chunk
        _edit(checkpoint, inference, {"sample_rate": 44_100, "num_channels": 2})
        return ("mel_band" if self.kind == "mel" else "bs") + "_roformer", checkpoint


def _edit(checkpoint: Path, inference: dict[str, int], audio: dict[str, int]) -> None:
    """Change settings of the config beside a checkpoint."""
    path = checkpoint.with_suffix(".yaml")
    config: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text("utf-8"))
    config["inference"] |= inference
    config["audio"] = {**config.get("audio", {}), **audio}
    path.write_text(yaml.safe_dump(config), "utf-8")


def pymss_chunks(model: Model, mixture: Floats, step: int) -> Floats:
    """Estimate the stems with our network in the segments of pymss (`demix_track`): (stems, 2, samples).

    The song is mirrored at its ends. Segments are faded linearly, except at the ends of the mirrored song.
    """
    network = Network(model, model.segment, RuntimeLoader(model, "cpu").load)
    chunk, samples = model.segment, mixture.shape[1]
    border = chunk - step if samples > 2 * (chunk - step) else 0
    fade = min(chunk // FADE, chunk - step)
    song = np.pad(mixture, ((0, 0), (border, border)), "reflect")
    total, weights = np.zeros((len(model.sources), *song.shape)), np.zeros(song.shape[1])
    for start in range(0, song.shape[1], step):
        part = song[:, start : start + chunk]
        length = part.shape[1]
        mode = "reflect" if length > chunk // 2 + 1 else "constant"
        read = np.pad(part, ((0, 0), (0, chunk - length)), mode)
        estimate = network.estimate(read, range(len(model.sources)))
        window = np.ones(length)
        if start and fade:
            window[:fade] = np.linspace(0, 1, fade)[:length]
        if fade and start + length < song.shape[1]:
            window[-fade:] *= np.linspace(1, 0, fade)
        total[..., start : start + chunk] += window * estimate[..., :length]
        weights[start : start + chunk] += window
    kept = slice(border, border + samples)
    with np.errstate(invalid="ignore"):
        result: Floats = np.nan_to_num(total[..., kept] / weights[kept]).astype(np.float32)
    return result


if __name__ == "__main__":
    sys.exit(main())
