"""`unbraid deploy --destroy`: delete everything."""

from __future__ import annotations

from botocore.exceptions import WaiterError

from infra.account import Account
from infra.console import Stopped, ask, say


def destroy(account: Account, yes: bool) -> None:
    """Delete the stacks with all songs and users. Raises Stopped."""
    # The page's stack needs the main one, so it goes first.
    stacks = [name for name in (account.page_name, account.name) if account.stack(name) is not None]
    if not stacks:
        raise Stopped(f"There is no stack {account.name} in {account.region} of account {account.number}.")
    ask(
        f"All songs, stems, sessions, images and users in the stack {account.name} ({account.region}, account "
        f"{account.number}) will be deleted permanently.",
        yes,
        account.name,
    )
    for name in stacks:
        delete(account, name)
    say("everything is deleted, except the stack CDKToolkit, which all CDK apps share")


def delete(account: Account, stack: str) -> None:
    """Empty the buckets of a stack and delete it. Raises Stopped."""
    outputs = account.outputs(stack)
    for name in ("SongsBucket", "PageBucket"):
        if name in outputs:
            say(f"emptying {outputs[name]}")
            account.session.resource("s3").Bucket(outputs[name]).objects.delete()
    say(f"deleting the stack {stack} (up to 15 minutes)")
    formation = account.client("cloudformation")
    formation.delete_stack(StackName=stack)
    try:
        formation.get_waiter("stack_delete_complete").wait(StackName=stack)
    except WaiterError:
        raise Stopped(
            f"The stack {stack} could not be deleted completely. Its events in CloudFormation say why. "
            "If a bucket isn't empty, a song was uploaded during the deletion: run this again."
        ) from None
