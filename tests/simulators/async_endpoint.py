"""SageMaker asynchronous inference: accepts calls, queues them, and posts their inputs to containers.

`InvokeEndpointAsync` is answered at once. The input objects in S3 are posted to the containers, a limited number at a
time for each. Results and errors go to S3, and a notice of each to SNS. `AutoScaling` sets the number of containers,
which is zero at first. Follows https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference.html.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from tests.simulators.auto_scaling import AutoScaling
from tests.simulators.cloudformation import REGION, Template
from tests.simulators.endpoint_instance import ContainerGone, EndpointInstance, InvocationTimedOut

# Without `serve`, which would give up the rights of a root user, whose folders the tests use.
COMMAND = [sys.executable, "-m", "unbraid.aws.container.server"]
TICK_S = 0.05


@dataclass
class Call:
    """One accepted call."""

    inference_id: str
    location: str
    headers: dict[str, str]
    ttl_s: float
    within_s: float
    output: str
    failure: str
    received: float = field(default_factory=time.time)


class AsyncEndpoint:
    """The endpoint of a template.

    `s3` and `sns`: clients that act as the model's role, as the service itself does. `environment`: variables of the
    containers in addition to those of the template.
    """

    def __init__(
        self, template: Template, s3: Any, sns: Any, environment: Mapping[str, str], log: Path
    ) -> None:
        (logical,) = template.ids("AWS::SageMaker::Endpoint")
        endpoint = template.properties(logical)
        self.name = template.name(logical)
        config = self._config(template, endpoint["EndpointConfigName"])
        (variant,) = config["ProductionVariants"]
        models = template.of_type("AWS::SageMaker::Model").items()
        (model,) = (properties for key, properties in models if template.name(key) == variant["ModelName"])
        async_config = config["AsyncInferenceConfig"]
        self._output = async_config["OutputConfig"]["S3OutputPath"].rstrip("/")
        self._failure = async_config["OutputConfig"]["S3FailurePath"].rstrip("/")
        self._topics = async_config["OutputConfig"]["NotificationConfig"]
        self.max_concurrent: int = async_config["ClientConfig"]["MaxConcurrentInvocationsPerInstance"]
        self._environment = {**model["PrimaryContainer"].get("Environment", {}), **environment}
        self.scaling = AutoScaling.of(template, self.name)
        self._s3, self._sns, self._log = s3, sns, log
        self.command = COMMAND
        self.minute_s = 0.3
        """Length of a simulated minute of auto scaling, in seconds."""
        self.longest_s: float | None = None
        """Time limit for invocations that replaces the limit of the call."""
        self.refusing: tuple[int, str] | None = None
        """Status and error with which calls are refused, if any."""
        self.instances: list[EndpointInstance] = []
        self.calls: list[Call] = []
        self.notices: list[dict[str, Any]] = []
        self._waiting: deque[Call] = deque()
        self._running = 0
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="endpoint", daemon=True)
        self._thread.start()

    @staticmethod
    def _config(template: Template, name: str) -> dict[str, Any]:
        configs = template.of_type("AWS::SageMaker::EndpointConfig").items()
        (config,) = (properties for key, properties in configs if template.name(key) == name)
        return config

    async def accept(self, request: Request) -> Response:
        """Answer `InvokeEndpointAsync`."""
        if self.refusing is not None:
            return _error(*self.refusing, "not now")
        if request.url.path != f"/endpoints/{self.name}/async-invocations" or request.method != "POST":
            return _error(400, "ValidationError", f"Endpoint {request.url.path} not found.")
        options = {
            name.removeprefix("x-amzn-sagemaker-"): value
            for name, value in request.headers.items()
            if name.startswith("x-amzn-sagemaker-")
        }
        inference_id, unique = options.get("inference-id", str(uuid4())), str(uuid4())
        ttl_s, within_s = (
            int(options.get("requestttlseconds", 21600)),
            int(options.get("invocationtimeoutseconds", 900)),
        )
        valid = (
            re.fullmatch(r"(https|s3)://([^/]+)/?(.*)", options.get("inputlocation", ""))
            and re.fullmatch(r"\S[\x20-\x7e]{0,63}", inference_id)
            and 60 <= ttl_s <= 21600
            and 1 <= within_s <= 3600
        )
        if not valid:
            return _error(400, "ValidationError", "1 validation error detected")
        forwarded = {
            "Content-Type": options.get("content-type", "application/octet-stream"),
            "Accept": options.get("accept", "*/*"),
        }
        if "custom-attributes" in options:
            forwarded["X-Amzn-SageMaker-Custom-Attributes"] = options["custom-attributes"]
        output, failure = f"{self._output}/{unique}.out", f"{self._failure}/{unique}-error.out"
        call = Call(inference_id, options["inputlocation"], forwarded, ttl_s, within_s, output, failure)
        with self._lock:
            self.calls.append(call)
            self._waiting.append(call)
        headers = {
            "X-Amzn-SageMaker-OutputLocation": output,
            "X-Amzn-SageMaker-FailureLocation": failure,
        }
        return Response(json.dumps({"InferenceId": inference_id}), 202, headers, "application/json")

    def close(self) -> None:
        """Stop the endpoint and kill its containers."""
        self._closing.set()
        self._thread.join(5)
        for instance in self.instances:
            instance.kill()

    @property
    def idle(self) -> bool:
        """Whether no call waits or runs."""
        with self._lock:
            return not self._waiting and not self._running

    def _run(self) -> None:
        scaled = time.monotonic()
        while not self._closing.wait(TICK_S):
            with self._lock:
                self._restart_ended()
                if time.monotonic() - scaled >= self.minute_s:
                    scaled = time.monotonic()
                    self._scale()
                self._expire()
                self._dispatch()

    def _restart_ended(self) -> None:
        """Start containers again that have ended, as SageMaker does."""
        for index, instance in enumerate(self.instances):
            if instance.ended and not instance.stopping:
                self.instances[index] = EndpointInstance(self.command, self._environment, self._log)
        self.instances = [one for one in self.instances if not (one.ended and one.stopping)]

    def _scale(self) -> None:
        active = [one for one in self.instances if not one.stopping]
        desired = self.scaling.minute(len(self._waiting), self._running, len(active))
        for _ in range(desired - len(active)):
            self.instances.append(EndpointInstance(self.command, self._environment, self._log))
        if desired < len(active):
            for instance in sorted(active, key=lambda one: one.busy)[: len(active) - desired]:
                instance.stop()

    def _expire(self) -> None:
        now = time.time()
        for call in [one for one in self._waiting if now - one.received > one.ttl_s]:
            self._waiting.remove(call)
            self._notify(call, "Failed", failureReason="ClientError: Request expired in the queue.")

    def _dispatch(self) -> None:
        for instance in self.instances:
            while (
                self._waiting
                and instance.ready
                and not instance.stopping
                and instance.busy < self.max_concurrent
            ):
                call = self._waiting.popleft()
                instance.busy += 1
                self._running += 1
                threading.Thread(target=self._work, args=(call, instance), daemon=True).start()

    def _work(self, call: Call, instance: EndpointInstance) -> None:
        try:
            self._invoke(call, instance)
        except Exception as error:
            if not self._closing.is_set():
                self._notify(call, "Failed", failureReason=f"InternalServerError: {type(error).__name__}")
        finally:
            with self._lock:
                instance.busy -= 1
                self._running -= 1

    def _invoke(self, call: Call, instance: EndpointInstance) -> None:
        bucket, _, key = call.location.removeprefix("s3://").partition("/")
        body = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        within_s = call.within_s if self.longest_s is None else self.longest_s
        try:
            status, answer, kind = instance.invoke(body, call.headers, within_s)
        except InvocationTimedOut:
            self._fail(call, b"", "ClientError: Model did not respond in time.")
        except ContainerGone:
            self._fail(call, b"", "InternalServerError: The connection to the model was closed.")
        else:
            if status == 200:
                self._put(call.output, answer, kind)
                response = {"contentType": kind, "outputLocation": call.output}
                self._notify(call, "Completed", responseParameters=response)
            else:
                kind_of_error = "client" if status < 500 else "server"
                self._fail(
                    call,
                    answer,
                    f"ClientError: Received {kind_of_error} error ({status}) from model. "
                    "See the SageMaker Endpoint logs in your account for more information.",
                )

    def _fail(self, call: Call, body: bytes, reason: str) -> None:
        self._put(call.failure, body, "text/plain")
        response = {"outputLocation": call.failure}
        self._notify(call, "Failed", failureReason=reason, responseParameters=response)

    def _put(self, location: str, body: bytes, kind: str) -> None:
        bucket, _, key = location.removeprefix("s3://").partition("/")
        self._s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=kind or "application/octet-stream")

    def _notify(self, call: Call, status: str, **more: Any) -> None:
        if self._closing.is_set():
            return
        notice = {
            "awsRegion": REGION,
            "eventTime": _time(time.time()),
            "receivedTime": _time(call.received),
            "invocationStatus": status,
            "requestParameters": {
                "accept": call.headers["Accept"],
                "contentType": call.headers["Content-Type"],
                "endpointName": self.name,
                "inputLocation": call.location,
            },
            **more,
            "inferenceId": call.inference_id,
            "eventVersion": "1.0",
            "eventSource": "aws:sagemaker",
            "eventName": "InferenceResult",
        }
        self.notices.append(notice)
        topic = self._topics.get("SuccessTopic" if status == "Completed" else "ErrorTopic")
        if topic is not None:
            self._sns.publish(TopicArn=topic, Message=json.dumps(notice))


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _error(status: int, kind: str, message: str) -> Response:
    body = json.dumps({"message": message})
    return Response(body, status, {"x-amzn-ErrorType": kind}, "application/json")
