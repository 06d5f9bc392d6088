"""The graph that a model folder has: one of the shipped graphs, or one that was built from sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from unbraid.models import (
    lite,
    lite_graph,
    mdx23c,
    mdx23c_graph,
    roformer,
    roformer_graph,
    spleeter,
    spleeter_graph,
)
from unbraid.models.architectures import BY_CLASS
from unbraid.models.float32_graph import QUANTISED, float32_template
from unbraid.models.folder import Model, read_network
from unbraid.models.graphs import (
    GraphTemplate,
    TensorPlace,
    names_of,
    place_tensors,
    shipped_template_of,
)
from unbraid.models.lite import LiteConfig
from unbraid.models.mdx23c import Mdx23cSizes
from unbraid.models.roformer import RoformerSizes
from unbraid.models.spleeter import SpleeterSizes


def template_of(model: Model) -> GraphTemplate | None:
    """Return the shipped or built graph that equals the graph of `model`; None if there is none."""
    network = {} if model.members else read_network(model.folder)
    build = _BUILT.get(network.get("class", ""))
    if build is None:
        return shipped_template_of(model) or _float32_template_of(model)
    template = build(network["sizes"], {"sources": list(model.sources)})
    return template if template.built == model.graph.read_bytes() else None


def default_segment(model: Model) -> int:
    """Return the samples of a segment unless the user asks for others: as published, or fewer to save memory."""
    if model.fixed_length is not False or model.ensemble is not None:
        return model.segment  # other networks would compute silence in place of the samples that are left out
    template = template_of(model)
    longest_s = None if template is None else BY_CLASS[template.class_name].longest_default_s
    return model.segment if longest_s is None else min(model.segment, round(longest_s * model.sample_rate))


def _float32_template_of(model: Model) -> GraphTemplate | None:
    graph = model.graph.read_bytes()
    known = map(float32_template, names_of(QUANTISED))
    return next((template for template in known if template.built == graph), None)


def roformer_template(sizes: RoformerSizes, description: dict[str, Any]) -> GraphTemplate:
    """Return the graph for these sizes, with its description (see `unbraid.models.folder.Model`)."""
    tensors = place_tensors(sizes.shapes())
    graph = roformer_graph.build_graph(sizes, tensors)
    return _template(roformer.CLASS_NAME, sizes, description, tensors, graph)


def mdx23c_template(sizes: Mdx23cSizes, description: dict[str, Any]) -> GraphTemplate:
    """Return the graph for these sizes, with its description (see `unbraid.models.folder.Model`)."""
    # Rounding to float16 gave errors of -40 dB with seeded weights (docs/decisions/0041).
    tensors = place_tensors(sizes.shapes(), half=False)
    graph = mdx23c_graph.build_graph(sizes, tensors)
    return _template(mdx23c.CLASS_NAME, sizes, description, tensors, graph)


def lite_template(sizes: LiteConfig, description: dict[str, Any]) -> GraphTemplate:
    """Return the graph for these sizes, with its description (see `unbraid.models.folder.Model`)."""
    tensors = place_tensors(sizes.shapes())
    return _template(lite.CLASS_NAME, sizes, description, tensors, lite_graph.build_graph(sizes, tensors))


def spleeter_template(sizes: SpleeterSizes, description: dict[str, Any]) -> GraphTemplate:
    """Return the graph for these sizes, with its description (see `unbraid.models.folder.Model`)."""
    tensors = place_tensors(sizes.shapes(), half=False)
    graph = spleeter_graph.build_graph(sizes, tensors)
    template = _template(spleeter.CLASS_NAME, sizes, description, tensors, graph)
    return replace(template, arguments={**template.arguments, **sizes.to_dict()})


def _template(
    class_name: str,
    sizes: LiteConfig | SpleeterSizes | RoformerSizes | Mdx23cSizes,
    description: dict[str, Any],
    tensors: tuple[TensorPlace, ...],
    graph: bytes,
) -> GraphTemplate:
    return GraphTemplate(
        name=class_name.lower(),
        description={**description, "network": {"class": class_name, "sizes": sizes.to_dict()}},
        class_name=class_name,
        arguments={"sources": list(description["sources"]), "sizes": sizes.to_dict()},
        defaults={},
        tensors=tensors,
        built=graph,
    )


_BUILT: Mapping[str, Callable[[dict[str, Any], dict[str, Any]], GraphTemplate]] = {
    lite.CLASS_NAME: lambda sizes, described: lite_template(LiteConfig.from_dict(sizes), described),
    spleeter.CLASS_NAME: lambda sizes, described: spleeter_template(
        SpleeterSizes.from_dict(sizes), described
    ),
    roformer.CLASS_NAME: lambda sizes, described: roformer_template(
        RoformerSizes.from_dict(sizes), described
    ),
    mdx23c.CLASS_NAME: lambda sizes, described: mdx23c_template(Mdx23cSizes.from_dict(sizes), described),
}
