"""What decides how the files of a song sound: the model and the options. Two equal recipes give the same files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unbraid.models import Model
from unbraid.models.folder import DESCRIPTION

if TYPE_CHECKING:
    from unbraid.separation.pipeline import Pipeline
    from unbraid.separation.runs import Run


@dataclass(frozen=True, slots=True)
class Recipe:
    """A model and the options of a separation. Values are those of JSON, so that a record can be compared."""

    model: str
    """Name of the model."""
    version: str
    """Version of the model and checksum of its description, which has the checksums of its files."""
    options: Mapping[str, Any]
    """Options that differ from None, by their name in Python."""


def recipe_of(pipeline: Pipeline, **options: Any) -> Recipe:
    """Describe a separation by `pipeline` with `options` of `separate_to_files`."""
    runs = [[part.model.name, *map(_described, part.runs)] for part in pipeline.plan.all_parts]
    given = {name: value for name, value in options.items() if value is not None}
    as_read = json.loads(json.dumps({"runs": runs, **given}))  # lists instead of tuples
    return Recipe(pipeline.model.name, pipeline.version, as_read)


def _described(run: Run) -> tuple[float | str, ...]:
    chunks = () if run.chunks == "own" else (run.chunks,)  # records of older versions have none
    return run.length, run.overlap, run.shift, *chunks


def model_version(model: Model) -> str:
    """Return the version of a model, with a checksum of the descriptions of all its networks and their weights."""
    digest = hashlib.sha256()
    for one in (model, *model.networks):
        with suppress(OSError):  # a model in memory that has only a graph
            digest.update((one.folder / DESCRIPTION).read_bytes())
    if model.ensemble is not None:
        members = [dict(sorted(member.weights.items())) for member in model.ensemble.members]
        digest.update(f"{model.ensemble.combine} {members}".encode())
    return f"{model.version} {digest.hexdigest()[:16]}"
