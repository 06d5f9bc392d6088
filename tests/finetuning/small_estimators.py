"""Small HTDemucs and Roformer models with seeded weights, and songs for them, to teach them in seconds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from tests.finetuning.synthetic import write_songs
from tests.models.roformer_files import BS, MEL, config_of, write_files
from tests.networks.peer import seeded

from unbraid.models import graphs
from unbraid.models.own_files import save_model
from unbraid.networks.export_graphs import layout
from unbraid.networks.htdemucs import HTDemucs
from unbraid.separation.runtimes.choose import RuntimeLoader
from unbraid.separation.runtimes.pytorch import PyTorchRuntime

SEGMENT = 11_025
CHANNELS, BOTTOM = 8, 32
FOUR = ("drums", "bass", "other", "vocals")
TWO = ("vocals", "no_vocals")
SIX = (*FOUR, "guitar", "piano")


@contextmanager
def small_htdemucs(folder: Path, name: str = "htdemucs") -> Iterator[Path]:
    """Write a small HTDemucs, which counts as the published one within the context. Yield its folder.

    `name`: of the published one, which has as many stems.
    """
    (folder / "graphs").mkdir(parents=True)
    like = graphs.load_template(name)
    network = seeded(lambda: HTDemucs(len(like.description["sources"]), CHANNELS, BOTTOM))
    described = {
        "description": {**like.description, "segment": SEGMENT},
        "class": "HTDemucs",
        "arguments": {**like.arguments, "channels": CHANNELS, "bottom_channels": BOTTOM},
        "defaults": dict(like.defaults),
        "tensors": layout(network.state_dict()),
    }
    for path in graphs.FOLDER.iterdir():
        if path.stem != name:
            (folder / "graphs" / path.name).symlink_to(path)
    (folder / "graphs" / f"{name}.json").write_text(json.dumps(described))
    (folder / "graphs" / f"{name}.onnx").write_bytes(b"a small HTDemucs")
    with graphs_in(folder / "graphs"):
        state = {tensor: value.half().numpy() for tensor, value in network.state_dict().items()}
        save_model(folder / "small", graphs.load_template(name), state, {})
        yield folder / "small"


@contextmanager
def graphs_in(folder: Path) -> Iterator[None]:
    """Use the graphs of a folder instead of the published ones.

    The graph of a small HTDemucs is a placeholder, so PyTorch computes all models, as on a graphics card. Other tests
    compare the published graphs with PyTorch.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graphs, "FOLDER", folder)
        patch.setattr(graphs, "templates", cache(graphs.templates.__wrapped__))
        patch.setattr(RuntimeLoader, "load", lambda _, model, *__, **___: PyTorchRuntime(model, "cpu"))
        yield


def small_melband(folder: Path) -> Path:
    """Write the checkpoint of a Mel-Band RoFormer for vocals, whose other stem is the rest of the song."""
    config = config_of(MEL)
    config["training"] = {"instruments": ["vocals", "no_vocals"], "target_instrument": "vocals"}
    return write_files(folder, config=config)


def small_roformer(folder: Path) -> Path:
    """Write the checkpoint of a BS-RoFormer for three stems: kick, snare and übung."""
    return write_files(folder, BS, name="three.ckpt")


def songs(folder: Path, names: tuple[str, ...]) -> Path:
    """Write a song of 56 s to learn from, and one of 7 s, which is held out."""
    write_songs(folder, names, songs=1, seconds=56)
    (write_songs(folder / "other", names, songs=1, seconds=7) / "song0").rename(folder / "song1")
    (folder / "other").rmdir()
    return folder
