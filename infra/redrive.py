"""`unbraid deploy --redrive`: repeat the messages of the dead-letter queue.

Amazon SQS itself moves only messages that came from another queue ("StartMessageMoveTask" in its API reference). This
queue also has those of Lambda functions, of SNS and of the table's stream, each in a form of its own.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from infra.account import Account
from infra.console import Stopped, say

SONGS = "songs put back into the queue"
NOTICES = "notifications about songs repeated"
OBSOLETE = "messages removed, because the upkeep or the page has made up for them"
UNKNOWN = "messages of an unknown form left in the queue"

HIDDEN_S = 300
"""How long a received message stays hidden from a second look: longer than the command runs."""


def redrive(account: Account) -> None:
    """Repeat or remove every message in the dead-letter queue, and print how many. Raises Stopped."""
    outputs = account.outputs()
    if "DeadLetters" not in outputs:
        raise Stopped(
            f"There is no stack {account.name} with a dead-letter queue in {account.region}. Run ./unbraid deploy."
        )
    sqs, counts = account.client("sqs"), Counter[str]()
    for message in _messages(sqs, outputs["DeadLetters"]):
        kind = _repeat(account, outputs, message["Body"])
        counts[kind] += 1
        if kind != UNKNOWN:
            sqs.delete_message(QueueUrl=outputs["DeadLetters"], ReceiptHandle=message["ReceiptHandle"])
    for kind, count in counts.items():
        say(f"{kind}: {count}")
    if not counts:
        say("the dead-letter queue is empty")


def _messages(sqs: Any, url: str) -> Iterator[dict[str, Any]]:
    """Yield all messages of a queue."""
    seen: set[str] = set()
    while True:
        # A long poll asks all servers of the queue; a short one may miss messages.
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, VisibilityTimeout=HIDDEN_S
        )
        new = [each for each in answer.get("Messages", []) if each["MessageId"] not in seen]
        if not new:
            return
        seen |= {each["MessageId"] for each in new}
        yield from new


def _repeat(account: Account, outputs: dict[str, str], body: str) -> str:
    """Repeat or discard one message, and return its kind for the summary."""
    try:
        message = json.loads(body)
    except ValueError:
        return UNKNOWN
    if not isinstance(message, dict):
        return UNKNOWN
    # A song: the request to the function that separates (--compute cpu).
    if "input_s3_uri" in message:
        if "SongsQueue" not in outputs:
            return OBSOLETE  # --compute has changed; the upkeep dispatches the song to the endpoint
        account.client("sqs").send_message(QueueUrl=outputs["SongsQueue"], MessageBody=body)
        return SONGS
    # A notification that SNS could not deliver to its function.
    if message.get("Type") == "Notification" and "TopicArn" in message:
        return _publish(account, [message])
    # An event that a function failed on. The upkeep runs again every minute, so only notifications are repeated.
    if "requestPayload" in message:
        payload = message["requestPayload"]
        records = payload.get("Records", []) if isinstance(payload, dict) else []
        return _publish(account, [record["Sns"] for record in records if "Sns" in record])
    # Where in the stream the failed changes are. Pages have asked for the current status since.
    return OBSOLETE if "DDBStreamBatchInfo" in message else UNKNOWN


def _publish(account: Account, notices: list[dict[str, Any]]) -> str:
    """Publish notifications again, whose only subscriber ignores those that no longer count."""
    for notice in notices:
        account.client("sns").publish(TopicArn=notice["TopicArn"], Message=notice["Message"])
    return NOTICES if notices else OBSOLETE
