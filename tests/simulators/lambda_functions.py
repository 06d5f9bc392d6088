"""Run the Lambda functions of a template, each in its own processes with the environment that the template defines.

Follows https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html and …/invocation-async.html.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.simulators import lambda_runtime
from tests.simulators.cloudformation import REGION, Template

# Slow imports, done once before processes are forked, so that functions start quickly.
PRELOADED = [
    "boto3",
    "botocore.session",
    "pydantic",
    "pydantic_settings",
    "aws_lambda_powertools.tracing",
    "jwt",
    "unbraid.api.routes",
]
RETRIES = 2  # of asynchronous invocations

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(PRELOADED)


@dataclass(frozen=True)
class InvocationResult:
    """Result of an invocation: the handler's answer, or the error."""

    payload: Any
    failed: bool = False


@dataclass
class ExecutionEnvironment:
    """One process, which handles one event at a time and is frozen in between, as in Lambda."""

    process: Any
    pipe: Connection

    def invoke(self, request: Mapping[str, Any], timeout_s: float) -> InvocationResult | None:
        """Handle one event. None: the process has ended."""
        os.kill(self.process.pid, signal.SIGCONT)
        try:
            self.pipe.send_bytes(json.dumps(request).encode())
            if not self.pipe.poll(timeout_s):
                self.stop()
                message = f"{request['request_id']} Task timed out after {timeout_s:.2f} seconds"
                return InvocationResult(
                    {"errorType": "Sandbox.Timedout", "errorMessage": message}, failed=True
                )
            response = json.loads(self.pipe.recv_bytes())
        except (EOFError, OSError):
            return None
        os.kill(self.process.pid, signal.SIGSTOP)
        failed = "answer" not in response
        return InvocationResult(response["error" if failed else "answer"], failed)

    def stop(self) -> None:
        self.process.kill()
        self.process.join(5)
        self.pipe.close()


@dataclass
class LambdaFunction:
    """A function of the template, and its idle processes."""

    logical: str
    name: str
    arn: str
    timeout_s: float
    environment: dict[str, str]
    idle: list[ExecutionEnvironment] = field(default_factory=list)


class LambdaFunctions:
    """All Lambda functions of a template.

    `environment_of` returns the additional environment variables of a function, by the ARN of its role. `image_handler`
    is the handler of the function that the container image runs.
    """

    def __init__(
        self,
        template: Template,
        logs: Path,
        environment_of: Callable[[str], Mapping[str, str]] = lambda _: {},
        image_handler: str = "",
    ) -> None:
        self._logs = logs
        self._lock = threading.Lock()
        self._later = ThreadPoolExecutor(16, "later")
        self._all: list[ExecutionEnvironment] = []
        self.retry_after_s = 0.2
        self.dropped: list[tuple[str, Any]] = []
        """Function and event of every asynchronous invocation that failed all its tries."""
        self._functions: dict[str, LambdaFunction] = {}
        for logical, properties in template.of_type("AWS::Lambda::Function").items():
            if properties.get("PackageType") == "Image":
                assert properties["ImageConfig"]["Command"] == ["function"]
                properties = {**properties, "Handler": image_handler, "Runtime": "image"}
            elif not str(properties.get("Runtime", "")).startswith("python"):
                continue  # a function of the deployment itself
            name = template.name(logical)
            environment = {
                "PATH": os.environ["PATH"],
                "LANG": "en_US.UTF-8",
                **properties.get("Environment", {}).get("Variables", {}),
                "_HANDLER": properties["Handler"],
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,
                "AWS_EXECUTION_ENV": f"AWS_Lambda_{properties['Runtime']}",
                "AWS_LAMBDA_FUNCTION_NAME": name,
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(properties.get("MemorySize", 128)),
                "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
                "AWS_LAMBDA_LOG_STREAM_NAME": "local",
                "LAMBDA_TASK_ROOT": "/var/task",
                "TZ": ":UTC",
                **environment_of(properties["Role"]),
            }
            arn = template.arn(logical)
            function = LambdaFunction(logical, name, arn, float(properties.get("Timeout", 3)), environment)
            self._functions[name] = self._functions[arn] = self._functions[logical] = function
        # The only version of a new function gets all calls of its alias.
        for logical, properties in template.of_type("AWS::Lambda::Alias", "AWS::Lambda::Version").items():
            self._functions[template.arn(logical)] = self._functions[properties["FunctionName"]]

    def __contains__(self, name: str) -> bool:
        return name in self._functions

    def invoke(self, name: str, event: Any) -> InvocationResult:
        """Invoke a function, by its name, ARN or logical id, and wait for its answer."""
        function = self._functions[name]
        with self._lock:
            environment = function.idle.pop() if function.idle else None
        environment = environment or self._start(function)
        root, parent = f"1-{int(time.time()):08x}-{secrets.token_hex(12)}", secrets.token_hex(8)
        request = {
            "event": event,
            "request_id": str(uuid4()),
            "arn": function.arn,
            "deadline": time.time() + function.timeout_s,
            "trace": f"Root={root};Parent={parent};Sampled=0",
        }
        result = environment.invoke(request, function.timeout_s)
        if result is None:
            environment.stop()
            result = InvocationResult(
                {"errorType": "Runtime.ExitError", "errorMessage": "the process ended"}, failed=True
            )
        elif environment.process.is_alive():
            with self._lock:
                function.idle.append(environment)
        return result

    def invoke_later(self, name: str, event: Any) -> None:
        """Invoke a function asynchronously. A failed invocation is retried twice."""

        def deliver() -> None:
            for attempt in range(1 + RETRIES):
                if attempt:
                    time.sleep(self.retry_after_s * attempt)
                if not self.invoke(name, event).failed:
                    return
            self.dropped.append((name, event))

        self._later.submit(deliver)

    def close(self) -> None:
        """End all processes."""
        self._later.shutdown(wait=False, cancel_futures=True)
        for environment in self._all:
            if environment.process.is_alive():
                environment.stop()

    def _start(self, function: LambdaFunction) -> ExecutionEnvironment:
        ours, theirs = _processes.Pipe()
        log = str(self._logs / f"{function.logical}.log")
        process = _processes.Process(
            target=lambda_runtime.run,
            args=(theirs, function.environment, log),
            daemon=True,
            name=function.name,
        )
        process.start()
        theirs.close()
        environment = ExecutionEnvironment(process, ours)
        with self._lock:
            self._all.append(environment)
        return environment
