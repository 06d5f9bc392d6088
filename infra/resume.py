"""Start songs again after a deployment that removed the spending limit while machines were stopped.

The function that would start them is gone then, and CloudFormation doesn't see what it stopped.
"""

from __future__ import annotations

from infra.account import Account
from infra.settings import Settings


def resume(account: Account, settings: Settings) -> None:
    """Undo a stop, if there is no limit. Does nothing to machines that aren't stopped."""
    if settings.at_most_usd is not None:
        return
    if settings.compute == "gpu":
        account.client("cloudwatch").enable_alarm_actions(AlarmNames=[f"{account.name}-wake"])
        return
    functions = account.client("lambda")
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        if (
            f":function:{account.name}-separate:" in mapping["FunctionArn"] + ":"
            and mapping["State"] == "Disabled"
        ):
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
