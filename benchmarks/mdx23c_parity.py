"""Compare MDX23C with audio-separator: the same seeded weights at published sizes, on the same song.

    python3.11 -m venv PEER && PEER/bin/pip install 'audio-separator[cpu]==0.47.1'
    python benchmarks/mdx23c_parity.py PEER/bin/python --song SONG [--kinds hq d1581 drumsep] [--repeat N]

For each kind it prints a row: the error of our stems in dB with `--chunks audio-separator`, the error of rounding the
weights to 16 bits, and time and memory of both programs from file to files, in turns and with the same overlap. The
exit code is 1 if an error is above `--at-most`. The weights are drawn by PyTorch, which is in the extra `train`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mdx_parity import error_db, read_wave
from peer import write_audio_separator_list
from process import Cost, measure
from unbraid import Separator
from unbraid.models.cache import CACHE
from unbraid.models.mdx23c import Mdx23cSizes
from unbraid.separation.settings import AUDIO_SEPARATOR

PROGRAM = Path(__file__).with_name("mdx23c_original.py")
RATE = 44_100


@dataclass(frozen=True)
class Published:
    """Sizes of a published model."""

    names: str
    file: str
    """Its checkpoint: audio-separator takes only names that it knows."""
    sizes: Mdx23cSizes
    hop: int
    stems: tuple[str, ...]

    @property
    def config(self) -> dict[str, Any]:
        """The config, with the published settings."""
        sizes = self.sizes
        return {
            "audio": {
                "chunk_size": self.hop * (sizes.frames - 1),
                "dim_f": sizes.bins,
                "dim_t": sizes.frames,
                "hop_length": self.hop,
                "n_fft": sizes.n_fft,
                "num_channels": 2,
                "sample_rate": RATE,
                "min_mean_abs": 0.001,
            },
            "model": {
                "act": "gelu",
                "norm": "InstanceNorm",
                "bottleneck_factor": sizes.bottleneck,
                "growth": sizes.growth,
                "num_blocks_per_scale": sizes.blocks,
                "num_channels": sizes.width,
                "num_scales": sizes.levels,
                "num_subbands": sizes.subbands,
                "scale": list(sizes.scale),
            },
            "training": {"instruments": list(self.stems), "target_instrument": None},
            "inference": {"batch_size": 1, "dim_t": sizes.frames, "num_overlap": 8},
        }


def _sizes(n_fft: int, bins: int, growth: int, stems: int) -> Mdx23cSizes:
    return Mdx23cSizes(
        n_fft=n_fft,
        bins=bins,
        frames=256,
        subbands=4,
        width=128,
        growth=growth,
        levels=5,
        scale=(2, 2),
        blocks=2,
        bottleneck=4,
        stems=stems,
    )


VOCALS = ("Vocals", "Instrumental")
DRUMS = ("kick", "snare", "toms", "hh", "ride", "crash")
# model_2_stem_full_band_8k.yaml and model_2_stem_061321.yaml of UVR, and the config of DrumSep
KINDS = {
    "hq": Published("InstVoc HQ", "MDX23C-8KFFT-InstVoc_HQ.ckpt", _sizes(8192, 4096, 128, 2), 1024, VOCALS),
    "d1581": Published("D1581", "MDX23C_D1581.ckpt", _sizes(12288, 4096, 64, 2), 2048, VOCALS),
    "drumsep": Published(
        "DrumSep", "MDX23C-DrumSep-aufr33-jarredou.ckpt", _sizes(2048, 1024, 128, 6), 512, DRUMS
    ),
}


def main() -> int:
    """Print a row for each kind. Return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("python", type=Path, help="Python of audio-separator's environment")
    parser.add_argument("--song", type=Path, required=True, help="16-bit stereo WAV at 44.1 kHz")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument(
        "--overlaps", type=int, default=2, help="networks for each sample (default: %(default)s)"
    )
    parser.add_argument("--repeat", type=int, default=1, help="runs of each program; 0: only the errors")
    parser.add_argument("--rounding", action="store_true", help="also compare with weights of 32 bits")
    parser.add_argument("--at-most", type=float, default=-80, metavar="DB", help="largest error")
    options = parser.parse_args()
    failed = False
    print("| models | same weights | 16-bit weights | audio-separator | Unbraid | ratio |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as name:
            os.environ[CACHE] = str(Path(name) / "cache")
            comparison = Comparison(options.python, KINDS[kind], Path(name), options.song, options.overlaps)
            text, error = comparison.row(options.repeat, rounding=options.rounding)
            print(text, flush=True)
            failed = failed or error > options.at_most
    return int(failed)


@dataclass(frozen=True)
class Comparison:
    """Both programs on one kind."""

    python: Path
    published: Published
    folder: Path
    song: Path
    overlaps: int

    def row(self, repeat: int, *, rounding: bool) -> tuple[str, float]:
        """Compare. Return a row of the table, and the error with the same weights in dB."""
        same, rounded = self.folder / "same", self.folder / "rounded"
        errors = []
        for folder in (same, rounded) if rounding else (same,):
            # In a process of its own: the kernel counts the memory of a parent for the programs that it starts.
            _separately(write_models, folder, self.published, folder == same)
            measure([*self._theirs(folder), self.folder / "stems.npy"])
            checkpoint = folder / self.published.file
            error = _separately(compare, checkpoint, self.song, self.folder / "stems.npy", self.overlaps)
            errors.append(error)
        overlap = 1 - 1 / self.overlaps
        ours = [
            sys.executable,
            "-m",
            "unbraid",
            "separate",
            "-q",
            "--stems",
            "all",
            "--overlap",
            str(overlap),
        ]
        ours += ["-m", same / self.published.file, self.song, "-o", self.folder / "ours"]
        costs: tuple[list[Cost], list[Cost]] = ([], [])
        for _ in range(repeat):
            for command, measured in zip(([*self._theirs(same), "-"], ours), costs, strict=True):
                measured.append(measure(command))
        cell = f"{errors[1]:.1f} dB" if rounding else ""
        start = f"| {self.published.names} | {errors[0]:.1f} dB | {cell} |"
        if not repeat:
            return f"{start} | | |", errors[0]
        cells = [
            f"{statistics.median(cost.wall_s for cost in measured):.1f} s, "
            f"{statistics.median(cost.cpu_s for cost in measured):.1f} s of CPU, "
            f"{max(cost.peak_bytes for cost in measured) / 1e9:.2f} GB"
            for measured in costs
        ]
        pairs = list(zip(*costs, strict=True))
        wall = statistics.median(theirs.wall_s / own.wall_s for theirs, own in pairs)
        cpu = statistics.median(theirs.cpu_s / own.cpu_s for theirs, own in pairs)
        return f"{start} {cells[0]} | {cells[1]} | {wall:.2f} (CPU {cpu:.2f}) |", errors[0]

    def _theirs(self, models: Path) -> list[str | Path]:
        return [
            self.python,
            PROGRAM,
            models,
            self.published.file,
            self.song,
            self.folder / "theirs",
            str(self.overlaps),
        ]


def _separately(function: Any, *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def write_models(folder: Path, published: Published, half: bool) -> None:
    """Write the network and its config for both programs. `half`: all matrices have values of 16 bits."""
    import torch

    from unbraid.networks.mdx23c import seeded

    folder.mkdir()
    state = seeded(published.sizes).state_dict()
    if half:
        state = {name: value.half().float() if value.ndim > 1 else value for name, value in state.items()}
    torch.save(state, folder / published.file)
    config = (folder / published.file).with_suffix(".yaml")
    config.write_text(yaml.safe_dump(published.config))
    write_audio_separator_list(
        folder,
        mdx23c_download_list={"MDX23C Model": {published.file: config.name}},
        demucs_download_list={},
    )
    for table in ("vr_model_data.json", "mdx_model_data.json"):
        (folder / table).write_text("{}")


def compare(checkpoint: Path, song: Path, expected: Path, overlaps: int) -> float:
    """Return the level of the largest difference from the other program's stems."""
    separator = Separator(checkpoint, chunks=AUDIO_SEPARATOR, overlap=1 - 1 / overlaps)
    stems = separator.separate(read_wave(song))
    pairs = zip(stems.values(), np.load(expected), strict=True)
    return max(error_db(ours, theirs) for ours, theirs in pairs)


if __name__ == "__main__":
    sys.exit(main())
