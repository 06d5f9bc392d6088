"""The published Roformers of the catalogue: their sizes give the size of the file, and their configs are accepted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.models.roformer_files import write_files

from unbraid.models import load_model_folder
from unbraid.models.catalog import catalog
from unbraid.models.checkpoint_convert import convert_checkpoint
from unbraid.models.roformer import RoformerSizes, mel_bands
from unbraid.models.roformer_config import read_roformer_config

# Widths in bins of the 62 bands that all published BS-RoFormers share.
WIDTHS = [*[2] * 24, *[4] * 12, *[12] * 8, *[24] * 8, *[48] * 8, 128, 129]
ENDS = [sum(WIDTHS[:band]) for band in range(len(WIDTHS) + 1)]
BS = {"bands": tuple(pairwise(ENDS)), "transformer_norms": False, "final_norm": True}
MEL = {"bands": mel_bands(44_100, 2048, 60), "transformer_norms": True, "final_norm": False}

# Width, layers, stems, hidden widths of the masks.
SIZES: Mapping[str, tuple[Mapping[str, Any], int, int, int, tuple[int, ...]]] = {
    "melband_roformer_kim": (MEL, 384, 6, 1, (1536, 1536)),
    "bs_roformer_viperx": (BS, 512, 12, 1, (2048,)),
    "bs_roformer_sw": (BS, 256, 12, 6, (1024,)),
    "melband_karaoke": (MEL, 384, 6, 1, (1536, 1536)),
    "melband_becruily": (MEL, 384, 6, 2, (1536, 1536)),
    "melband_dereverb": (MEL, 384, 6, 1, (1536, 1536)),
    "bs_dereverb": (BS, 384, 10, 1, (1536,)),
    "melband_denoise": (MEL, 384, 6, 1, (1536, 1536)),
    "bs_roformer_4stems": (BS, 384, 8, 4, (768,)),
}

# Settings of the configs as far as public repositories show them: instruments, target, and what differs.
CONFIGS: Mapping[str, tuple[list[str], str | None, Mapping[str, Any]]] = {
    "melband_karaoke": (["Vocals", "Instrumental"], "Vocals", {"num_overlap": 4}),
    "melband_becruily": (["Vocals", "Instrumental"], None, {"num_overlap": 8, "chunk_size": 485_100}),
    "melband_dereverb": (["noreverb", "reverb"], "noreverb", {"num_overlap": 4}),
    "bs_dereverb": (["noreverb", "reverb"], "noreverb", {"chunk_size": 352_768, "hop": 512}),
    "melband_denoise": (["dry", "other"], "dry", {"num_overlap": 4}),
    "bs_roformer_4stems": (["drums", "bass", "other", "vocals"], None, {"chunk_size": 485_100}),
}


def config_of(name: str) -> dict[str, Any]:
    """Return a config with the settings of the published one."""
    family, width, layers, stems, masks = SIZES[name]
    instruments, target, more = CONFIGS[name]
    hop = more.get("hop", 441)
    bands = {"num_bands": 60, "sample_rate": 44_100} if family is MEL else {"freqs_per_bands": tuple(WIDTHS)}
    factor = {} if masks[0] == 4 * width else {"mlp_expansion_factor": masks[0] // width}
    return {
        "audio": {
            "chunk_size": more.get("chunk_size", 352_800),
            "dim_f": 1024,
            "dim_t": 256,
            "hop_length": 441,
            "n_fft": 2048,
            "num_channels": 2,
            "sample_rate": 44_100,
            "min_mean_abs": 0.0,
        },
        "model": {
            "dim": width,
            "depth": layers,
            "stereo": True,
            "num_stems": stems,
            **bands,
            **factor,
            "time_transformer_depth": 1,
            "freq_transformer_depth": 1,
            "dim_head": 64,
            "heads": 8,
            "attn_dropout": 0,
            "ff_dropout": 0,
            "flash_attn": True,
            "dim_freqs_in": 1025,
            "stft_n_fft": 2048,
            "stft_hop_length": hop,
            "stft_win_length": 2048,
            "stft_normalized": False,
            "mask_estimator_depth": 2,
            "multi_stft_normalized": False,
            "multi_stft_resolution_loss_weight": 1.0,
            "multi_stft_hop_size": 147,
            "multi_stft_resolutions_window_sizes": (4096, 2048, 1024, 512, 256),
        },
        "training": {"instruments": instruments, "target_instrument": target, "lr": 1e-5, "q": 0.95},
        "inference": {"batch_size": 1, "dim_t": 256, "num_overlap": more.get("num_overlap", 2)},
    }


def test_every_roformer_of_the_catalogue_is_here() -> None:
    published = {name for name, entry in catalog().items() if entry.roformer}
    assert SIZES.keys() == published
    assert CONFIGS.keys() == published - {"melband_roformer_kim", "bs_roformer_viperx", "bs_roformer_sw"}


@pytest.mark.parametrize("name", SIZES)
def test_file_has_the_size_of_the_network(name: str) -> None:
    family, width, layers, stems, masks = SIZES[name]
    sizes = RoformerSizes(
        **family,
        bins=1025,
        frames=801,
        width=width,
        heads=8,
        head_width=64,
        hidden=4 * width,
        layers=layers,
        time_depth=1,
        band_depth=1,
        stems=stems,
        mask_widths=masks,
    )
    numbers = sum(math.prod(shape) for shape in sizes.shapes().values())
    checkpoint, _ = catalog()[name].files
    assert checkpoint.size == pytest.approx(4 * numbers, rel=0.002)  # float32, and the names of the tensors


@pytest.mark.parametrize("name", CONFIGS)
def test_config_is_accepted_and_stems_get_plain_names(name: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.dump(config_of(name)))  # tuples have the tag of published files
    assert "!!python/tuple" in path.read_text()
    config = read_roformer_config(path).renamed(catalog()[name].names)
    assert config.stems == catalog()[name].sources
    assert len(config.sources) == SIZES[name][3]


def test_conversion_writes_plain_names_and_the_overlap(tmp_path: Path) -> None:
    checkpoint = write_files(tmp_path / "published")
    folder = tmp_path / "model"
    convert_checkpoint(
        checkpoint,
        checkpoint.with_suffix(".yaml"),
        folder,
        name="x",
        version="1",
        licence="MIT",
        sources=("lead_vocals", "no_lead_vocals"),
        names={"vocals": "lead_vocals", "other": "no_lead_vocals"},
        overlap=0.5,
    )
    model = load_model_folder(folder)
    assert (model.sources, model.rest) == (("lead_vocals", "no_lead_vocals"), "no_lead_vocals")
    assert model.members[0].model.sources == ("lead_vocals",)
    assert model.members[0].model.overlap == 0.5  # the config says 0.75
