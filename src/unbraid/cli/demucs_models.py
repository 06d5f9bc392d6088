"""Which model `unbraid demucs -n NAME` means, under which name its stems are filed, and the list of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from unbraid.errors import ModelError
from unbraid.models import catalog
from unbraid.models.readers.packages import signature_of
from unbraid.models.repo import scan_repo

HUB = "hf://"
HUB_OWNER = "adefossez/"  # where the hub has the published models


class ModelChoice(NamedTuple):
    """The `model` for a Separator, and the `folder` of its stems."""

    model: str
    folder: str


def choose_model(name: str, repo: Path | None) -> ModelChoice:
    """The model called `name`: of the catalogue, or of the folder `repo`; a signature or a model folder will do.

    Raises ModelError for a name that can't be had.
    """
    folder = name.replace(HUB, "").replace("/", "_")
    if name.startswith(HUB):
        published = name.removeprefix(HUB).removeprefix(HUB_OWNER)
        if published not in catalog():
            raise ModelError(
                f"{name} is not downloaded from there. Put its .yaml and .safetensors files into a folder, and use"
                f" -n {published.rpartition('/')[2]} --repo FOLDER."
            )
        return ModelChoice(published, folder)
    if repo is not None or name in catalog():
        return ModelChoice(name, folder)
    if name in (signatures := _signatures()):
        return ModelChoice(_alone(name, signatures[name]), folder)
    if Path(name).is_dir():
        return ModelChoice(name, Path(name).resolve().name)
    return ModelChoice(name, folder)


def _signatures() -> Mapping[str, str]:
    """Signature of each published network -> the model that has it."""
    return {signature_of(Path(file.name)): entry.name for entry in catalog().values() for file in entry.files}


def _alone(signature: str, model: str) -> str:
    """`model`, if the network of that signature is all it has."""
    if len(catalog()[model].files) > 1:
        raise ModelError(
            f"{signature} is one of the networks of {model}, which are used together: -n {model}."
            " To use it alone, put its file into a folder and add --repo FOLDER."
        )
    return model


def listing(repo: Path | None) -> str:
    """The models of the catalogue, or of the folder `repo`, in the form in which the original prints them.

    Raises ModelError for a `repo` that can't be read.
    """
    if repo is None:
        alone = [sig for sig, model in _signatures().items() if len(catalog()[model].files) == 1]
        return _columns(catalog(), alone)
    found = scan_repo(repo)
    return _columns(found.bags, sorted(found.networks))


def _columns(bags: Iterable[str], single: Iterable[str]) -> str:
    blocks = (("Bag of models:", bags), ("Single models:", single))
    return "".join(
        f"{line}\n" for title, names in blocks for line in (title, *(f"    {name}" for name in names))
    )
