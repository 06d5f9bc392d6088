"""Models that the user made: folders in the user's data folder, each found by its name.

NAME/             a model folder; `card` in its description says how it was made
not_better/NAME/  a result that is no better than the model it began with; used only by its path
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from unbraid.errors import ModelError, SettingError
from unbraid.models import lite, spleeter
from unbraid.models.auto import is_choice
from unbraid.models.catalog import CatalogEntry, Speed, catalog, find_entry
from unbraid.models.folder import DESCRIPTION, GRAPH, load_model_folder, read_network
from unbraid.models.graphs import templates
from unbraid.models.speed import FAMILIES, with_graph

FOLDER = "UNBRAID_OWN_MODELS"  # environment variable: the folder of the user's own models
NOT_BETTER = "not_better"
CARD = "card"  # entry of a description
VERSION = "own"
LICENCE = "yours, as far as the licence of the model that it began with allows"

_TAUGHT = {
    lite.CLASS_NAME: "lite",
    spleeter.CLASS_NAME: "spleeter",
    **FAMILIES,
}
_NAME = re.compile(r"[A-Za-z0-9][\w-]{0,63}", re.ASCII)


def own_folder() -> Path:
    """Return `UNBRAID_OWN_MODELS`, or `models` in the system's folder for data. It may not exist yet."""
    chosen = os.environ.get(FOLDER)
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return platformdirs.user_data_path("unbraid", appauthor=False) / "models"


def check_name(name: str) -> None:
    """Raise SettingError unless a model of the user's own can have this name."""
    if not _NAME.fullmatch(name):
        raise SettingError(
            "can't be the name of a model. Use letters, digits, hyphens and underscores.", subject=repr(name)
        )
    if name == NOT_BETTER or is_choice(name) or find_entry(name) is not None:
        raise SettingError("is the name of a model of Unbraid. Choose another name.", subject=name)


def find_own(name: str) -> Path | None:
    """Return the folder of the user's model with this name; None if there is none."""
    if not _NAME.fullmatch(name) or name == NOT_BETTER:
        return None
    folder = own_folder() / name
    return folder if (folder / DESCRIPTION).is_file() else None


def own_models() -> dict[str, Path]:
    """Return the folders of the user's models, by name, in alphabetical order."""
    folder = own_folder()
    if not folder.is_dir():
        return {}
    found = {path.name: find_own(path.name) for path in sorted(folder.iterdir())}
    return {name: path for name, path in found.items() if path is not None}


def own_entry(name: str) -> CatalogEntry | None:
    """Return the user's model with this name as an entry of the catalogue; None if there is none."""
    folder = find_own(name)
    if folder is None:
        return None
    sources = load_model_folder(folder).sources
    speed = speed_of(folder) or catalog()["htdemucs"].speed
    return CatalogEntry(name, "your own", sources, LICENCE, speed, folder=folder)


def speed_of(folder: Path) -> Speed | None:
    """Return the speed of the model of the catalogue whose network was taught; None for other networks."""
    name = taught_network(folder)
    return None if name is None else catalog()[name].speed


def taught_network(folder: Path) -> str | None:
    """Return the model of the catalogue whose network a model folder has, if that network can be taught."""
    built = read_network(folder).get("class", "")
    return _TAUGHT.get(built) if built else _with_shipped_graph(folder)


def _with_shipped_graph(folder: Path) -> str | None:
    """Return the model of the catalogue whose graph is in the folder; None if there is none."""
    try:
        graph = (folder / GRAPH).read_bytes()
    except OSError:
        return None
    shipped = next((one.name for one in templates() if one.graph.read_bytes() == graph), None)
    return None if shipped is None else with_graph(shipped)


def offered_own() -> dict[str, CatalogEntry]:
    """Return the models in UNBRAID_OWN_MODELS as entries of the catalogue, without those that can't be loaded.

    Servers offer them. Without that variable there are none: in AWS, all models are in the catalogue.
    """
    if FOLDER not in os.environ:
        return {}
    found: dict[str, CatalogEntry] = {}
    for name in own_models():
        with suppress(ModelError):
            if (entry := own_entry(name)) is not None:
                found[name] = entry
    return found


def offered_entry(name: str) -> CatalogEntry | None:
    """Return the model of the catalogue, or of `offered_own`, with this name; None if there is none."""
    return catalog().get(name) or offered_own().get(name)


def read_card(folder: Path) -> dict[str, Any]:
    """Return how a model was made; empty if its description doesn't say. docs/finetune.md lists the entries."""
    try:
        card = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8")).get(CARD, {})
    except (OSError, ValueError, AttributeError):
        return {}
    return dict(card) if isinstance(card, dict) else {}
