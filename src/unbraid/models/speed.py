"""How long a model takes on this machine, before it has separated a song here.

The catalogue has speeds on two cores. Time is taken as inverse to the number of cores.
"""

from __future__ import annotations

from unbraid.cores import usable_cores
from unbraid.models.catalog import CatalogEntry, Speed, catalog, find_entry
from unbraid.models.folder import Model, read_network
from unbraid.models.graphs import shipped_template_of
from unbraid.models.mdx_settings import HOP as MDX_HOP

CORES = 2  # of the catalogue's speeds

# Models whose speed stands for their family, for models that aren't in the catalogue.
MDX = "mdx_voc_ft"
FAMILIES = {"Roformer": "melband_roformer_kim", "MDX23C": "mdx23c_instvoc_hq"}
"""By the class of networks whose graphs are built from sizes."""


def scale(cores: int | None = None) -> float:
    """Return the factor for the catalogue's times on a machine with that many cores; None: this machine's."""
    return CORES / (cores or usable_cores())


def seconds_per_second(entry: CatalogEntry, all_stems: bool, cores: int | None = None) -> float:
    """Return the expected seconds of work for one second of song."""
    return (entry.speed.all_stems if all_stems else entry.speed.one_stem) * scale(cores)


def speed_of(model: Model) -> Speed | None:
    """Return the speed of a loaded model on two cores: the catalogue's, or that of its family.

    For a bag with a folder of one's own, the sum over its networks. None for a network of no known family.
    """
    entry = find_entry(model.name)
    if entry is not None and entry.place == model.folder:
        return entry.speed
    members = model.members if model.ensemble is None else model.ensemble.members
    if members:
        parts = [speed_of(member.model) for member in members]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        one_stem = max if model.ensemble is None else sum  # every model of an ensemble may have the stem
        return Speed(one_stem(part.one_stem for part in known), sum(part.all_stems for part in known))
    family = _family(model)
    return None if family is None else catalog()[family].speed


def _family(model: Model) -> str | None:
    """Return the model of the catalogue whose speed stands for the family of a single network."""
    if (built := read_network(model.folder)) and "class" in built:
        return FAMILIES.get(built["class"])
    if model.fixed_length == "inside" and model.hop == MDX_HOP:
        return MDX
    template = shipped_template_of(model)
    return None if template is None else with_graph(template.name)


def with_graph(shipped: str) -> str | None:
    """Return the first model of the catalogue with this shipped graph; None if there is none."""
    return next((name for name, entry in catalog().items() if entry.graph == shipped), None)
