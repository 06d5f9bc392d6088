"""Which models can be taught, as far as can be said without PyTorch."""

from __future__ import annotations

from unbraid.errors import ModelError, SettingError
from unbraid.models import Model
from unbraid.models import lite as lite_sizes
from unbraid.models.catalog import CatalogEntry, find_entry
from unbraid.models.graphs import load_template
from unbraid.models.own_files import DESCRIPTIONS, HTDEMUCS
from unbraid.models.roformer import CLASS_NAME as ROFORMER
from unbraid.models.templates import template_of

TEACHABLE = "lite, spleeter, htdemucs, a Roformer, or a model that was taught from one of them"


def check_base(base: str) -> None:
    """Raise SettingError if `base` is a model of the catalogue that can't be taught. Nothing is downloaded."""
    entry = find_entry(base)
    if entry is None or (not entry.files and not entry.models):
        return  # a model of one's own, or the bundled `lite`
    number = len(entry.members) or (len(entry.files) if entry.graph and not entry.checkpoint else 1)
    if number > 1:
        one = "htdemucs, one network of the same kind" if class_of(entry) == HTDEMUCS else TEACHABLE
        raise SettingError(
            f"{base} consists of {number} {'models' if entry.members else 'networks'} and can't be taught. "
            f"Use --from with {one}."
        )
    if class_of(entry) not in DESCRIPTIONS:
        raise SettingError(f"{base} can't be taught. Use --from with {TEACHABLE}.")


def class_of(entry: CatalogEntry) -> str:
    """Return the class of a model's networks; empty for MDX-Nets, MDX23C and bundled models."""
    if entry.roformer:
        return ROFORMER
    return "" if entry.graph is None else load_template(entry.graph.split("+")[0]).class_name


def only_network(model: Model) -> Model:
    """Return the network of a model. Raises ModelError if it consists of several."""
    if len(model.networks) > 1:
        raise ModelError(
            f"consists of {len(model.networks)} networks and can't be taught. Use --from with {TEACHABLE}.",
            subject=model.name,
        )
    return model.networks[0]


def is_teachable(network: Model) -> bool:
    """Whether a network can be taught."""
    template = template_of(network)
    if template is None:
        return network.name == "lite" and network.n_fft == lite_sizes.N_FFT
    return template.class_name in DESCRIPTIONS
