"""Published networks with seeded weights, converted to model folders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
import torch
from tests.models.published import HTDEMUCS, HTDEMUCS_6S, published
from tests.networks.peer import seeded

from unbraid.models import Model, graphs, load_model_folder
from unbraid.models.convert import convert_bag
from unbraid.models.readers.packages import read_package
from unbraid.networks.export_graphs import layout
from unbraid.networks.htdemucs import HTDemucs

SEGMENT = 11_025
SMALL = {**HTDEMUCS, "channels": 8, "bottom_channels": 32, "segment": 0.25}


@contextmanager
def small_model(folder: Path) -> Iterator[Model]:
    """Write a small HTDemucs, which counts as a published model within the context.

    Its graph is a placeholder, because PyTorch reads only the weights.
    """
    torch.manual_seed(0)
    network = HTDemucs(4, SMALL["channels"], SMALL["bottom_channels"])
    like = graphs.load_template("htdemucs")
    described = {
        "description": {**like.description, "segment": SEGMENT},
        "class": "HTDemucs",
        "arguments": {**like.arguments, **{name: SMALL[name] for name in ("channels", "bottom_channels")}},
        "defaults": dict(like.defaults),
        "tensors": layout(network.state_dict()),
    }
    with pytest.MonkeyPatch.context() as patch:
        (folder / "graphs").mkdir()
        (folder / "graphs/small.json").write_text(json.dumps(described))
        (folder / "graphs/small.onnx").write_bytes(b"a small HTDemucs")
        patch.setattr(graphs, "FOLDER", folder / "graphs")
        patch.setattr(graphs, "templates", cache(graphs.templates.__wrapped__))
        yield _converted(folder, network, SMALL)


def real_model(folder: Path) -> Model:
    """Write htdemucs_6s, the smallest published model, with its own graph."""
    torch.manual_seed(0)
    return _converted(folder, HTDemucs(6, bottom_channels=0), HTDEMUCS_6S)


def _converted(folder: Path, network: HTDemucs, arguments: dict[str, object]) -> Model:
    state = {name: value.half().numpy() for name, value in seeded(lambda: network).state_dict().items()}
    package = read_package(published(folder / "0123abcd.th", state, arguments))
    convert_bag([package], None, folder / "model", name="seeded", version="1", licence="MIT")
    return load_model_folder(folder / "model")
