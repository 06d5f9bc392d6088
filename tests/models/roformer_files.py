"""Small band-split transformers with seeded weights, as published: a checkpoint and its config."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from unbraid.models.folder import WEIGHTS
from unbraid.models.roformer import RoformerSizes, layout, mel_bands
from unbraid.networks.roformer import Roformer

N_FFT, HOP = 512, 110
SEGMENT = 100 * HOP
WIDTHS = (2, 2, 4, 8, 16, 32, 64, 129)

COMMON = {
    "bins": N_FFT // 2 + 1,
    "frames": SEGMENT // HOP + 1,
    "width": 16,
    "heads": 2,
    "head_width": 8,
    "hidden": 64,
    "layers": 2,
    "time_depth": 1,
    "band_depth": 1,
}
MEL = RoformerSizes(
    bands=mel_bands(44_100, N_FFT, 8),
    **COMMON,
    stems=1,
    mask_widths=(32, 32),
    transformer_norms=True,
    final_norm=False,
)
BS = RoformerSizes(
    bands=tuple((sum(WIDTHS[:band]), sum(WIDTHS[: band + 1])) for band in range(len(WIDTHS))),
    **{**COMMON, "layers": 1, "time_depth": 2},
    stems=3,
    mask_widths=(32,),
    transformer_norms=False,
    final_norm=True,
)


def small_network(sizes: RoformerSizes) -> Roformer:
    """Draw weights. Random numbers of other tests stay the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Roformer(sizes.stems, sizes.to_dict())
        for name, parameter in network.named_parameters():
            if name.endswith("gamma"):
                torch.nn.init.uniform_(parameter, 0.5, 1.5)
            elif name.endswith(("weight", "bias")):
                torch.nn.init.normal_(parameter, 0, parameter.shape[-1] ** -0.5)
    # The file's matrices have these values exactly.
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.data = parameter.data.half().float()
    return network.eval().requires_grad_(False)


def write_weights(folder: Path, sizes: RoformerSizes) -> Path:
    """Write the weights of `small_network` as in a model folder."""
    state = small_network(sizes).state_dict()
    path = folder / WEIGHTS
    with path.open("wb") as file:
        for place in layout(sizes):
            file.seek(place.offset)
            file.write(state[place.name].numpy().astype("<f2" if place.float16 else "<f4").tobytes())
    return path


def layers_by_definition(sizes: RoformerSizes, tokens: NDArray[np.float32]) -> NDArray[np.float64]:
    """Transform tokens (bands, frames, width) by all layers of `small_network`, in float64."""
    network = small_network(sizes).double()
    x = torch.from_numpy(tokens).double().transpose(0, 1)[None]
    for layer in network.layers:
        x = layer(x, network._rotations)
    result: NDArray[np.float64] = network.final_norm(x)[0].transpose(0, 1).numpy()
    return result


def state_of(sizes: RoformerSizes) -> dict[str, torch.Tensor]:
    """Return the published tensors. Each attention has the rates of its rotation, which share their numbers."""
    state = dict(small_network(sizes).state_dict())
    for layer in range(sizes.layers):
        for axis, depth in enumerate(sizes.depths):
            for block in range(depth):
                first = state[f"layers.0.{axis}.layers.0.0.rotary_embed.freqs"]
                state[f"layers.{layer}.{axis}.layers.{block}.0.rotary_embed.freqs"] = first
    return state


def config_of(sizes: RoformerSizes) -> dict[str, dict[str, Any]]:
    """Return a config with the sections and settings of published ones."""
    instruments = ["Vocals", "other"] if sizes.stems == 1 else ["Kick", "snare", "Übung"]
    bands: Mapping[str, Any] = (
        {"num_bands": len(sizes.bands)} if sizes.bands == MEL.bands else {"freqs_per_bands": list(WIDTHS)}
    )
    return {
        "audio": {"chunk_size": SEGMENT + 50, "sample_rate": 44_100, "num_channels": 2, "dim_t": 256},
        "model": {
            "dim": sizes.width,
            "depth": sizes.layers,
            "stereo": True,
            "num_stems": sizes.stems,
            "time_transformer_depth": sizes.time_depth,
            "freq_transformer_depth": sizes.band_depth,
            "linear_transformer_depth": 0,
            **bands,
            "dim_head": sizes.head_width,
            "heads": sizes.heads,
            "flash_attn": True,
            "stft_n_fft": N_FFT,
            "stft_hop_length": HOP,
            "stft_win_length": N_FFT,
            "stft_normalized": False,
            "mask_estimator_depth": 2,
        },
        "training": {
            "instruments": instruments,
            "target_instrument": instruments[0] if sizes.stems == 1 else None,
            "lr": 1e-5,
        },
        "inference": {"num_overlap": 4, "batch_size": 1},
    }


def write_files(
    folder: Path,
    sizes: RoformerSizes = MEL,
    *,
    name: str = "small.ckpt",
    config: Mapping[str, Any] | None = None,
    state: Mapping[str, torch.Tensor] | None = None,
) -> Path:
    """Write a checkpoint and its config. Return the checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    torch.save(dict(state_of(sizes) if state is None else state), path)
    text = yaml.safe_dump(config_of(sizes) if config is None else config, allow_unicode=True)
    path.with_suffix(".yaml").write_text(text, "utf-8")
    return path
