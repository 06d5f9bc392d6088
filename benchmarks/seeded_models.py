"""Put models with seeded weights of the published sizes into a cache, as if they had been installed. Needs PyTorch."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from unbraid.models.cache import CACHE
from unbraid.models.catalog import CatalogEntry, catalog
from unbraid.models.folder import DESCRIPTION


def install(name: str, cache: Path) -> None:
    """Install the model into the folder `cache`, which this process and those that it starts use from now on."""
    os.environ[CACHE] = str(cache)
    with tempfile.TemporaryDirectory() as folder:
        INSTALL[name](catalog()[name], Path(folder))


def install_htdemucs(entry: CatalogEntry, folder: Path) -> None:
    """Install a model of Hybrid Transformer Demucs."""
    from native_error import random_model

    shutil.copytree(random_model(entry.name, "initial", 0, folder / "made").folder, entry.place)
    description = entry.place / DESCRIPTION
    # A model of another version would be downloaded again.
    described = {**json.loads(description.read_text()), "version": entry.version}
    description.write_text(json.dumps(described))


def install_mdx(entry: CatalogEntry, folder: Path) -> None:
    """Install an MDX-Net."""
    from unbraid.models.mdx import convert_mdx
    from unbraid.models.mdx_settings import known_settings
    from unbraid.networks.mdx import Sizes, export, seeded

    assert entry.mdx is not None
    settings = known_settings()[entry.mdx].renamed(entry.names)
    sizes = Sizes(bins=settings.bins, frames=settings.frames)
    export(seeded(sizes), sizes, folder / "model.onnx")
    labels = {"name": entry.name, "version": entry.version, "licence": entry.licence}
    convert_mdx(folder / "model.onnx", entry.place, **labels, settings=settings)


def install_melband(entry: CatalogEntry, folder: Path) -> None:
    """Install the Mel-Band RoFormer of Kim."""
    import torch

    from roformer_original import CHUNKS, MODELS
    from roformer_profile import SIZES
    from unbraid.models.checkpoint_convert import convert_checkpoint
    from unbraid.networks.roformer import Roformer

    sizes = SIZES["mel"]
    torch.manual_seed(0)
    state = dict(Roformer(sizes.stems, sizes.to_dict()).state_dict())
    for layer in range(sizes.layers):  # the file has the same rates of rotation for each layer
        for axis in range(2):
            end = f"{axis}.layers.0.0.rotary_embed.freqs"
            state[f"layers.{layer}.{end}"] = state[f"layers.0.{end}"]
    torch.save(state, folder / "model.ckpt")
    config = {
        "model": MODELS["mel"],
        "training": {"instruments": ["vocals", "other"], "target_instrument": "vocals"},
        "inference": {"chunk_size": CHUNKS["mel"], "num_overlap": 2},
    }
    (folder / "model.yaml").write_text(yaml.safe_dump(config))
    convert_checkpoint(
        folder / "model.ckpt",
        folder / "model.yaml",
        entry.place,
        name=entry.name,
        version=entry.version,
        licence=entry.licence,
        sources=entry.sources,
        names=entry.names,
        overlap=entry.overlap,
    )


INSTALL: Mapping[str, Callable[[CatalogEntry, Path], None]] = {
    "htdemucs": install_htdemucs,
    "htdemucs_6s": install_htdemucs,
    "mdx_voc_ft": install_mdx,
    "melband_roformer_kim": install_melband,
}
