"""What an invocation needs of the world, put together from the environment: in the server, and in the function."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from unbraid.aws import clients
from unbraid.aws.container.invocations import Calls
from unbraid.aws.container.loading import Shared
from unbraid.aws.factory import open_service
from unbraid.aws.settings import Settings
from unbraid.jobs.runner import clear_scratch


def open_calls(settings: Settings) -> Calls:
    """Over the table and the bucket that `settings` name, or without them. Raises SettingError and OSError."""
    if region := os.environ.get("AWS_REGION"):
        os.environ.setdefault("AWS_DEFAULT_REGION", region)  # the one that boto3 reads
    scratch = Path(tempfile.gettempdir(), "unbraid")
    clear_scratch(scratch)
    service = open_service(settings, scratch) if settings.table else None
    return Calls(service, settings.bucket or "", settings.limits, clients.client("s3"), Shared(), scratch)
