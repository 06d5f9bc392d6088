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


@contextmanager
def small_htdemucs(folder: Path) -> Iterator[Path]:
    """Write a small HTDemucs, which counts as the published one within the context. Yield its folder.

    Its graph is a placeholder, so PyTorch computes it, as on a graphics card. Other tests compare the published graph
    with PyTorch.
    """
    (folder / "graphs").mkdir(parents=True)
    network = seeded(lambda: HTDemucs(4, CHANNELS, BOTTOM))
    like = graphs.load_template("htdemucs")
    described = {
        "description": {**like.description, "segment": SEGMENT},
        "class": "HTDemucs",
        "arguments": {**like.arguments, "channels": CHANNELS, "bottom_channels": BOTTOM},
        "defaults": dict(like.defaults),
        "tensors": layout(network.state_dict()),
    }
    for path in graphs.FOLDER.iterdir():
        if path.stem != "htdemucs":
            (folder / "graphs" / path.name).symlink_to(path)
    (folder / "graphs" / "htdemucs.json").write_text(json.dumps(described))
    (folder / "graphs" / "htdemucs.onnx").write_bytes(b"a small HTDemucs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graphs, "FOLDER", folder / "graphs")
        patch.setattr(graphs, "templates", cache(graphs.templates.__wrapped__))
        patch.setattr(RuntimeLoader, "load", lambda _, model, *__, **___: PyTorchRuntime(model, "cpu"))
        state = {name: value.half().numpy() for name, value in network.state_dict().items()}
        save_model(folder / "small", graphs.load_template("htdemucs"), state, {})
        yield folder / "small"


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
