"""Run a library of tests/native/compiled.py with random weights: `python run_library.py LIBRARY INSTRUCTIONS SAMPLES`.

HTDemucs with segments of that many samples, MDX-Net, and layers of a Roformer.

Writes beyond a block of an arena instead if SAMPLES is 0.
"""

from __future__ import annotations

import ctypes
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from unbraid.models.graphs import load_template
from unbraid.native.htdemucs import NativeHTDemucs
from unbraid.native.library import NativeLibrary, bind
from unbraid.native.linear import NativeLinear
from unbraid.native.mdx import MdxSizes, NativeMdx
from unbraid.native.memory import aligned_bytes
from unbraid.native.roformer import BlockSizes, NativeBlock


def main() -> None:
    instructions, samples = sys.argv[2], int(sys.argv[3])
    file = ctypes.CDLL(sys.argv[1])
    if samples == 0:
        memory = np.zeros(4096, np.uint8)
        file[f"test_write_beyond_a_block_{instructions}"](memory.ctypes)
        return
    library = bind(file, instructions)
    random = np.random.default_rng(0)
    for graph, sources, width in (("htdemucs", 4, 512), ("htdemucs_6s", 6, 0)):
        tensors = {
            place.name: (0.05 * random.standard_normal(place.length // 2)).astype(np.float16)
            for place in load_template(graph).tensors
        }
        frames = -(-samples // 1024)
        network = NativeHTDemucs(
            library, tensors, sources=sources, width=width, samples=samples, frames=frames, threads=3
        )
        mixture = random.standard_normal((1, 2, samples)).astype(np.float32)
        spectrum = random.standard_normal((1, 2, 2048, frames, 2)).astype(np.float32)
        one, two = network.workspace(), network.workspace()
        with ThreadPoolExecutor(2) as pool:
            for call in [pool.submit(network.run, mixture, spectrum, each) for each in (one, two)]:
                call.result()
        assert np.isfinite(one.waveforms).all()
        assert np.array_equal(one.spectra, two.spectra)
    run_mdx(library, random)
    run_roformer(library, random)


def run_mdx(library: NativeLibrary, random: np.random.Generator) -> None:
    """Compute an MDX-Net in two calls at the same time, with tiles and rows that no whole block covers."""
    sizes = MdxSizes(
        bins=152, frames=16, all_bins=170, first_bin=3, growth=48, levels=1, convolutions=2, narrow=38
    )
    lengths = [4 * 48, 48, *block_lengths(48, 152, 38), 4 * 48 * 96, 96, *block_lengths(96, 76, 19)]
    lengths += [4 * 48 * 96, 48, *block_lengths(48, 152, 38), 4 * 48, 4]
    tensors = [(0.05 * random.standard_normal(length)).astype(np.float32) for length in lengths]
    network = NativeMdx(library, sizes, tensors, threads=3)
    spectrum = random.standard_normal((2, 170, 16, 2)).astype(np.float32)
    one, two = network.workspace(), network.workspace()
    with ThreadPoolExecutor(2) as pool:
        for call in [pool.submit(network.run, spectrum, each) for each in (one, two)]:
            call.result()
    assert np.isfinite(one.spectra).all()
    assert np.array_equal(one.spectra, two.spectra)


def run_roformer(library: NativeLibrary, random: np.random.Generator) -> None:
    """Compute an attention and its hidden layer, and a linear layer, in two calls at the same time."""
    for items, length in ((3, 500), (21, 17)):
        sizes = BlockSizes(48, 3, 32, 80, 2, items, length)
        shapes = {
            **dict.fromkeys(("norm", "hidden_norm", "norm.0", "norm.1", "contract.bias"), (48,)),
            "projection.weight": (291, 48),
            "projection.bias": (291,),
            "output.weight": (48, 96),
            "expand.weight": (80, 48),
            "expand.bias": (80,),
            "contract.weight": (48, 80),
        }
        tensors = {name: 0.1 * random.standard_normal(shape) for name, shape in shapes.items()}
        rotation = random.uniform(-1, 1, (length, 32)).astype(np.float32)
        block, active = NativeBlock(library, sizes, tensors, rotation), np.zeros(1, np.int32)
        tokens = [random.standard_normal((items, length, 48)).astype(np.float32)] * 2
        results = [np.empty((length, items, 48), np.float32) for _ in tokens]
        workspaces = [aligned_bytes(block.workspace_bytes(3)) for _ in tokens]
        with ThreadPoolExecutor(2) as pool:
            for call in [
                pool.submit(block.run, one.copy(), result, workspace, 3, active)
                for one, result, workspace in zip(tokens, results, workspaces, strict=True)
            ]:
                call.result()
        assert np.isfinite(results[0]).all()
        assert np.array_equal(*results)
    linear, x = NativeLinear(library, 3), random.standard_normal((203, 144)).astype(np.float32)
    weight, bias = random.standard_normal((263, 144)).astype(np.float16), np.ones(263, np.float32)
    workspaces = [aligned_bytes(linear.workspace_bytes(203, 144)) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda workspace: linear.run(x, weight, bias, workspace), workspaces)
    assert np.isfinite(one).all()
    assert np.array_equal(one, two)


def block_lengths(channels: int, bins: int, narrow: int) -> list[int]:
    """Numbers of values of a block's tensors, with two convolutions."""
    convolutions = [9 * channels**2, channels] * 2
    return [*convolutions, *[bins * narrow, channels, channels] * 2]


if __name__ == "__main__":
    main()
    sys.stdout.write("finished\n")
