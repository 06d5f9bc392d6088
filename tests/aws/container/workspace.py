"""A container as a local process, and the table, bucket and queue that it works with."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import boto3
import urllib3
from tests.simulators.moto_server import new_bucket, new_table

from unbraid.aws.container.settings import ContainerSettings
from unbraid.aws.dispatches import request_of
from unbraid.aws.factory import open_sessions
from unbraid.jobs.leases import Leases
from unbraid.jobs.service import Service
from unbraid.jobs.session import Choices, Session, State

TIMEOUT_S = 60.0  # enough on a busy machine
LITE = Choices(model="lite")
LOCAL_ADDRESS = {"UNBRAID_HOST": "127.0.0.1", "UNBRAID_PORT": "0"}
T = TypeVar("T")


class AwsWorkspace:
    """New table, bucket and dispatch queue, and a service over them."""

    def __init__(self) -> None:
        self.bucket = new_bucket()
        self._s3, self._sqs = boto3.client("s3"), boto3.client("sqs")
        self.queue = self._sqs.create_queue(QueueName=f"queue-{uuid4().hex}")["QueueUrl"]
        self.environment = {
            "UNBRAID_BUCKET": self.bucket,
            "UNBRAID_TABLE": new_table(),
            "UNBRAID_QUEUE_URL": self.queue,
            "UNBRAID_MODELS": "lite",
        }
        settings = {name.removeprefix("UNBRAID_").lower(): value for name, value in self.environment.items()}
        self.settings = ContainerSettings(**settings)  # type: ignore[arg-type]
        self.sessions = open_sessions(self.settings)
        self.service, self.leases = Service(self.sessions), Leases(self.sessions)

    def submit(self, song: Path, choices: Choices = LITE) -> Session:
        """Upload a song and start its session, which dispatches it."""
        session = self.service.upload(song.name, "audio/wav").session
        self.upload(song, session.input_key)
        return self.service.start(session.id, choices=choices)

    def upload(self, song: Path, key: str) -> str:
        """Upload a file to the bucket and return its URI."""
        self._s3.upload_file(str(song), self.bucket, key)
        return f"s3://{self.bucket}/{key}"

    def request_for(self, session: Session) -> dict[str, Any]:
        """Return the request that a dispatch of the session sends."""
        return request_of(session, self.bucket)

    def session(self, session_id: str) -> Session:
        """Return the session as it is in the table now."""
        session = self.sessions.store.get(session_id)
        assert session is not None
        return session

    def wait_for_state(self, session_id: str, state: State, begun: bool = False) -> Session:
        """Wait for a session to be in `state`, and to have made progress if `begun`."""

        def matching() -> Session | None:
            session = self.session(session_id)
            return session if session.state == state and (session.progress > 0 or not begun) else None

        return wait_for(matching)

    def receive_dispatches(self) -> list[dict[str, Any]]:
        """Receive and delete the requests in the dispatch queue."""
        messages = self._sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            self._sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    def list_keys(self, prefix: str = "outputs/") -> list[str]:
        """List the keys in the bucket."""
        listed = self._s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [file["Key"] for file in listed.get("Contents", [])]

    def download(self, uri: str) -> bytes:
        """Download the file at a URI."""
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        body: bytes = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body


class LocalContainer:
    """The container's server as a local process on a free port, logging to a file."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self._log_file = process, log
        port = wait_for(lambda: re.search(r'"address": ?"http://[\d.]+:(\d+)"', self.log()))[1]
        self.url = f"http://127.0.0.1:{port}"

    @classmethod
    def start(cls, environment: Mapping[str, str], log: Path) -> LocalContainer:
        """Start a server from the source tree, as the user of the test, who may be root."""
        command = [sys.executable, "-m", "unbraid.aws.container.server"]
        variables = {
            **os.environ,
            **LOCAL_ADDRESS,
            **environment,
            "PYTHONPATH": str(Path(__file__).parents[3] / "src"),
        }
        with log.open("wb") as file:
            return cls(subprocess.Popen(command, env=variables, stderr=file), log)

    def log(self) -> str:
        """Return the log so far."""
        return self._log_file.read_text()

    def ping(self) -> int:
        """Return the HTTP status of `/ping`."""
        return urllib3.request("GET", f"{self.url}/ping", retries=False).status

    def wait_until_ready(self) -> LocalContainer:
        wait_for(lambda: self.ping() == 200)
        return self

    def invoke(self, request: object) -> tuple[int, dict[str, Any]]:
        """Return the HTTP status and the JSON answer of an invocation."""
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        answer = urllib3.request(
            "POST", f"{self.url}/invocations", body=body, timeout=TIMEOUT_S, retries=False
        )
        return answer.status, answer.json()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def wait_for(condition: Callable[[], T | None]) -> T:
    """Call `condition` until it returns a true value, and return that value."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise TimeoutError
