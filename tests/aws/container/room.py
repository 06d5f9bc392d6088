"""A container and what it works with: table, bucket and queue of a test's own, and songs in them."""

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

PATIENCE_S = 60.0  # on a busy machine
LITE = Choices(model="lite")
HERE = {"UNBRAID_HOST": "127.0.0.1", "UNBRAID_PORT": "0"}
T = TypeVar("T")


class Room:
    """Table, bucket, and the queue that songs are dispatched to."""

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
        settings = {name.removeprefix("UNBRAID_").lower(): said for name, said in self.environment.items()}
        self.settings = ContainerSettings(**settings)  # type: ignore[arg-type]
        self.sessions = open_sessions(self.settings)
        self.service, self.leases = Service(self.sessions), Leases(self.sessions)

    def bring(self, song: Path, choices: Choices = LITE) -> Session:
        """A session that waits, and is dispatched."""
        session = self.service.upload(song.name, "audio/wav").session
        self.put(song, session.input_key)
        return self.service.start(session.id, choices=choices)

    def put(self, song: Path, key: str) -> str:
        """A file in the bucket; its address."""
        self._s3.upload_file(str(song), self.bucket, key)
        return f"s3://{self.bucket}/{key}"

    def request(self, session: Session) -> dict[str, Any]:
        """What is dispatched for it."""
        return request_of(session, self.bucket)

    def record(self, session_id: str) -> Session:
        """As it is now."""
        session = self.sessions.store.get(session_id)
        assert session is not None
        return session

    def until(self, session_id: str, state: State, begun: bool = False) -> Session:
        """The record once it is in that state; with `begun`, and some of the work is done."""

        def look() -> Session | None:
            session = self.record(session_id)
            return session if session.state == state and (session.progress > 0 or not begun) else None

        return wait(look)

    def dispatched(self) -> list[dict[str, Any]]:
        """What has been dispatched since this was asked last."""
        messages = self._sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            self._sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    def files(self, prefix: str = "outputs/") -> list[str]:
        """Keys in the bucket."""
        listed = self._s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [file["Key"] for file in listed.get("Contents", [])]

    def read(self, uri: str) -> bytes:
        """What lies at an address."""
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        body: bytes = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body


class Container:
    """The server, as a process that writes to `log`, at a port of its own."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self._log = process, log
        port = wait(lambda: re.search(r'"address": ?"http://[\d.]+:(\d+)"', self.said()))[1]
        self.url = f"http://127.0.0.1:{port}"

    @classmethod
    def start(cls, environment: Mapping[str, str], log: Path) -> Container:
        """One that runs from the source."""
        command = [sys.executable, "-m", "unbraid.aws.container", "serve"]
        here = {**os.environ, **HERE, **environment, "PYTHONPATH": str(Path(__file__).parents[3] / "src")}
        with log.open("wb") as file:
            return cls(subprocess.Popen(command, env=here, stderr=file), log)

    def said(self) -> str:
        """What it has written down."""
        return self._log.read_text()

    def ping(self) -> int:
        """The status."""
        return urllib3.request("GET", f"{self.url}/ping", retries=False).status

    def until_ready(self) -> Container:
        wait(lambda: self.ping() == 200)
        return self

    def invoke(self, request: object) -> tuple[int, dict[str, Any]]:
        """The answer to an invocation."""
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        answer = urllib3.request(
            "POST", f"{self.url}/invocations", body=body, timeout=PATIENCE_S, retries=False
        )
        return answer.status, answer.json()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def wait(look: Callable[[], T | None]) -> T:
    """What `look` gives as soon as it gives something true."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.02)
    raise TimeoutError
