"""Training jobs of SageMaker: runs the container's real command `train` on folders, and copies files as SageMaker does.

Follows https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html, "Use
checkpoints in Amazon SageMaker AI" and "Managed Spot Training in Amazon SageMaker AI". Each machine has a folder of
its own in place of /opt/ml.
"""

from __future__ import annotations

import json
import signal
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
SYNC_EVERY_S = 0.1
KILLED_AFTER_S = 0.2  # SIGTERM, and 120 s later SIGKILL


class Refused(Exception):  # noqa: N818 - an answer
    """An error of a service, with its code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TrainingJobs:
    """All jobs. `command` starts the container's entry point; the folder of a machine is in `UNBRAID_TRAINING`.

    `interruptions`: how often AWS takes the machine back, each time after the first checkpoint is in the bucket.
    `waits`: no machine is free. `ends_early`: SecondaryStatus of jobs that stop without a machine. `refuses`: error of
    CreateTrainingJob. `described` is called for each DescribeTrainingJob.
    """

    def __init__(self, folder: Path, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._folder, self.command, self.environment = folder, command, dict(environment)
        self.jobs: dict[str, dict[str, Any]] = {}
        self.requests: list[dict[str, Any]] = []
        self.interruptions = 0
        self.ends_early: str | None = None
        self.waits = False
        self.refuses: Refused | None = None
        self.described: Callable[[], object] = lambda: None
        self._stopping: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []
        self._machines = 0

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer CreateTrainingJob."""
        if self.refuses is not None:
            raise self.refuses
        name = request["TrainingJobName"]
        if name in self.jobs:
            raise Refused("ResourceInUse", f"Training job {name} already exists")
        limits = request["StoppingCondition"]
        if request.get("EnableManagedSpotTraining"):
            assert limits["MaxWaitTimeInSeconds"] >= limits["MaxRuntimeInSeconds"]
        self.requests.append(request)
        self.jobs[name] = {"TrainingJobStatus": "InProgress", "SecondaryStatus": "Starting"}
        self._stopping[name] = threading.Event()
        thread = threading.Thread(target=self._run, args=(name, request), daemon=True)
        self._threads.append(thread)
        thread.start()
        return {"TrainingJobArn": f"arn:aws:sagemaker:eu-central-1:123456789012:training-job/{name}"}

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer DescribeTrainingJob."""
        self.described()
        return {"TrainingJobName": request["TrainingJobName"], **self._job(request)}

    def stop(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer StopTrainingJob."""
        job = self._job(request)
        if job["TrainingJobStatus"] != "InProgress":
            raise Refused(
                "ValidationException",
                "The training job is in status Stopped",
            )
        job["TrainingJobStatus"] = "Stopping"
        self._stopping[request["TrainingJobName"]].set()
        return {}

    def close(self) -> None:
        """End all machines."""
        for event in self._stopping.values():
            event.set()
        for thread in self._threads:
            thread.join(20)

    def _job(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.jobs[request["TrainingJobName"]]
        except KeyError:
            raise Refused("ValidationException", "Requested resource not found.") from None

    def _run(self, name: str, request: dict[str, Any]) -> None:
        job, stopping = self.jobs[name], self._stopping[name]
        if self.ends_early is not None:
            job.update(TrainingJobStatus="Stopped", SecondaryStatus=self.ends_early)
            return
        while self.waits and not stopping.is_set():
            job["SecondaryStatus"] = "Pending"
            time.sleep(SYNC_EVERY_S)
        began = time.monotonic()
        while not stopping.is_set():
            machine = _Machine(self._folder / f"machine-{self._machines}", request)
            self._machines += 1
            job["SecondaryStatus"] = "Downloading"
            machine.download()
            job["SecondaryStatus"] = "Training"
            interrupted = machine.run(
                self.command,
                self.environment,
                f"{name}/algo-1-{self._machines}",
                stopping,
                self.interruptions > 0,
            )
            if not interrupted:
                break
            self.interruptions -= 1
            job["SecondaryStatus"] = "Interrupted"
        job["BillableTimeInSeconds"] = max(1, round(time.monotonic() - began))
        if stopping.is_set():
            job.update(TrainingJobStatus="Stopped", SecondaryStatus="Stopped")
        elif machine.code:
            failure = machine.root / "output" / "failure"
            reason = failure.read_text("utf-8") if failure.exists() else ""
            job["FailureReason"] = f"AlgorithmError: {reason}, exit code: {machine.code}"
            job.update(TrainingJobStatus="Failed", SecondaryStatus="Failed")
        else:
            job["SecondaryStatus"] = "Uploading"
            machine.upload_model()
            job.update(TrainingJobStatus="Completed", SecondaryStatus="Completed")


class _Machine:
    """One machine of a job, with its folder `root`."""

    def __init__(self, root: Path, request: dict[str, Any]) -> None:
        self.root, self._request, self.code = root, request, 0
        self._s3, self._logs = boto3.client("s3"), boto3.client("logs")
        self._synced: dict[Path, tuple[int, int]] = {}

    def download(self) -> None:
        """Copy the channels and the checkpoints from the bucket."""
        for channel in self._request["InputDataConfig"]:
            url = channel["DataSource"]["S3DataSource"]["S3Uri"]
            self._copy(url, self.root / "input" / "data" / channel["ChannelName"])
        (self.root / "checkpoints").mkdir(parents=True)
        self._copy(self._request["CheckpointConfig"]["S3Uri"], self.root / "checkpoints")
        (self.root / "model").mkdir()
        (self.root / "output").mkdir()
        (self.root / "input" / "config").mkdir()
        hyperparameters = json.dumps(self._request.get("HyperParameters", {}))
        (self.root / "input" / "config" / "hyperparameters.json").write_text(hyperparameters)

    def run(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        stream: str,
        stopping: threading.Event,
        interrupt: bool,
    ) -> bool:
        """Run the container to its end, and return whether the machine was taken back before."""
        output = self.root / "stdout"
        with output.open("wb") as file:
            process = subprocess.Popen(
                command, env={**environment, "UNBRAID_TRAINING": str(self.root)}, stdout=file, stderr=file
            )
        self._logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=stream)
        read = taken = 0
        while True:
            ended = process.poll() is not None
            lines = output.read_bytes()[read:]
            lines = lines[: lines.rfind(b"\n") + 1]
            read += len(lines)
            self._log(stream, lines.decode().splitlines())
            checkpoint = self._sync()
            if ended:
                self.code = process.returncode
                return bool(taken)
            if stopping.is_set() or (interrupt and checkpoint):
                taken = interrupt and not stopping.is_set()
                process.send_signal(signal.SIGTERM)
                time.sleep(KILLED_AFTER_S)
                process.kill()
                process.wait()
            else:
                time.sleep(SYNC_EVERY_S)

    def upload_model(self) -> None:
        """Pack the model, as SageMaker does, and copy it to the bucket."""
        archive = self.root / "model.tar.gz"
        with tarfile.open(archive, "w:gz") as file:
            file.add(self.root / "model", ".")
        bucket, prefix = _split(self._request["OutputDataConfig"]["S3OutputPath"])
        key = f"{prefix.rstrip('/')}/{self._request['TrainingJobName']}/output/model.tar.gz"
        self._s3.upload_file(str(archive), bucket, key)

    def _sync(self) -> bool:
        """Copy changed checkpoints to the bucket. Return whether one with weights is there."""
        bucket, prefix = _split(self._request["CheckpointConfig"]["S3Uri"])
        folder, complete = self.root / "checkpoints", False
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            try:
                state = (path.stat().st_mtime_ns, path.stat().st_size)
                if self._synced.get(path) != state:
                    key = f"{prefix.rstrip('/')}/{path.relative_to(folder).as_posix()}"
                    self._s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
                    self._synced[path] = state
            except FileNotFoundError:  # replaced meanwhile
                continue
            complete = complete or path.name == "checkpoint.pt"
        return complete

    def _copy(self, url: str, target: Path) -> None:
        bucket, prefix = _split(url)
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for key in (each["Key"] for page in pages for each in page.get("Contents", [])):
            path = target / key.removeprefix(prefix).lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._s3.download_file(bucket, key, str(path))

    def _log(self, stream: str, lines: Sequence[str]) -> None:
        if lines:
            events = [{"timestamp": int(time.time() * 1000), "message": line} for line in lines if line]
            self._logs.put_log_events(logGroupName=LOG_GROUP, logStreamName=stream, logEvents=events)


def _split(url: str) -> tuple[str, str]:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    return bucket, prefix
