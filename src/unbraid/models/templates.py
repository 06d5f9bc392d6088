"""The graph that a model folder has: one of the shipped graphs, or one that was built from sizes."""

from __future__ import annotations

from typing import Any

from unbraid.models.folder import Model
from unbraid.models.graphs import GraphTemplate, shipped_template_of
from unbraid.models.roformer import CLASS_NAME, RoformerSizes, layout, read_sizes
from unbraid.models.roformer_graph import build_graph


def template_of(model: Model) -> GraphTemplate | None:
    """Return the shipped or built graph that equals the graph of `model`; None if there is none."""
    sizes = None if model.members else read_sizes(model.folder)
    if sizes is None:
        return shipped_template_of(model)
    template = roformer_template(sizes, {"sources": list(model.sources)})
    return template if template.built == model.graph.read_bytes() else None


def roformer_template(sizes: RoformerSizes, description: dict[str, Any]) -> GraphTemplate:
    """Return the graph for these sizes, with its description (see `unbraid.models.folder.Model`)."""
    tensors = layout(sizes)
    return GraphTemplate(
        name=CLASS_NAME.lower(),
        description={**description, "network": {"class": CLASS_NAME, "sizes": sizes.to_dict()}},
        class_name=CLASS_NAME,
        arguments={"sources": list(description["sources"]), "sizes": sizes.to_dict()},
        defaults={},
        tensors=tensors,
        built=build_graph(sizes, tensors),
    )
