"""Compare MDX-Nets with audio-separator: the same seeded weights at published sizes, on the same song.

    python3.11 -m venv PEER && PEER/bin/pip install 'audio-separator[cpu]==0.47.1'
    python benchmarks/mdx_parity.py PEER/bin/python [--song SONG] [--repeat N]

For each size it prints a row: the error of our stem in dB with `--chunks audio-separator`, and time and memory of both
programs from file to files, in turns. The exit code is 1 if an error is above `--at-most`. The packages that write the
networks are in the extra `train`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import wave
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from peer import write_audio_separator_list
from process import Cost, measure
from songs import write_song
from unbraid import Separator
from unbraid.models.cache import CACHE
from unbraid.models.mdx_settings import uvr_hash
from unbraid.networks.mdx import Sizes, export, seeded
from unbraid.separation.settings import AUDIO_SEPARATOR

Floats = NDArray[np.float32]

NAME = "UVR-MDX-NET-Voc_FT.onnx"  # audio-separator takes only names that it knows


@dataclass(frozen=True)
class Published:
    """Sizes of published models."""

    names: str
    bins: int
    n_fft: int
    compensation: float


PUBLISHED = (
    Published("Karaoke 2", 2048, 5120, 1.065),
    Published("Inst HQ 4, Inst HQ 5", 2560, 5120, 1.019),
    Published("Voc FT, Kim Vocal 2", 3072, 7680, 1.021),
)


def main() -> int:
    """Print a row for each size. Return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("python", type=Path, help="Python of audio-separator's environment")
    parser.add_argument("--song", type=Path, help="16-bit stereo WAV at 44.1 kHz (default: 60 s, generated)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each program; 0: only the errors")
    parser.add_argument("--bins", type=int, nargs="*", help="only the models with these bins")
    parser.add_argument("--at-most", type=float, default=-80, metavar="DB", help="largest error")
    options = parser.parse_args()
    print("| models | bins | n_fft | error | audio-separator | Unbraid | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ[CACHE] = str(folder / "cache")
        song = options.song or write_song(folder / "song.wav", 60, 0)
        for published in PUBLISHED:
            if not options.bins or published.bins in options.bins:
                text, error = row(published, song, options.python, folder, options.repeat)
                print(text, flush=True)
                failed = failed or error > options.at_most
    return int(failed)


def row(published: Published, song: Path, python: Path, folder: Path, repeat: int) -> tuple[str, float]:
    """Compare both programs on one size. Return the row and the error in dB."""
    models = folder / f"models{published.bins}"
    file = models / NAME
    script = Path(__file__).with_name("mdx_original.py")
    theirs = [python, script, models, NAME, song, folder / "theirs"]
    # In processes of their own: the kernel counts the memory of a parent for the programs that it starts.
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        pool.submit(write_models, models, published).result()
    measure([*theirs, folder / "stem.npy"])
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        same = pool.submit(compare, file, song, folder / "stem.npy").result()
    ours = [sys.executable, "-m", "unbraid", "separate", "-q", "-m", file, song, "-o", folder / "ours"]
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for _ in range(repeat):
        for command, measured in zip(([*theirs, "-"], ours), costs, strict=True):
            measured.append(measure(command))
    start = f"| {published.names} | {published.bins} | {published.n_fft} | {same:.1f} dB |"
    if not repeat:
        return f"{start} | | |", same
    cells = [
        f"{statistics.median(cost.wall_s for cost in measured):.1f} s, "
        f"{statistics.median(cost.cpu_s for cost in measured):.1f} s of CPU, "
        f"{max(cost.peak_bytes for cost in measured) / 1e9:.2f} GB"
        for measured in costs
    ]
    ratios = [
        statistics.median(before / after for before, after in pairs)
        for pairs in (
            [(a.wall_s, b.wall_s) for a, b in zip(*costs, strict=True)],
            [(a.cpu_s, b.cpu_s) for a, b in zip(*costs, strict=True)],
        )
    ]
    return f"{start} {cells[0]} | {cells[1]} | {ratios[0]:.2f} (CPU {ratios[1]:.2f}) |", same


def compare(file: Path, song: Path, expected: Path) -> float:
    """Return the level of the difference from the other program's stem."""
    separator = Separator(file, chunks=AUDIO_SEPARATOR)
    stem = next(iter(separator.model.estimated))
    return error_db(separator.separate(read_wave(song), stems=[stem])[stem], np.load(expected))


def write_models(folder: Path, published: Published) -> None:
    """Write the network and its settings for both programs."""
    folder.mkdir()
    sizes = Sizes(bins=published.bins)
    file = folder / NAME
    export(seeded(sizes), sizes, file)
    settings = {
        "mdx_n_fft_scale_set": published.n_fft,
        "mdx_dim_f_set": sizes.bins,
        "mdx_dim_t_set": 8,
        "primary_stem": "Vocals",
        "compensate": published.compensation,
    }
    file.with_suffix(".json").write_text(json.dumps(settings))
    # The tables that audio-separator would download.
    (folder / "mdx_model_data.json").write_text(json.dumps({uvr_hash(file): settings}))
    (folder / "vr_model_data.json").write_text("{}")
    write_audio_separator_list(
        folder, mdx_download_list={"MDX-Net Model: UVR-MDX-NET Voc FT": NAME}, demucs_download_list={}
    )


def read_wave(path: Path) -> Floats:
    """Read a 16-bit stereo WAV: (2, samples)."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 44100)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    result: Floats = (samples.reshape(-1, 2).T / np.float32(32768)).astype(np.float32)
    return result


def error_db(estimate: Floats, expected: Floats) -> float:
    """Return the level of the error, relative to `expected`."""
    return float(10 * np.log10(np.sum((estimate - expected) ** 2.0) / np.sum(expected**2.0)))


if __name__ == "__main__":
    sys.exit(main())
