"""`unbraid deploy --destroy`: delete everything."""

from __future__ import annotations

from botocore.exceptions import WaiterError

from infra.account import Account
from infra.console import Stopped, ask, say
from infra.settings import STACK


def destroy(account: Account, yes: bool) -> None:
    """Delete the stack with all songs and users. Raises Stopped."""
    if account.stack() is None:
        raise Stopped(f"There is no stack {STACK} in {account.region} of account {account.number}.")
    ask(
        f"All songs, stems, sessions, images and users in the stack {STACK} ({account.region}, account "
        f"{account.number}) will be deleted permanently.",
        yes,
        STACK,
    )
    outputs = account.outputs()
    for name in ("SongsBucket", "PageBucket"):
        if name in outputs:
            say(f"emptying {outputs[name]}")
            account.session.resource("s3").Bucket(outputs[name]).objects.delete()
    say("deleting the stack (up to 15 minutes)")
    formation = account.client("cloudformation")
    formation.delete_stack(StackName=STACK)
    try:
        formation.get_waiter("stack_delete_complete").wait(StackName=STACK)
    except WaiterError:
        raise Stopped(
            f"The stack {STACK} could not be deleted completely. Its events in CloudFormation say why. "
            "If a bucket isn't empty, a song was uploaded during the deletion: run this again."
        ) from None
    say("everything is deleted, except the stack CDKToolkit, which all CDK apps share")
