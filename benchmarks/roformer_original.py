"""Run a published implementation of band-split transformers. Runs in the environment of that program.

    python benchmarks/roformer_original.py weights KIND FOLDER [--half]
    python benchmarks/roformer_original.py stems KIND FOLDER [--half] [--double]

`weights` writes FOLDER/model.ckpt and FOLDER/model.yaml: random weights with the sizes of a published model. `stems`
separates FOLDER/segments.npy into FOLDER/stems.npy. `--half` rounds the matrices to float16 first, and
`--double` computes in float64, the window of the transform included.

`benchmarks/roformer_parity.py` calls this program; it says how to create the environment. Others call it in those of
audio-separator and pymss, which have such networks too.
"""

import argparse
import importlib
from functools import partial
from pathlib import Path

import numpy as np
import torch
import yaml

BANDS = [2] * 24 + [4] * 12 + [12] * 8 + [24] * 8 + [48] * 8 + [128, 129]
COMMON = {
    "stereo": True,
    "time_transformer_depth": 1,
    "freq_transformer_depth": 1,
    "dim_head": 64,
    "heads": 8,
    "attn_dropout": 0,
    "ff_dropout": 0,
    "flash_attn": True,
    "stft_n_fft": 2048,
    "stft_win_length": 2048,
    "mask_estimator_depth": 2,
}
MODELS = {
    # Kim's vocals
    "mel": {**COMMON, "dim": 384, "depth": 6, "num_stems": 1, "num_bands": 60, "stft_hop_length": 441},
    # The same transform and bands, in a network that is computed quickly
    "narrow": {**COMMON, "dim": 64, "depth": 1, "num_stems": 1, "num_bands": 60, "stft_hop_length": 441},
    # viperx, ep 317
    "bs": {
        **COMMON,
        "dim": 512,
        "depth": 12,
        "num_stems": 1,
        "freqs_per_bands": BANDS,
        "stft_hop_length": 441,
    },
    # ZFTurbo, four stems
    "four": {
        **COMMON,
        "dim": 384,
        "depth": 8,
        "num_stems": 4,
        "freqs_per_bands": BANDS,
        "stft_hop_length": 512,
    },
    # SW, six stems
    "six": {
        **COMMON,
        "dim": 256,
        "depth": 12,
        "num_stems": 6,
        "freqs_per_bands": BANDS,
        "stft_hop_length": 512,
    },
}
CHUNKS = {"mel": 352800, "narrow": 352800, "bs": 352800, "four": 485376, "six": 588800}
STEMS = {
    1: (["vocals", "other"], "vocals"),
    4: (["drums", "bass", "other", "vocals"], None),
    6: (["bass", "drums", "other", "vocals", "guitar", "piano"], None),
}


def main() -> None:
    """Write the weights, or the stems."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=("weights", "stems"))
    parser.add_argument("kind", choices=MODELS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--half", action="store_true")
    parser.add_argument("--double", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(2)
    if options.action == "weights":
        write_weights(options.kind, options.folder, half=options.half)
    else:
        write_stems(options.kind, options.folder, half=options.half, double=options.double)


def build(kind: str) -> torch.nn.Module:
    """Return the untrained network."""
    torch.manual_seed(0)
    sizes = dict(MODELS[kind])
    if "num_bands" in sizes:
        return find_class("mel_band_roformer", "MelBandRoformer")(**sizes).eval()
    sizes["freqs_per_bands"] = tuple(sizes["freqs_per_bands"])
    return find_class("bs_roformer", "BSRoformer")(**sizes).eval()


def find_class(family: str, name: str) -> type[torch.nn.Module]:
    """Import a network from the program that is installed."""
    for module in (
        family,
        f"audio_separator.separator.uvr_lib_v5.roformer.{family}",
        f"pymss_core.modules.bs_roformer.{family}",
    ):
        try:
            return getattr(importlib.import_module(module), name)
        except ModuleNotFoundError:
            continue
    raise SystemExit("No program with these networks is installed.")


def rounded(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Round the matrices to float16."""
    return {name: value.half().float() if value.ndim > 1 else value for name, value in state.items()}


def write_weights(kind: str, folder: Path, *, half: bool) -> None:
    """Write random weights and their config."""
    state = build(kind).state_dict()
    torch.save(rounded(state) if half else state, folder / "model.ckpt")
    instruments, target = STEMS[MODELS[kind]["num_stems"]]
    config = {
        "model": MODELS[kind],
        "training": {"instruments": instruments, "target_instrument": target},
        "inference": {"chunk_size": CHUNKS[kind], "num_overlap": 2},
    }
    (folder / "model.yaml").write_text(yaml.safe_dump(config))


def write_stems(kind: str, folder: Path, *, half: bool, double: bool) -> None:
    """Estimate the stems of each segment: (segments, 2, samples) -> (segments, stems, 2, samples)."""
    network = build(kind)
    state = torch.load(folder / "model.ckpt", weights_only=True)
    if half:
        state = rounded(state)
    network.load_state_dict(state)
    if double:
        network.double()
        network.stft_window_fn = partial(network.stft_window_fn, dtype=torch.float64)
    stems = []
    with torch.inference_mode():
        for segment in np.load(folder / "segments.npy"):
            mixture = torch.from_numpy(segment)[None]
            estimate = network(mixture.double() if double else mixture)[0].float().numpy()
            stems.append(estimate.reshape(-1, *segment.shape))
    np.save(folder / "stems.npy", np.stack(stems))


if __name__ == "__main__":
    main()
