"""The spending limit: reckon what the machines cost this month, and stop them once it is reached.

AWS Budgets knows the cost of the whole account, but hours later: it updates up to three times a day (Cost Management
User Guide, "Managing your costs with AWS Budgets"). So this counts the machines' time by CloudWatch, which knows it
within minutes.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from unbraid.aws import clients
from unbraid.errors import Busy
from unbraid.s3.errors import code_of

ITEM = "spending"
"""Key of the item in the table of sessions while machines are stopped. No session has an id this short."""

HOUR_S = 3600
MINUTES_PER_HOUR, MS_PER_HOUR = 60.0, 3_600_000.0


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month in UTC, as AWS bills."""

    start: datetime.datetime
    end: datetime.datetime

    @classmethod
    def of(cls, time_s: float) -> Month:
        """Return the month of a time in seconds since 1970."""
        now = datetime.datetime.fromtimestamp(time_s, datetime.UTC)
        start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return cls(start, (start + datetime.timedelta(days=32)).replace(day=1))


class Stopped:
    """The item that says until when no song may be started."""

    def __init__(self, table: str) -> None:
        self._table = table

    @cached_property
    def _db(self) -> Any:
        return clients.client("dynamodb")

    def until(self) -> float | None:
        """Return the end of the stop in seconds since 1970; None: songs may be started."""
        item = self._db.get_item(TableName=self._table, Key={"id": {"S": ITEM}}).get("Item")
        return None if item is None else float(item["until"]["N"])

    def set(self, until: float) -> None:
        """Allow no song until then."""
        item = {"id": {"S": ITEM}, "until": {"N": str(until)}, "ttl": {"N": str(math.ceil(until) + HOUR_S)}}
        self._db.put_item(TableName=self._table, Item=item)

    def clear(self) -> None:
        """Allow songs again."""
        self._db.delete_item(TableName=self._table, Key={"id": {"S": ITEM}})

    def check(self, now: float) -> None:
        """Raise Busy if no song may be started now."""
        until = self.until()
        if until is not None and now < until:
            day = datetime.datetime.fromtimestamp(until, datetime.UTC)
            raise Busy(
                f"This app has reached its spending limit for this month. It separates songs again from {day:%B} "
                f"{day.day}. The administrator can raise the limit earlier."
            )


class EndpointMachines:
    """The instances of the endpoint, and the alarm that starts the first one."""

    def __init__(self, endpoint: str, variant: str, wake: str) -> None:
        self._endpoint, self._variant, self._wake = endpoint, variant, wake

    def hours(self, month: Month, now: float) -> float:
        """Return how many hours all instances together ran: each publishes its load once a minute."""
        dimensions = {"EndpointName": self._endpoint, "VariantName": self._variant}
        return (
            _total("/aws/sagemaker/Endpoints", "CPUUtilization", "SampleCount", dimensions, month, now)
            / MINUTES_PER_HOUR
        )

    def stop(self) -> None:
        """Stop all instances, and let no song start one. Waiting songs stay in SageMaker's queue."""
        clients.client("cloudwatch").disable_alarm_actions(AlarmNames=[self._wake])
        try:
            clients.client("sagemaker").update_endpoint_weights_and_capacities(
                EndpointName=self._endpoint,
                DesiredWeightsAndCapacities=[{"VariantName": self._variant, "DesiredInstanceCount": 0}],
            )
        except ClientError as error:
            # There is no image yet, or the endpoint is being updated: the next run tries again.
            if code_of(error) != "ValidationException":
                raise

    def start(self) -> None:
        """Let songs start instances again. The alarm repeats its action while a song waits."""
        clients.client("cloudwatch").enable_alarm_actions(AlarmNames=[self._wake])


class FunctionMachines:
    """The function that separates songs, and its connection to the queue."""

    def __init__(self, function: str) -> None:
        self._function = function

    def hours(self, month: Month, now: float) -> float:
        """Return how many hours all calls together took."""
        dimensions = {"FunctionName": self._function}
        return _total("AWS/Lambda", "Duration", "Sum", dimensions, month, now) / MS_PER_HOUR

    def stop(self) -> None:
        """Take no more songs from the queue. Those in progress end within 15 minutes."""
        self._connect(False)

    def start(self) -> None:
        """Take songs from the queue again."""
        self._connect(True)

    def _connect(self, enabled: bool) -> None:
        lambda_ = clients.client("lambda")
        for page in lambda_.get_paginator("list_event_source_mappings").paginate():
            for mapping in page["EventSourceMappings"]:
                # The mapping names the function's alias.
                if f":function:{self._function}:" in mapping["FunctionArn"] + ":":
                    lambda_.update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled)


@dataclass(frozen=True, slots=True)
class SpendingLimit:
    """At most `usd` a month for machines that cost `usd_per_hour` each."""

    usd: float
    usd_per_hour: float
    machines: EndpointMachines | FunctionMachines
    stopped: Stopped

    def apply(self, now: float) -> tuple[float, bool | None]:
        """Stop or start the machines.

        Returns this month's cost, and True if they were stopped just now, False if started, None if nothing changed.
        """
        month = Month.of(now)
        cost = self.machines.hours(month, now) * self.usd_per_hour
        before = self.stopped.until()
        if cost >= self.usd:
            self.stopped.set(month.end.timestamp())
            # Every time, because a deployment starts an instance, and the alarm's actions again.
            self.machines.stop()
            return cost, None if before is not None and before > now else True
        if before is None:
            return cost, None
        self.machines.start()
        self.stopped.clear()
        return cost, False


def _total(
    namespace: str, metric: str, statistic: str, dimensions: dict[str, str], month: Month, now: float
) -> float:
    """Return the sum of a statistic over the hours of a month so far."""
    answer = clients.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=month.start,
        EndTime=datetime.datetime.fromtimestamp(now, datetime.UTC) + datetime.timedelta(seconds=1),
        Period=HOUR_S,  # at most 744 of the 1,440 values that one answer may have
        Statistics=[statistic],
    )
    return float(sum(point[statistic] for point in answer["Datapoints"]))
