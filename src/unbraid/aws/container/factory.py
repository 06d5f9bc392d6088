"""Build the invocation handler from the environment: for the server, and for the Lambda function."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from unbraid.aws import clients
from unbraid.aws.container.invocations import Invocations
from unbraid.aws.container.separators import ThreadSafeSeparators
from unbraid.aws.factory import open_sessions
from unbraid.aws.settings import Settings
from unbraid.jobs.leases import Leases
from unbraid.jobs.runner import clear_scratch


def open_invocations(settings: Settings) -> Invocations:
    """Build the handler over the table and bucket of `settings`, or without them. Raises SettingError, OSError."""
    if region := os.environ.get("AWS_REGION"):
        os.environ.setdefault("AWS_DEFAULT_REGION", region)  # boto3 reads this variable
    scratch = Path(tempfile.gettempdir(), "unbraid")
    clear_scratch(scratch)
    leases = Leases(open_sessions(settings, scratch)) if settings.table else None
    return Invocations(
        leases, settings.bucket or "", settings.limits, clients.client("s3"), ThreadSafeSeparators(), scratch
    )
