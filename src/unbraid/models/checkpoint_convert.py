"""Convert a published checkpoint and its config into a model folder. The names of its tensors show its family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from unbraid.errors import ModelError
from unbraid.models.cache import new_model_folder
from unbraid.models.checkpoint_config import CheckpointConfig
from unbraid.models.convert import write_description, write_network
from unbraid.models.folder import NETWORKS
from unbraid.models.graphs import GraphTemplate
from unbraid.models.mdx23c_config import read_mdx23c_config
from unbraid.models.mdx23c_files import read_mdx23c
from unbraid.models.readers.packages import Package, read_state
from unbraid.models.readers.tensors import State
from unbraid.models.roformer_config import read_roformer_config
from unbraid.models.roformer_files import read_roformer

NETWORK = "network"  # folder of the network inside a model with a rest
NO_NAMES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Family:
    """Networks of one architecture, of any sizes."""

    name: str
    mark: str
    """Beginning of the names of tensors that no other family has."""
    read_config: Callable[[Path], CheckpointConfig]
    read_template: Callable[[State, Any], GraphTemplate]
    """Returns the graph for a checkpoint with such a config. Raises ValueError if they don't fit together."""


FAMILIES = (
    Family("BS-RoFormer", "band_split.", read_roformer_config, read_roformer),
    Family("Mel-Band RoFormer", "band_split.", read_roformer_config, read_roformer),
    Family("MDX23C", "encoder_blocks.", read_mdx23c_config, read_mdx23c),
)


def convert_checkpoint(
    checkpoint: Path,
    config: Path,
    folder: Path,
    *,
    name: str,
    version: str,
    licence: str,
    sources: tuple[str, ...] | None = None,
    names: Mapping[str, str] = NO_NAMES,
    overlap: float | None = None,
) -> None:
    """Write the model folder for a checkpoint and its config atomically, over an older one.

    `names`: names of stems that replace those of the config. `sources`: the stems that it must have then; None: any.
    `overlap`: of segments; None: the config's. Raises ModelError if the files don't fit together, or if the folder
    can't be written.
    """
    state = read_state(checkpoint)
    family = _family_of(state, checkpoint)
    settings = family.read_config(config).renamed(names)
    if overlap is not None:
        settings = replace(settings, overlap=overlap)
    if sources not in (None, settings.stems):
        raise ModelError(
            f"separates {', '.join(settings.stems)}, not {', '.join(sources or ())}.", subject=str(config)
        )
    try:
        template = family.read_template(state, settings)
    except ValueError as error:
        raise ModelError(f"can't be used with {config.name}: {error}.", subject=str(checkpoint)) from error
    needed = {place.name for place in template.tensors}
    package = Package(checkpoint, template.class_name, template.arguments, state.only(needed))
    labels = {"name": name, "version": version, "licence": licence}
    with new_model_folder(folder) as new:
        if settings.rest is None:
            write_network(package, template, new, labels, template.description)
            return
        (new / NETWORK).mkdir()
        write_network(package, template, new / NETWORK, labels, template.description)
        (target,) = settings.sources
        bag = {
            "sources": [target, settings.rest],
            "rest": settings.rest,
            NETWORKS: [{"folder": NETWORK, "weights": {target: 1.0}}],
        }
        write_description(new, {**labels, **bag})


def _family_of(state: State, checkpoint: Path) -> Family:
    for family in FAMILIES:
        if any(name.startswith(family.mark) for name in state):
            return family
    known = ", ".join(family.name for family in FAMILIES)
    raise ModelError(
        f"can't be used: its tensors are of no family that Unbraid knows ({known}).", subject=str(checkpoint)
    )
