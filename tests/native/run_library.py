"""Run a library of tests/native/compiled.py with random weights: `python run_library.py LIBRARY INSTRUCTIONS SAMPLES`.

Writes beyond a block of an arena instead if SAMPLES is 0.
"""

from __future__ import annotations

import ctypes
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from unbraid.models.graphs import load_template
from unbraid.native.htdemucs import NativeHTDemucs
from unbraid.native.library import bind


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


if __name__ == "__main__":
    main()
    sys.stdout.write("finished\n")
