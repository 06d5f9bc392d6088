"""Settings of the container, in addition to the common settings of the AWS application."""

from __future__ import annotations

from pydantic import Field

from unbraid.aws.settings import Settings


class ContainerSettings(Settings):
    """The settings of `aws.settings`, and settings of the container only."""

    host: str = "0.0.0.0"
    port: int = Field(8080, ge=0, le=65535)
    concurrency: int | None = Field(None, ge=1)
    """Songs separated at the same time; None: as many as suit the device."""
