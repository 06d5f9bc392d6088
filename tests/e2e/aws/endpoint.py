"""A stand-in of Amazon SageMaker's asynchronous inference, by what its documentation says.

Calls are queued and answered at once; what they point to in S3 is posted to containers, so many at a time for each;
what comes of that is put in S3 and told by SNS. There are as many containers as `scaling` says, none at first.
(https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference.html)
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
from tests.e2e.aws.instances import Gone, Instance, TooLong
from tests.e2e.aws.scaling import Scaling
from tests.e2e.aws.template import REGION, Template

COMMAND = [sys.executable, "-m", "unbraid.aws.container", "serve"]
TICK_S = 0.05


@dataclass
class Call:
    """One call that was taken."""

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

    `s3` and `sns` are clients that act as the model's role, by which the service itself reads and writes; `environment`
    is what containers have besides what the template says.
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
        (model,) = (said for key, said in models if template.name(key) == variant["ModelName"])
        said = config["AsyncInferenceConfig"]
        self._output = said["OutputConfig"]["S3OutputPath"].rstrip("/")
        self._failure = said["OutputConfig"]["S3FailurePath"].rstrip("/")
        self._topics = said["OutputConfig"]["NotificationConfig"]
        self.at_once: int = said["ClientConfig"]["MaxConcurrentInvocationsPerInstance"]
        self.role: str = model["ExecutionRoleArn"]
        self._environment = {**model["PrimaryContainer"].get("Environment", {}), **environment}
        self.scaling = Scaling.of(template, self.name)
        self._s3, self._sns, self._log = s3, sns, log
        self.command = COMMAND
        self.minute_s = 0.3
        """How long a minute of scaling takes."""
        self.longest_s: float | None = None
        """What an invocation may take, whatever the call says."""
        self.refusing: tuple[int, str] | None = None
        """Status and error that calls are refused with."""
        self.instances: list[Instance] = []
        self.calls: list[Call] = []
        self.notices: list[dict[str, Any]] = []
        self._waiting: deque[Call] = deque()
        self._in_work = 0
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="endpoint", daemon=True)
        self._thread.start()

    @staticmethod
    def _config(template: Template, named: str) -> dict[str, Any]:
        configs = template.of_type("AWS::SageMaker::EndpointConfig").items()
        (config,) = (said for key, said in configs if template.name(key) == named)
        return config

    async def take(self, request: Request) -> Response:
        """`InvokeEndpointAsync`."""
        if self.refusing is not None:
            return _error(*self.refusing, "not now")
        if request.url.path != f"/endpoints/{self.name}/async-invocations" or request.method != "POST":
            return _error(400, "ValidationError", f"Endpoint {request.url.path} not found.")
        said = {
            name.removeprefix("x-amzn-sagemaker-"): value
            for name, value in request.headers.items()
            if name.startswith("x-amzn-sagemaker-")
        }
        inference_id, unique = said.get("inference-id", str(uuid4())), str(uuid4())
        ttl_s, within_s = (
            int(said.get("requestttlseconds", 21600)),
            int(said.get("invocationtimeoutseconds", 900)),
        )
        well = (
            re.fullmatch(r"(https|s3)://([^/]+)/?(.*)", said.get("inputlocation", ""))
            and re.fullmatch(r"\S[\x20-\x7e]{0,63}", inference_id)
            and 60 <= ttl_s <= 21600
            and 1 <= within_s <= 3600
        )
        if not well:
            return _error(400, "ValidationError", "1 validation error detected")
        forwarded = {
            "Content-Type": said.get("content-type", "application/octet-stream"),
            "Accept": said.get("accept", "*/*"),
        }
        if "custom-attributes" in said:
            forwarded["X-Amzn-SageMaker-Custom-Attributes"] = said["custom-attributes"]
        output, failure = f"{self._output}/{unique}.out", f"{self._failure}/{unique}-error.out"
        call = Call(inference_id, said["inputlocation"], forwarded, ttl_s, within_s, output, failure)
        with self._lock:
            self.calls.append(call)
            self._waiting.append(call)
        headers = {
            "X-Amzn-SageMaker-OutputLocation": output,
            "X-Amzn-SageMaker-FailureLocation": failure,
        }
        return Response(json.dumps({"InferenceId": inference_id}), 202, headers, "application/json")

    def close(self) -> None:
        """End everything."""
        self._over.set()
        self._thread.join(5)
        for instance in self.instances:
            instance.kill()

    @property
    def idle(self) -> bool:
        """Whether nothing waits or is worked on."""
        with self._lock:
            return not self._waiting and not self._in_work

    def _run(self) -> None:
        scaled = time.monotonic()
        while not self._over.wait(TICK_S):
            with self._lock:
                self._bury()
                if time.monotonic() - scaled >= self.minute_s:
                    scaled = time.monotonic()
                    self._scale()
                self._expire()
                self._hand_out()

    def _bury(self) -> None:
        """A container that ended is started again, as on an instance."""
        for place, instance in enumerate(self.instances):
            if instance.gone and not instance.leaving:
                self.instances[place] = Instance(self.command, self._environment, self._log)
        self.instances = [one for one in self.instances if not (one.gone and one.leaving)]

    def _scale(self) -> None:
        here = [one for one in self.instances if not one.leaving]
        wanted = self.scaling.minute(len(self._waiting), self._in_work, len(here))
        for _ in range(wanted - len(here)):
            self.instances.append(Instance(self.command, self._environment, self._log))
        if wanted < len(here):
            for instance in sorted(here, key=lambda one: one.busy)[: len(here) - wanted]:
                instance.stop()

    def _expire(self) -> None:
        now = time.time()
        for call in [one for one in self._waiting if now - one.received > one.ttl_s]:
            self._waiting.remove(call)
            self._tell(call, "Failed", failureReason="ClientError: Request expired in the queue.")

    def _hand_out(self) -> None:
        for instance in self.instances:
            while self._waiting and instance.ready and not instance.leaving and instance.busy < self.at_once:
                call = self._waiting.popleft()
                instance.busy += 1
                self._in_work += 1
                threading.Thread(target=self._work, args=(call, instance), daemon=True).start()

    def _work(self, call: Call, instance: Instance) -> None:
        try:
            self._invoke(call, instance)
        except Exception as error:
            if not self._over.is_set():
                self._tell(call, "Failed", failureReason=f"InternalServerError: {type(error).__name__}")
        finally:
            with self._lock:
                instance.busy -= 1
                self._in_work -= 1

    def _invoke(self, call: Call, instance: Instance) -> None:
        bucket, _, key = call.location.removeprefix("s3://").partition("/")
        body = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        within_s = call.within_s if self.longest_s is None else self.longest_s
        try:
            status, answer, kind = instance.invoke(body, call.headers, within_s)
        except TooLong:
            self._fail(call, b"", "ClientError: Model did not respond in time.")
        except Gone:
            self._fail(call, b"", "InternalServerError: The connection to the model was closed.")
        else:
            if status == 200:
                self._put(call.output, answer, kind)
                response = {"contentType": kind, "outputLocation": call.output}
                self._tell(call, "Completed", responseParameters=response)
            else:
                whose = "client" if status < 500 else "server"
                self._fail(
                    call,
                    answer,
                    f"ClientError: Received {whose} error ({status}) from model. See the SageMaker Endpoint logs in "
                    "your account for more information.",
                )

    def _fail(self, call: Call, body: bytes, reason: str) -> None:
        self._put(call.failure, body, "text/plain")
        response = {"outputLocation": call.failure}
        self._tell(call, "Failed", failureReason=reason, responseParameters=response)

    def _put(self, location: str, body: bytes, kind: str) -> None:
        bucket, _, key = location.removeprefix("s3://").partition("/")
        self._s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=kind or "application/octet-stream")

    def _tell(self, call: Call, status: str, **more: Any) -> None:
        if self._over.is_set():
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
