"""What can be set of the container besides what all parts of the application have in common."""

from __future__ import annotations

from pydantic import Field

from unbraid.aws.settings import Settings


class ContainerSettings(Settings):
    """The settings, with those of the container alone."""

    host: str = "0.0.0.0"
    port: int = Field(8080, ge=0, le=65535)
    concurrency: int | None = Field(None, ge=1)
    """Songs that are separated at once; None: as suits what computes."""
