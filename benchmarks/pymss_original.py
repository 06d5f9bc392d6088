"""Separate a song with pymss. `pymss_parity.py` runs this in that program's environment.

    python pymss_original.py KIND MODEL CONFIG SONG.npy STEMS.npz

KIND is the name of the family there. SONG.npy has the samples, (2, n), and STEMS.npz gets those of each stem.
"""

import sys

import numpy as np
import torch
from pymss import MSSeparator

if len(sys.argv) == 6:
    kind, model, config, song, stems = sys.argv[1:]
    torch.set_num_threads(2)
    separator = MSSeparator(kind, model, config, device="cpu")
    estimates = separator.separate(np.load(song), pbar=False)
    np.savez(stems, **{name: samples.T for name, samples in estimates.items()})
