"""Separate a song with audio-separator. `mdx23c_parity.py` runs this in that program's environment.

    python mdx23c_original.py MODELS MODEL SONG OUT OVERLAPS STEMS.npy

MODELS is the program's folder of models, and OVERLAPS the number of networks that read each sample. The estimates of
the network go to STEMS.npy, before the program scales and writes its files to OUT; with "-" only the files are written.
"""

import sys

import librosa
import numpy as np
from audio_separator.separator import Separator

if len(sys.argv) == 7:
    models, model, song, out, overlaps, stems = sys.argv[1:]
    options = {
        "segment_size": 256,
        "override_model_segment_size": False,
        "batch_size": 1,
        "overlap": int(overlaps),
        "pitch_shift": 0,
    }
    separator = Separator(
        model_file_dir=models, output_dir=out, output_format="WAV", log_level=40, mdxc_params=options
    )
    separator.load_model(model)
    if stems == "-":
        separator.separate(song)
    else:
        mix, _ = librosa.load(song, mono=False, sr=None)
        estimates = separator.model_instance.demix(mix)
        np.save(stems, np.stack(list(estimates.values())))
