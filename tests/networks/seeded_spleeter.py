"""A Spleeter with seeded weights, and its model folder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from tests.models.checkpoint_writer import write_checkpoint

from unbraid.models.convert import convert_bag
from unbraid.models.folder import Model, load_model_folder
from unbraid.models.graphs import template_for
from unbraid.models.readers.tensorflow import read_checkpoint
from unbraid.networks.spleeter import Spleeter

SOURCES = ("vocals", "no_vocals")


FOUR = ("vocals", "drums", "bass", "other")
FIVE = ("vocals", "piano", "drums", "bass", "other")


@cache
def seeded_spleeter(sources: tuple[str, ...] = SOURCES) -> Spleeter:
    """Draw weights that keep the size of activations from layer to layer. Other tests' random numbers stay the same."""
    arguments = template_for("Spleeter", {"sources": list(sources)}).arguments
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _drawn(Spleeter(len(sources), arguments["activation"], arguments["masks"]))


def _drawn(network: Spleeter) -> Spleeter:
    for name, parameter in network.named_parameters():
        if name.endswith("kernel"):
            height, width, *_ = parameter.shape
            inputs = parameter.shape[3 if "transpose" in name else 2]
            torch.nn.init.normal_(parameter, 0, (1 / (height * width * inputs)) ** 0.5)
        elif name.endswith(("gamma", "variance")):
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
        else:
            torch.nn.init.normal_(parameter, 0, 0.1)
    return network.eval().requires_grad_(False)


def spleeter_model(folder: Path, network: Spleeter, sources: Sequence[str] = SOURCES) -> Model:
    """Write the network as a checkpoint in `folder`, and convert it."""
    state = {name.replace(".", "/"): values.numpy() for name, values in network.state_dict().items()}
    package = read_checkpoint(write_checkpoint(folder / "published", state), sources)
    convert_bag([package], None, folder / "model", name="spleeter", version="1", licence="MIT")
    return load_model_folder(folder / "model")
