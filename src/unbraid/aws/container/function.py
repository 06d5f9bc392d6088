"""The image as an AWS Lambda function that a queue feeds: `unbraid.aws.container.function.handler`.

A Lambda call lasts 15 minutes at most. A song that takes longer fails before that, with advice for its user. With
`unbraid deploy --keep-warm`, a schedule calls the function too, so that its process stays, with the model loaded.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

from aws_lambda_powertools.metrics import MetricUnit, single_metric

from unbraid.aws import logs
from unbraid.aws.container.factory import open_invocations
from unbraid.aws.container.invocations import Invocations
from unbraid.aws.container.requests import Invocation
from unbraid.aws.container.settings import ContainerSettings
from unbraid.aws.rollout import FAULTS, PROVE, SERVICE
from unbraid.errors import Fault, SettingError
from unbraid.jobs.messages import OVER_15_MINUTES, Failure
from unbraid.jobs.session import State

KEEP_WARM = {"task": "keep-warm"}  # the event of the schedule
MARGIN_S = 15.0  # before the deadline: enough for the segment in progress and for saving the failure

log = logging.getLogger(__name__)


class Context(Protocol):
    """The part of Lambda's context object that is used here."""

    def get_remaining_time_in_millis(self) -> int: ...


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Separate the songs of a batch of messages; return the messages that the queue has to deliver again.

    For the event of the schedule, only load the model; for that of a new image, separate a second of noise. Raises
    UnbraidError if that fails.
    """
    retries: list[dict[str, str]] = []
    if event == KEEP_WARM:
        _invocations().load_model()
        return {"batchItemFailures": retries}
    if event == PROVE:
        _invocations().prove()
        return {"batchItemFailures": retries}
    for record in event["Records"]:
        try:
            _separate(_invocations(), Invocation.parse(record["body"].encode()), context)
        except Exception:
            log.exception("a message could not be handled; it will be delivered again")
            _count_fault()
            retries.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": retries}


@cache
def _invocations() -> Invocations:
    """Built once per warm function; the model is loaded with the first song."""
    logs.set_up("container")
    return open_invocations(ContainerSettings.load())


def _separate(invocations: Invocations, invocation: Invocation, context: Context) -> None:
    """Separate one song, unless another worker has it or had it. Raises an exception if the work can't begin."""
    leases = invocations.leases
    if leases is None:
        raise SettingError("UNBRAID_TABLE is missing: the function only works on sessions of a table.")
    time_s = context.get_remaining_time_in_millis() / 1000 - MARGIN_S
    if time_s < MARGIN_S:
        raise TimeoutError("no time left for another song")
    job = invocations.begin(invocation, leases)
    if job is None:
        return
    thread = threading.Thread(target=invocations.run, args=(job, threading.Event()), name="song", daemon=True)
    thread.start()
    thread.join(time_s)
    if thread.is_alive():
        job.fail(Failure(OVER_15_MINUTES, Fault.SONG))  # the thread loses its lease and stops
        thread.join(MARGIN_S / 2)
    session = leases.sessions.store.get(invocation.session_id)
    if session is not None and session.state == State.FAILED and session.error_fault == Fault.OURS:
        _count_fault()


def _count_fault() -> None:
    """Count a fault of this version that isn't an error of the call: the alarm that takes a new image back sees it."""
    namespace = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Unbraid")
    with single_metric(name=FAULTS, unit=MetricUnit.Count, value=1, namespace=namespace) as metric:
        metric.add_dimension("service", SERVICE)
        metric.add_dimension("version", os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"))
