"""Runs the functions of a template, each in processes of its own with the environment that the template gives it."""

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

from tests.e2e.aws import runtime
from tests.e2e.aws.template import REGION, Template

# Imported once, before processes are forked: what takes the time of a function's start.
PRELOADED = [
    "boto3",
    "botocore.session",
    "pydantic",
    "pydantic_settings",
    "aws_lambda_powertools.tracing",
    "jwt",
]
RETRIES = 2  # of events that nobody waits for

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(PRELOADED)


@dataclass(frozen=True)
class Answer:
    """What came of an invocation."""

    payload: Any
    failed: bool = False


@dataclass
class Environment:
    """One process, which takes one event at a time, and is frozen between them as the service does."""

    process: Any
    pipe: Connection

    def ask(self, asked: Mapping[str, Any], timeout_s: float) -> Answer | None:
        """None: the process is gone."""
        os.kill(self.process.pid, signal.SIGCONT)
        try:
            self.pipe.send_bytes(json.dumps(asked).encode())
            if not self.pipe.poll(timeout_s):
                self.stop()
                message = f"{asked['request_id']} Task timed out after {timeout_s:.2f} seconds"
                return Answer({"errorType": "Sandbox.Timedout", "errorMessage": message}, failed=True)
            told = json.loads(self.pipe.recv_bytes())
        except (EOFError, OSError):
            return None
        os.kill(self.process.pid, signal.SIGSTOP)
        return Answer(told["answer"]) if "answer" in told else Answer(told["error"], failed=True)

    def stop(self) -> None:
        self.process.kill()
        self.process.join(5)
        self.pipe.close()


@dataclass
class Function:
    """A function of the template and those of its processes that are idle."""

    logical: str
    name: str
    arn: str
    timeout_s: float
    environment: dict[str, str]
    idle: list[Environment] = field(default_factory=list)


class Functions:
    """All of them. `environment_of` gives what a function has besides what the template says, by the ARN of its role;
    `image_handler` is what the image runs as a function."""

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
        self._all: list[Environment] = []
        self.retry_after_s = 0.2
        self.dropped: list[tuple[str, Any]] = []
        """Events that nobody waited for and that failed each time: function and event."""
        self.errors: list[tuple[str, Any]] = []
        """Every failure of a function, expected or not."""
        self._functions: dict[str, Function] = {}
        for logical, said in template.of_type("AWS::Lambda::Function").items():
            if said.get("PackageType") == "Image":
                assert said["ImageConfig"]["Command"] == ["function"]
                said = {**said, "Handler": image_handler, "Runtime": "image"}
            elif not str(said.get("Runtime", "")).startswith("python"):
                continue  # of the deployment itself
            name = template.name(logical)
            own = {
                "PATH": os.environ["PATH"],
                "LANG": "en_US.UTF-8",
                **said.get("Environment", {}).get("Variables", {}),
                "_HANDLER": said["Handler"],
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,
                "AWS_EXECUTION_ENV": f"AWS_Lambda_{said['Runtime']}",
                "AWS_LAMBDA_FUNCTION_NAME": name,
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(said.get("MemorySize", 128)),
                "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
                "AWS_LAMBDA_LOG_STREAM_NAME": "here",
                "LAMBDA_TASK_ROOT": "/var/task",
                "TZ": ":UTC",
                **environment_of(said["Role"]),
            }
            arn = template.arn(logical)
            function = Function(logical, name, arn, float(said.get("Timeout", 3)), own)
            self._functions[name] = self._functions[arn] = self._functions[logical] = function

    def __contains__(self, name: str) -> bool:
        return name in self._functions

    def invoke(self, name: str, event: Any) -> Answer:
        """One event to the function of that name, ARN or logical id; waits for its answer."""
        function = self._functions[name]
        with self._lock:
            environment = function.idle.pop() if function.idle else None
        environment = environment or self._started(function)
        root, parent = f"1-{int(time.time()):08x}-{secrets.token_hex(12)}", secrets.token_hex(8)
        asked = {
            "event": event,
            "request_id": str(uuid4()),
            "arn": function.arn,
            "deadline": time.time() + function.timeout_s,
            "trace": f"Root={root};Parent={parent};Sampled=0",
        }
        answer = environment.ask(asked, function.timeout_s)
        if answer is None:
            environment.stop()
            answer = Answer(
                {"errorType": "Runtime.ExitError", "errorMessage": "the process ended"}, failed=True
            )
        elif environment.process.is_alive():
            with self._lock:
                function.idle.append(environment)
        if answer.failed:
            self.errors.append((function.name, answer.payload))
        return answer

    def invoke_later(self, name: str, event: Any) -> None:
        """One event that nobody waits for: tried again twice where it fails."""

        def deliver() -> None:
            for attempt in range(1 + RETRIES):
                if attempt:
                    time.sleep(self.retry_after_s * attempt)
                if not self.invoke(name, event).failed:
                    return
            self.dropped.append((name, event))

        self._later.submit(deliver)

    def log(self) -> str:
        """All that functions have printed."""
        return "".join(file.read_text() for file in sorted(self._logs.glob("*.log")))

    def close(self) -> None:
        """End all processes."""
        self._later.shutdown(wait=False, cancel_futures=True)
        for environment in self._all:
            if environment.process.is_alive():
                environment.stop()

    def _started(self, function: Function) -> Environment:
        here, there = _processes.Pipe()
        log = str(self._logs / f"{function.logical}.log")
        process = _processes.Process(
            target=runtime.run, args=(there, function.environment, log), daemon=True, name=function.name
        )
        process.start()
        there.close()
        environment = Environment(process, here)
        with self._lock:
            self._all.append(environment)
        return environment
