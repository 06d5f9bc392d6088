"""Everything goes: `unbraid deploy --destroy`."""

from __future__ import annotations

from botocore.exceptions import WaiterError

from infra.account import Account
from infra.console import Stopped, ask, say
from infra.settings import STACK


def destroy(account: Account, yes: bool) -> None:
    """Delete the stack and all that is in it, songs and people too. Raises Stopped."""
    if account.stack() is None:
        raise Stopped(f"There is no stack {STACK} in {account.region} of account {account.number}.")
    ask(
        f"All songs, stems, sessions, images and people in the stack {STACK} ({account.region}, account "
        f"{account.number}) will be deleted, for good.",
        yes,
        STACK,
    )
    outputs = account.outputs()
    for name in ("SongsBucket", "PageBucket"):
        if name in outputs:
            say(f"emptying {outputs[name]}")
            account.session.resource("s3").Bucket(outputs[name]).objects.delete()
    say("deleting the stack, which takes up to a quarter of an hour")
    formation = account.client("cloudformation")
    formation.delete_stack(StackName=STACK)
    try:
        formation.get_waiter("stack_delete_complete").wait(StackName=STACK)
    except WaiterError:
        raise Stopped(
            f"The stack {STACK} could not be deleted whole: its events in CloudFormation say why. "
            "Where a bucket is not empty, a song came in between: run this again."
        ) from None
    say("all is gone but what the CDK has set up for all its apps: the stack CDKToolkit")
