"""Checks of the tensors of a checkpoint, by their names and shapes, for all families."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from unbraid.models.checkpoint_config import CheckpointConfig

Shapes = Mapping[str, tuple[int, ...]]


def check_shapes(shapes: Shapes, needed: Shapes, unused: re.Pattern[str] | None = None) -> None:
    """Raise ValueError unless `shapes` are exactly the `needed` ones. Names that match `unused` may be there too."""
    for name, shape in needed.items():
        if shapes.get(name) != shape:
            found = " x ".join(map(str, shapes[name])) if name in shapes else "missing"
            raise ValueError(f"{name} is {found}, and should be {' x '.join(map(str, shape))}")
    for name in shapes:
        if name not in needed and not (unused and unused.fullmatch(name)):
            raise ValueError(f"it has a tensor that Unbraid doesn't know, {name:.80}")


def check_settings(settings: CheckpointConfig, sizes: Any, names: Mapping[str, str], stems: int) -> None:
    """Raise ValueError unless a config agrees with the sizes of the weights.

    `names`: of the sizes, by the settings of the section `model`, which may leave them out.
    """
    for key, name in names.items():
        found = getattr(sizes, name)
        expected = list(found) if isinstance(found, tuple) else found
        if key in settings.model and settings.model[key] != expected:
            raise ValueError(f"model.{key} is {settings.model[key]!r} there, and {expected} in the weights")
    if stems != len(settings.sources):
        raise ValueError(f"it estimates {stems} stems, and the config names {', '.join(settings.sources)}")


def highest(shapes: Shapes, pattern: str, family: str) -> int:
    """Return the highest number after `pattern` in the names, plus one. Raises ValueError if there is none."""
    matches = (re.match(pattern, name) for name in shapes)
    numbers = [int(match[1]) for match in matches if match]
    if not numbers or max(numbers) > len(shapes):
        raise ValueError(f"it is no {family}")
    return max(numbers) + 1
