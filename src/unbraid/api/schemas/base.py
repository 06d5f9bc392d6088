"""Types and examples that several schemas have."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, Strict, StringConstraints

EXAMPLE_ID = "q3Jx0b8hQh2m7d1kXgVvT5sLrZyWc9Ae"
MAX_IDS = 1000  # in one request; the setting `max_batch` limits the songs of a batch

# Printable ASCII, which every store can hold. Whether the session exists is checked later.
Id = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,128}$")]
Ids = Annotated[list[Id], Field(min_length=1, max_length=MAX_IDS)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Stems = Annotated[str, StringConstraints(min_length=1, max_length=500)]
# Strict: `true` is no time.
Time = Annotated[float, Strict()] | Annotated[str, StringConstraints(max_length=20)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=100)]

# `from` is a keyword of Python, so the attribute has another name.
AS_FROM = ConfigDict(serialize_by_alias=True)


def example(**fields: Any) -> ConfigDict:
    """Return the configuration of a schema with an example for the description of the API."""
    return ConfigDict(json_schema_extra={"examples": [fields]})
