"""Settings of the container, besides those that all parts of the application in AWS share."""

from __future__ import annotations

from pydantic import Field

from unbraid.aws.settings import Settings


class ContainerSettings(Settings):
    """The settings of `aws.settings`, and these."""

    host: str = "0.0.0.0"
    port: int = Field(8080, ge=0, le=65535)
    concurrency: int | None = Field(None, ge=1)
    """Songs separated at once; None: as many as suit the device."""
