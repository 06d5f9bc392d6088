"""Draw the README's picture: spectrograms of a song and its stems.

    python benchmarks/picture.py SONG docs/stems.png [--model auto] [--start 10] [--seconds 12]

Needs matplotlib.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unbraid import Separator
from unbraid.audio.decode import Decoder

N_FFT, HOP = 4096, 512
LOWEST_HZ, HIGHEST_HZ, ROWS = 40.0, 16_000.0, 320
RANGE_DB = 70
COLOURS = {"song": "Greys_r", "vocals": "magma", "drums": "YlOrBr_r", "bass": "PuBu_r", "other": "YlGn_r"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("song", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--start", type=float, default=10, help="seconds into the song")
    parser.add_argument("--seconds", type=float, default=12)
    options = parser.parse_args()
    import matplotlib as mpl  # here, so that --help works without it

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    with Decoder(options.song, channels=2) as decoder:
        song = np.concatenate(list(decoder), axis=1)
        rate = decoder.info.sample_rate
    stems = Separator(options.model).separate(song, rate)
    first, last = (round(second * rate) for second in (options.start, options.start + options.seconds))
    parts = {"song": song, **{name: stems[name] for name in COLOURS if name in stems}}
    pictures = {name: log_spectrogram(part[:, first:last].mean(0), rate) for name, part in parts.items()}
    loudest = pictures["song"].max()
    figure, axes = plt.subplots(len(parts), 1, figsize=(10, 1.35 * len(parts)), sharex=True)
    for axis, (name, picture) in zip(axes, pictures.items(), strict=True):
        extent = (0.0, options.seconds, 0.0, 1.0)
        axis.imshow(
            picture, cmap=COLOURS[name], vmin=loudest - RANGE_DB, vmax=loudest, aspect="auto", origin="lower",
            extent=extent, interpolation="bilinear",
        )  # fmt: skip
        ticks = np.array([100, 1000, 10_000])
        axis.set_yticks(
            np.log(ticks / LOWEST_HZ) / np.log(HIGHEST_HZ / LOWEST_HZ),
            ["100 Hz", "1 kHz", "10 kHz"],
            fontsize=7,
        )
        axis.set_ylabel(name, fontsize=11)
    axes[-1].set_xlabel("seconds", fontsize=9)
    figure.tight_layout(h_pad=0.3)
    figure.savefig(options.picture, dpi=90)


def log_spectrogram(signal: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Power in dB on a logarithmic frequency axis, (ROWS, frames)."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(signal, N_FFT // 2), N_FFT)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(N_FFT), axis=1)) ** 2
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, ROWS + 1) * N_FFT / rate
    first = np.floor(edges[:-1]).astype(int)
    last = np.maximum(np.floor(edges[1:]).astype(int), first + 1)
    total = np.concatenate([np.zeros((len(power), 1)), np.cumsum(power, axis=1)], axis=1)
    return np.asarray(10 * np.log10(((total[:, last] - total[:, first]) / (last - first)).T + 1e-9))


if __name__ == "__main__":
    main()
