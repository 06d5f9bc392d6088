"""Resolve the model names of `unbraid demucs`, and list the models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from unbraid.errors import ModelError
from unbraid.models import catalog
from unbraid.models.catalog import networks
from unbraid.models.older_demucs import replacement_for
from unbraid.models.repo import scan_repo

HUB = "hf://"
HUB_OWNER = "adefossez/"  # account of the published models


class ModelChoice(NamedTuple):
    """A model, and the name of the folder for its stems."""

    model: str
    folder: str


def choose_model(name: str, repo: Path | None) -> ModelChoice:
    """Find a model by its name in the catalogue or in `repo`, its signature, or the path of its folder.

    Raises ModelError if the name isn't supported.
    """
    folder = name.replace(HUB, "").replace("/", "_")
    if name.startswith(HUB):
        published = name.removeprefix(HUB).removeprefix(HUB_OWNER)
        if replacement := replacement_for(published):
            raise ModelError(replacement)
        if published not in catalog():
            raise ModelError(
                f"{name} can't be downloaded from this hub. Put its .yaml and .safetensors files into a folder, and use"
                f" -n {published.rpartition('/')[2]} --repo FOLDER."
            )
        return ModelChoice(published, folder)
    if repo is not None or name in catalog():
        return ModelChoice(name, folder)
    if name in networks():
        return ModelChoice(networks()[name].name, folder)
    if Path(name).is_dir():
        return ModelChoice(name, Path(name).resolve().name)
    return ModelChoice(name, folder)


class AvailableModels(NamedTuple):
    """The models that can be named."""

    bags: Mapping[str, Path]
    """File or folder by name."""
    networks: Mapping[str, str | Path]
    """File or URL of each single network, by signature."""


def available_models(repo: Path | None) -> AvailableModels:
    """Return the models of the catalogue, or of the folder `repo`. Raises ModelError if `repo` is unreadable."""
    if repo is not None:
        contents = scan_repo(repo)
        return AvailableModels(
            contents.bags, {name: files[0] for name, files in sorted(contents.networks.items())}
        )
    bags = {entry.name: entry.place for entry in catalog().values()}
    return AvailableModels(bags, {signature: entry.files[0].url for signature, entry in networks().items()})


def list_models(repo: Path | None) -> str:
    """Return the models of the catalogue, or of the folder `repo`, in the format of demucs.

    Raises ModelError if `repo` is unreadable.
    """
    models = available_models(repo)
    blocks = (("Bag of models:", models.bags), ("Single models:", models.networks))
    return "".join(
        f"{line}\n" for title, names in blocks for line in (title, *(f"    {name}" for name in names))
    )
