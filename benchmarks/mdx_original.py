"""Separate a song with audio-separator. `mdx_parity.py` runs this in that program's environment.

    python mdx_original.py MODELS MODEL SONG OUT STEM.npy

MODELS is the program's folder of models. The estimate of the network goes to STEM.npy, before the program scales and
writes its files to OUT; with "-" only the files are written.
"""

import sys

import librosa
import numpy as np
import torch
from audio_separator.separator import Separator

try:
    import torchvision  # noqa: F401
except RuntimeError:
    # Built for another PyTorch, so its operators are missing. audio-separator imports it, but doesn't use it here.
    for name in ("nms", "qnms"):
        torch.library.define(
            f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )

if len(sys.argv) == 6:
    models, model, song, out, stem = sys.argv[1:]
    separator = Separator(model_file_dir=models, output_dir=out, output_format="WAV", log_level=40)
    separator.load_model(model)
    if stem == "-":
        separator.separate(song)
    else:
        mix, _ = librosa.load(song, mono=False, sr=None)
        network = separator.model_instance
        # This version applies the compensation only to the other stem, which UVR applies to both.
        np.save(stem, network.demix(mix) * network.compensate)
