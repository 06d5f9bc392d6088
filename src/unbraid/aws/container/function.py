"""The image as a function of AWS Lambda, fed by a queue: `unbraid.aws.container.function.handler`.

A function has 15 minutes. A song that would take longer fails in words before they are over.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

from unbraid.aws.container import logs
from unbraid.aws.container.factory import open_calls
from unbraid.aws.container.invocations import Calls
from unbraid.aws.container.requests import Invocation
from unbraid.aws.container.settings import ContainerSettings
from unbraid.errors import SettingError

MARGIN_S = 15.0  # before the deadline: for a segment that is being computed, and to tell
TOO_LONG = (
    "Separating this song takes longer than the 15 minutes that there are here."
    " Choose a smaller model, such as lite, or cut the song in parts."
)

log = logging.getLogger(__name__)


class Context(Protocol):
    """What Lambda tells of a call."""

    def get_remaining_time_in_millis(self) -> int: ...


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Separate the songs of a batch of messages; those that have to be delivered again."""
    again = []
    for record in event["Records"]:
        try:
            _separate(_calls(), Invocation.parse(record["body"].encode()), context)
        except Exception:
            log.exception("a message can't be worked on; it is delivered again")
            again.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": again}


@cache
def _calls() -> Calls:
    """Once for as long as the function stays warm; the model is loaded with the first song."""
    logs.set_up()
    return open_calls(ContainerSettings.load())


def _separate(calls: Calls, invocation: Invocation, context: Context) -> None:
    """Separate one song unless somebody does or has. Raises UnbraidError, and what makes it impossible to begin."""
    service = calls.service
    if service is None:
        raise SettingError("UNBRAID_TABLE is missing: a function works for sessions alone.")
    time_s = context.get_remaining_time_in_millis() / 1000 - MARGIN_S
    if time_s < MARGIN_S:
        raise TimeoutError("there is no time left for another song")
    session = calls.begin(invocation, service)
    if session is None:
        return
    thread = threading.Thread(
        target=calls.run, args=(session, service, threading.Event()), name="song", daemon=True
    )
    thread.start()
    thread.join(time_s)
    if thread.is_alive():
        assert session.worker is not None
        service.fail(session.id, session.worker, TOO_LONG)  # by which the thread sees that it is over
        thread.join(MARGIN_S / 2)
