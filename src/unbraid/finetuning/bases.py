"""The network that a model begins with, changed to the stems of the songs. Needs PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import openvino
import torch
from torch import Tensor

from unbraid.errors import ModelError
from unbraid.finetuning import rehearsal
from unbraid.finetuning.estimators import is_estimator, student_of_estimator
from unbraid.finetuning.student import LARGE, SMALL, Student
from unbraid.finetuning.teachable import TEACHABLE, only_network
from unbraid.models import Model
from unbraid.models import lite as lite_sizes
from unbraid.models import spleeter as spleeter_sizes
from unbraid.models.lite import BAND, BANDS
from unbraid.models.spleeter import SpleeterSizes
from unbraid.models.templates import lite_template, spleeter_template, template_of
from unbraid.networks.lite import SOURCES, Lite
from unbraid.networks.spleeter import Spleeter
from unbraid.separation.runtimes.pytorch import load_network
from unbraid.training.families import LITE, SPLEETER
from unbraid.training.mask_objective import MaskObjective

# Of weights that learnt all stems of their model. Fully learnt, Spleeter lost 0.4 dB on songs of other voices. Like
# this it lost 0.1, and new songs of its voice gained as much. After Wortsman et al., "Robust fine-tuning of zero-shot
# models" (arXiv 2109.01903).
SHARE = 0.8


def student_of(model: Model, stems: Sequence[str], seed: int, *, little: bool = False) -> Student:
    """Return the network of `model`, changed to separate `stems`. Raises ModelError if it can't be taught.

    Stems that the model has keep their weights. Others get a new last layer (`lite`), or copies of layers of other
    stems. New weights are drawn from `seed`. `little`: whether there is little material.
    """
    single = only_network(model)
    if is_estimator(single):
        return student_of_estimator(single, model.rest, stems, seed, little=little)
    template = template_of(single)
    generator = torch.Generator().manual_seed(seed)
    if template is None and model.name == "lite" and model.n_fft == lite_sizes.N_FFT:
        return _lite(_bundled_lite(model), model.sources, stems, generator)
    if template is not None and template.class_name == lite_sizes.CLASS_NAME:
        network = load_network(model, template)
        assert isinstance(network, Lite)
        return _lite(network, model.sources, stems, generator)
    if template is not None and template.class_name == spleeter_sizes.CLASS_NAME:
        network = load_network(model, template)
        assert isinstance(network, Spleeter)
        sizes = SpleeterSizes(
            len(model.sources), template.arguments["activation"], template.arguments["masks"]
        )
        return _spleeter(network, sizes, model.sources, stems, little=little)
    raise ModelError(f"can't be taught. Use --from with {TEACHABLE}.", subject=model.name)


def _bundled_lite(model: Model) -> Lite:
    """Read the weights of the bundled graph, in which some normalisations are folded into convolutions."""
    found = {
        node.get_friendly_name().removesuffix(".float16"): np.array(node.data, np.float32)
        for node in openvino.Core().read_model(model.graph).get_ops()
        if node.get_type_name() == "Constant"
    }
    network = Lite()
    state = network.state_dict()
    for name, value in state.items():
        if name in found:
            state[name] = torch.from_numpy(found[name])
        elif (folded := _folded_into(name)) is not None:
            state[name] = torch.from_numpy(found[folded])
        elif name.endswith("running_var"):
            state[name] = torch.full_like(value, 1 - 1e-5)  # a normalisation that changes nothing
    network.load_state_dict(state)
    return network


def _folded_into(name: str) -> str | None:
    """Return the bias of the convolution that a normalisation was folded into: convs.1.bias -> convs.0.weight_bias."""
    stage, found, rest = name.partition(".convs.")
    if not found or not rest.endswith(".bias"):
        return None
    return f"{stage}.convs.{int(rest.split('.')[0]) - 1}.weight_bias"


def _lite(network: Lite, sources: Sequence[str], stems: Sequence[str], generator: torch.Generator) -> Student:
    config = replace(network.config, stems=len(stems))
    # New weights are small at first, so that all stems begin alike. Steps relative to that would take them hours.
    sizes = {f"masks.{part}": _rms(network.masks.get_parameter(part)) for part in ("weight", "bias")}
    if tuple(sources) != tuple(stems):
        changed = Lite(config)
        state = network.state_dict()
        for part in ("weight", "bias"):
            old = state[f"masks.{part}"]
            grid = old.reshape(BANDS, len(sources), 2 * BAND, *old.shape[1:])
            new = 0.01 * torch.randn(BANDS, len(stems), *grid.shape[2:], generator=generator)
            if part == "bias":
                new.zero_()
            for place, stem in enumerate(stems):
                if stem in sources:
                    new[:, place] = grid[:, sources.index(stem)]
            state[f"masks.{part}"] = new.flatten(0, 2)
        changed.load_state_dict(state)
        network = changed
    described = lite_sizes.description(tuple(stems), config)
    rehearses = set(stems) == set(SOURCES)
    return Student(
        network,
        MaskObjective(LITE, per_draw=2) if rehearses else MaskObjective(LITE),
        lite_template(config, described),
        learning_rate=3e-3,
        relative=True,
        sizes=sizes,
        batch=8,
        late=lambda name: name.startswith(("decoder", "up", "hidden", "masks")),
        fixed=lambda name: False,
        share=1.0 if rehearses else _share(sources, stems),  # what it rehearses, it doesn't forget
        rehearsal=rehearsal.SHARE if rehearses else 0.0,
        variation=SMALL if rehearses else LARGE,
    )


def _share(sources: Sequence[str], stems: Sequence[str]) -> float:
    """Return the share of the learnt weights. Layers of new stems have nothing to go back to."""
    return SHARE if set(stems) == set(sources) else 1.0


def _rms(weights: Tensor) -> float:
    return float(weights.detach().square().mean().sqrt())


def _spleeter(
    network: Spleeter, sizes: SpleeterSizes, sources: Sequence[str], stems: Sequence[str], *, little: bool
) -> Student:
    changed_sizes = replace(sizes, stems=len(stems))
    if tuple(sources) != tuple(stems):
        changed = Spleeter(len(stems), sizes.activation, sizes.masks)
        old, new = network.state_dict(), {}
        # New stems are most often instruments: the accompaniment's U-Net, the last one, knows those.
        for place, stem in enumerate(stems):
            source = sources.index(stem) if stem in sources else len(sources) - 1
            for name, other in zip(_layers(place), _layers(source), strict=True):
                new.update(
                    {
                        f"{name}.{key.rpartition('.')[2]}": value.clone()
                        for key, value in old.items()
                        if key.rpartition(".")[0] == other
                    }
                )
        changed.load_state_dict(new)
        network = changed
    described = spleeter_sizes.description(tuple(stems), changed_sizes)
    return Student(
        network,
        MaskObjective(SPLEETER),
        spleeter_template(changed_sizes, described),
        learning_rate=3e-5 if little else 1e-4,  # a fast rate soon learns a few songs by heart
        relative=False,
        sizes={},
        batch=4,
        late=lambda name: "transpose" in name,
        fixed=lambda name: "moving_" in name,
        share=_share(sources, stems),
    )


def _layers(source: int) -> list[str]:
    convolutions, transposed, norms, last = spleeter_sizes.names(source)
    return [*convolutions, *transposed, *norms, last]
