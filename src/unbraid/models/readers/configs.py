"""Read the YAML file beside a published checkpoint: settings of the network, of its training and of its use.

Training programs write such files. A few of them mark lists with the tag `!!python/tuple`, which Python's YAML loader
would build as an object. Here the tag means a plain list, and every other tag is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from unbraid.errors import ModelError
from unbraid.files.oserrors import read_cause

LONGEST = 1 << 16  # bytes; published files have up to 5,000
DEEPEST = 8  # published files have 4 levels
TUPLE = "tag:yaml.org,2002:python/tuple"


def read_config(path: Path) -> dict[str, dict[str, Any]]:
    """Return the sections of a config. Raises ModelError if it is no YAML file of sections."""

    class Loader(yaml.SafeLoader):
        """The safe loader, for which a tuple is a list."""

    yaml.add_constructor(TUPLE, Loader.construct_yaml_seq, Loader)
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST + 1)
        if len(content) > LONGEST:
            raise ValueError("it is too long")
        # References could double the content at every level, and deep nesting takes seconds. Events don't follow
        # references, and are read one after the other.
        depth = 0
        for event in yaml.parse(content, yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise ValueError("it has references (*)")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise ValueError("its lists are nested too deeply")
        sections = _loaded(content, Loader)
        if not isinstance(sections, dict) or not all(isinstance(name, str) for name in sections):
            raise ValueError("it isn't a list of names with values")
        return sections
    except OSError as error:
        raise ModelError(f"can't be read: {read_cause(error)}.", subject=str(path)) from error
    except yaml.constructor.ConstructorError as error:
        raise _unusable(path, f"it has an entry that settings don't need ({error.problem})") from error
    # RecursionError: deeply nested lists.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _unusable(path, str(error) if type(error) is ValueError else "it is not YAML") from error


def _loaded(content: bytes, loader: type[yaml.SafeLoader]) -> Any:
    """Build the content. Raises YAMLError."""
    try:
        return yaml.load(content, loader)
    # Dates such as 2020-99-99, and numbers without digits.
    except (ValueError, AttributeError, LookupError, TypeError, OverflowError) as error:
        raise yaml.YAMLError(str(error)) from error


def _unusable(path: Path, reason: str) -> ModelError:
    return ModelError(f"can't be used as the config of a model: {reason}. Get it again.", subject=str(path))
