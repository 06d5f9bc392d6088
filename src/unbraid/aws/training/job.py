"""A training job of SageMaker: create it, look at it, read its events, stop it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from unbraid.aws.training.bucket import CHECKPOINTS, MATERIAL, RESULTS, Folder
from unbraid.aws.training.deployment import Deployment
from unbraid.aws.training.names import LOG_GROUP
from unbraid.aws.training.state import State
from unbraid.errors import SettingError, Unavailable
from unbraid.s3.errors import code_of

HOUR = 3600
LONGEST_WAIT_H = 24
"""How long a job may wait for spot machines, all waits together."""
MOST_HOURS = 120
"""Longest training. With the wait, it ends before the bucket deletes the songs."""
CHANNEL = "material"
LOG_DAYS = 30
ENDED = ("Completed", "Failed", "Stopped")


def request_of(state: State, deployment: Deployment, image: str) -> dict[str, Any]:
    """Return the request for the job of a training."""
    folder = Folder(deployment, state.prefix)
    stopping = {"MaxRuntimeInSeconds": state.most_hours * HOUR}
    if state.spot:
        stopping["MaxWaitTimeInSeconds"] = (state.most_hours + LONGEST_WAIT_H) * HOUR
    return {
        "TrainingJobName": state.job,
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "RoleArn": deployment.role,
        "InputDataConfig": [
            {
                "ChannelName": CHANNEL,
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": folder.url(MATERIAL),
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
        ],
        "OutputDataConfig": {"S3OutputPath": folder.url(RESULTS.rstrip("/"))},
        "CheckpointConfig": {"S3Uri": folder.url(CHECKPOINTS)},
        "ResourceConfig": {
            "InstanceType": state.instance,
            "InstanceCount": 1,
            "VolumeSizeInGB": state.volume_gb,
        },
        "StoppingCondition": stopping,
        "EnableManagedSpotTraining": state.spot,
        # The container reaches neither the network nor AWS, and gets no credentials. SageMaker itself copies the files.
        "EnableNetworkIsolation": True,
        "Tags": [{"Key": "application", "Value": deployment.name}],
    }


@dataclass(frozen=True)
class Status:
    """What SageMaker says about a job."""

    status: str
    """InProgress, Stopping, or one of ENDED."""
    phase: str
    """SecondaryStatus, such as Starting, Training, Interrupted."""
    reason: str
    """Why it failed."""
    billed_s: int
    """Billed seconds at the price on demand, so fewer than it ran on a spot machine; 0 before the end."""

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.status in ENDED


class Job:
    """The job of a training."""

    def __init__(self, deployment: Deployment, name: str) -> None:
        self._jobs, self._logs, self.name = deployment.client("sagemaker"), deployment.client("logs"), name
        self._tokens: dict[str, str] = {}

    def create(self, request: Mapping[str, Any]) -> None:
        """Create the job. Raises SettingError if this account or region doesn't allow it."""
        with suppress(self._logs.exceptions.ResourceAlreadyExistsException):
            # Jobs share this log. One that AWS creates keeps its lines for good.
            self._logs.create_log_group(logGroupName=LOG_GROUP)
            self._logs.put_retention_policy(logGroupName=LOG_GROUP, retentionInDays=LOG_DAYS)
        try:
            self._jobs.create_training_job(**request)
        except ClientError as error:
            instance, code = request["ResourceConfig"]["InstanceType"], code_of(error)
            message = error.response["Error"].get("Message", "")
            if code == "ResourceLimitExceeded":
                raise SettingError(
                    f"AWS doesn't allow this account a training on {instance}: {message} Ask AWS for more, or choose "
                    "another --instance, or --on-demand."
                ) from None
            if code == "ValidationException":
                raise SettingError(
                    f"AWS refuses a training on {instance}: {message} Choose another --instance."
                ) from None
            raise

    def status(self) -> Status:
        """Return what SageMaker says. Raises Unavailable if the job is gone."""
        try:
            found = self._jobs.describe_training_job(TrainingJobName=self.name)
        except ClientError as error:
            if "not found" not in str(error).lower() and "does not exist" not in str(error):
                raise
            raise Unavailable(f"AWS knows no training job {self.name}.") from None
        return Status(
            found["TrainingJobStatus"],
            found.get("SecondaryStatus", ""),
            found.get("FailureReason", ""),
            found.get("BillableTimeInSeconds", 0),
        )

    def stop(self) -> None:
        """Ask SageMaker to stop the job. One that has ended stays as it is."""
        try:
            self._jobs.stop_training_job(TrainingJobName=self.name)
        except ClientError as error:
            if code_of(error) != "ValidationException":
                raise

    def events(self) -> list[Mapping[str, Any]]:
        """Return the events of the training that the log has since the last call. Only the last progress is of use."""
        with suppress(self._logs.exceptions.ResourceNotFoundException):
            # Each machine that continues the job has a log of its own; their names have the time of their start.
            found = [event for stream in sorted(self._streams()) for event in self._read(stream)]
            last = len(found) - 1
            return [event for n, event in enumerate(found) if event["event"] != "progress" or n == last]
        return []

    def _read(self, stream: str) -> Iterator[Mapping[str, Any]]:
        while True:
            token = {"nextToken": self._tokens[stream]} if stream in self._tokens else {}
            found = self._logs.get_log_events(
                logGroupName=LOG_GROUP, logStreamName=stream, startFromHead=True, **token
            )
            yield from filter(None, (_event(line["message"]) for line in found["events"]))
            if found["nextForwardToken"] == self._tokens.get(stream):
                return
            self._tokens[stream] = found["nextForwardToken"]

    def delete_log(self) -> None:
        """Delete the log of the job."""
        with suppress(self._logs.exceptions.ResourceNotFoundException):
            for stream in self._streams():
                self._logs.delete_log_stream(logGroupName=LOG_GROUP, logStreamName=stream)

    def _streams(self) -> list[str]:
        found = self._logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{self.name}/")
        return [stream["logStreamName"] for stream in found["logStreams"]]


def _event(line: str) -> Mapping[str, Any] | None:
    """Return the event of a line of the log; None for other lines."""
    with suppress(ValueError):
        event = json.loads(line)
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            return event
    return None
