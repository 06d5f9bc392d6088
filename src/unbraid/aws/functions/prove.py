"""Hook of CodeDeploy: let a new version of the function that separates prove itself, and report the result."""

from __future__ import annotations

from typing import Any

from unbraid.aws import clients, handlers, rollout
from unbraid.aws.handlers import Event, logger

MARGIN_S = 30.0
"""Time left to report a version that doesn't answer. Without a report, CodeDeploy waits for an hour."""


def prove(event: Event, context: Any) -> None:
    """Report whether the new version separates a second of sound. Lambda would repeat a call that raises an error."""
    status = "Failed"
    try:
        version = handlers.settings().new_version
        assert version is not None
        rollout.prove(version, context.get_remaining_time_in_millis() / 1000 - MARGIN_S)
        status = "Succeeded"
    except Exception:
        logger.exception("the new image did not separate a second of sound")
    clients.client("codedeploy").put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status=status,
    )


handler = handlers.watched(prove)
