"""HTDemucs and Roformers as networks that learn. They need a graphics card to learn in reasonable time.

Small batches and checkpoints of activations keep memory low, for cards with 24 GiB: see docs/decisions/0069.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import nn

from unbraid.errors import ModelError
from unbraid.finetuning.student import Student
from unbraid.models import Model, roformer
from unbraid.models.graphs import GraphTemplate
from unbraid.models.templates import roformer_template, template_of
from unbraid.networks.branches import DEPTH
from unbraid.networks.htdemucs import HTDemucs
from unbraid.networks.roformer import Block, MaskEstimator, Roformer
from unbraid.networks.roformer import Transformer as RoformerTransformer
from unbraid.separation.runtimes.pytorch import load_network
from unbraid.training.adapters import add_adapters, checkpoint_layers, is_adapter
from unbraid.training.stem_objective import WINDOWS, StemObjective

HTDEMUCS = "HTDemucs"
CLASSES = (HTDEMUCS, roformer.CLASS_NAME)
HTDEMUCS_BATCH, ROFORMER_BATCH = 4, 2
ALL_RATE = 5e-5  # learning rate of all weights of HTDemucs, which began with 3e-4 in its training
ADAPTER_RATE = 5e-4
LARGEST_WEIGHTS = 1 << 30  # bytes of a file that can be imported


def is_estimator(network: Model) -> bool:
    """Whether the network is an HTDemucs or a Roformer."""
    template = template_of(network)
    return template is not None and template.class_name in CLASSES


def student_of_estimator(
    network: Model, rest: str | None, stems: Sequence[str], seed: int, *, little: bool
) -> Student:
    """Return the network, changed to separate `stems`; see `bases.student_of`.

    `rest`: the stem of the model that is the rest of the song, if the network doesn't estimate it. Raises ModelError if
    the network can't separate these stems.
    """
    template = template_of(network)
    assert template is not None
    sources = network.estimated if rest is None else (*network.estimated, rest)
    generator = torch.Generator().manual_seed(seed)
    if template.class_name == HTDEMUCS:
        return _htdemucs(network, template, stems, generator, little=little)
    kept = set(stems) == set(sources)
    return _roformer(network, rest if kept else None, stems, generator, new=not kept)


def _htdemucs(
    model: Model, template: GraphTemplate, stems: Sequence[str], generator: torch.Generator, *, little: bool
) -> Student:
    if len(stems) != len(model.sources):
        raise ModelError(
            f"separates {len(model.sources)} stems, so it can only learn {len(model.sources)} stems: "
            f"{', '.join(model.sources)}, or others. These songs have {len(stems)}. Use --from lite or a Roformer.",
            subject=model.name,
        )
    network = load_network(model, template)
    assert isinstance(network, HTDemucs)
    places = _places(model.sources, stems)
    ends = [network.get_submodule(f"{part}.{DEPTH - 1}.conv_tr") for part in ("decoder", "tdecoder")]
    if places != list(range(len(stems))):
        for end in ends:
            _rearrange(end, places)
    new = set(stems) != set(model.sources)
    transformer = network.crosstransformer
    if little:
        add_adapters([*transformer.layers, *transformer.layers_t], generator)
    checkpoint_layers(
        [
            *(
                layer
                for part in ("encoder", "tencoder", "decoder", "tdecoder")
                for layer in getattr(network, part)
            ),
            *transformer.layers,
            *transformer.layers_t,
        ]
    )
    learning = _names(network, ends) if new else frozenset()
    return Student(
        network,
        StemObjective(replace(model, sources=tuple(stems)), model.segment),
        replace(template, description={**template.description, "sources": list(stems)}),
        learning_rate=ADAPTER_RATE if little else ALL_RATE,
        relative=False,
        sizes={},
        batch=HTDEMUCS_BATCH,
        late=lambda name: True,
        fixed=_all_but(learning) if little else lambda name: False,
        samples=model.segment,
    )


def _rearrange(end: nn.Module, places: Sequence[int]) -> None:
    """Give stem k of the last layer of an HTDemucs the weights of stem `places[k]`."""
    assert isinstance(end, nn.ConvTranspose1d | nn.ConvTranspose2d) and end.bias is not None
    by_stem = end.weight.detach().reshape(len(end.weight), len(places), -1)
    end.weight.data = by_stem[:, list(places)].reshape_as(end.weight)
    end.bias.data = end.bias.detach().reshape(len(places), -1)[list(places)].flatten()


def _places(sources: Sequence[str], stems: Sequence[str]) -> list[int]:
    """Return the place in `sources` of the stem from which each of `stems` takes its weights.

    Stems that the model doesn't have take those of stems that are no longer needed, or of the first one.

    >>> _places(["drums", "bass", "other", "vocals"], ["vocals", "kick", "snare", "rest"])
    [3, 0, 1, 2]
    """
    free = [place for place, source in enumerate(sources) if source not in stems]
    return [sources.index(stem) if stem in sources else (free.pop(0) if free else 0) for stem in stems]


def _roformer(
    model: Model, rest: str | None, stems: Sequence[str], generator: torch.Generator, *, new: bool
) -> Student:
    estimated = [stem for stem in stems if stem != rest]
    old = roformer.read_sizes(model.folder)
    assert old is not None
    sizes = replace(old, stems=len(estimated))
    described = roformer.description(
        tuple(stems), sizes, hop=int(model.hop or 0), rate=model.sample_rate, overlap=model.overlap, rest=rest
    )
    template = roformer_template(sizes, described)
    size = max(place.offset + place.length for place in template.tensors)
    if size > LARGEST_WEIGHTS:
        raise ModelError(
            f"would need {size / 1e9:.1f} GB for {len(stems)} stems. Choose fewer stems, or use --from lite.",
            subject=model.name,
        )
    before = template_of(model)
    assert before is not None
    network = load_network(model, before)
    assert isinstance(network, Roformer)
    estimators = network.mask_estimators
    changed = Roformer(sizes.stems, sizes.to_dict())
    state = {name: value for name, value in network.state_dict().items() if "mask_estimators" not in name}
    for stem, place in enumerate(_places(model.estimated, estimated)):
        for name, value in estimators[place].state_dict().items():
            state[f"mask_estimators.{stem}.{name}"] = value
    changed.load_state_dict(state)
    add_adapters((one for one in changed.modules() if isinstance(one, RoformerTransformer)), generator)
    checkpoint_layers(one for one in changed.modules() if isinstance(one, Block | MaskEstimator))
    learning = _names(changed, _last_layers(changed)) if new else frozenset()
    return Student(
        changed,
        StemObjective(replace(model, sources=tuple(stems), rest=rest), model.segment, WINDOWS),
        template,
        learning_rate=ADAPTER_RATE,
        relative=False,
        sizes={},
        batch=ROFORMER_BATCH,
        late=lambda name: True,
        fixed=_all_but(learning),
        samples=model.segment,
    )


def _last_layers(network: Roformer) -> Iterator[nn.Module]:
    """Yield the last linear layer of every band of every stem."""
    for estimator in network.mask_estimators:
        assert isinstance(estimator, MaskEstimator)
        for layers in estimator.to_freqs:
            yield [layer for layer in layers.modules() if isinstance(layer, nn.Linear)][-1]


def _names(network: nn.Module, modules: Iterable[nn.Module]) -> frozenset[str]:
    """Return the names of the parameters of `modules` in the network."""
    inside = {id(parameter) for module in modules for parameter in module.parameters()}
    return frozenset(name for name, parameter in network.named_parameters() if id(parameter) in inside)


def _all_but(learning: frozenset[str]) -> Callable[[str], bool]:
    """Return whether a parameter is neither in `learning` nor in an adapter."""
    return lambda name: name not in learning and not is_adapter(name)
