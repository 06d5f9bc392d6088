"""Small MDX-Nets in the published structure, with seeded weights, as ONNX files."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from unbraid.networks.mdx import MdxNet, Sizes, export, seeded

SMALL = Sizes(bins=512, frames=16, growth=4, levels=2)
N_FFT = 2560  # two and a half hops, so that it isn't a multiple, like 7680
COMPENSATION = 1.02


@cache
def small_network(norm: str = "batch") -> MdxNet:
    """A network with random weights."""
    return seeded(small_sizes(norm))


def small_sizes(norm: str = "batch") -> Sizes:
    """Sizes of `small_network`."""
    return Sizes(SMALL.bins, SMALL.frames, SMALL.growth, SMALL.levels, norm=norm)


def write_small(folder: Path, name: str = "small", stem: str = "Vocals", norm: str = "batch") -> Path:
    """Write `small_network` and its settings into a folder. Return the path of the ONNX file."""
    path = folder / f"{name}.onnx"
    export(small_network(norm), small_sizes(norm), path)
    settings = {"mdx_n_fft_scale_set": N_FFT, "primary_stem": stem, "compensate": COMPENSATION}
    path.with_suffix(".json").write_text(json.dumps(settings))
    return path
