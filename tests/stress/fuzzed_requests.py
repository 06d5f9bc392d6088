"""Requests that schemathesis makes from the API description, each with one deliberate error."""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from tests.stress.hostile_uploads import SONG
from tests.stress.local_server import LocalServer
from tests.stress.upload_client import UploadClient, counts

ANSWER_S = 30.0
ID_FIELDS = ("session_id", "sessionId", "session_ids", "sessionIds", "s3Key")
REPEAT_EVERY = 3  # how often a request is repeated with the id of a real session


def fuzz(server: LocalServer, count: int, first_seed: int) -> Fuzzer:
    """Send at least `count` invalid requests, spread evenly over the operations of the API."""
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    fuzzable = [operation for operation in operations if can_be_invalid(operation)]
    fuzzer = Fuzzer(server, first_seed, len(fuzzable))
    rounds = 0
    while fuzzer.sent < count:  # some generated requests can't be sent at all
        each = math.ceil((count - fuzzer.sent) / len(fuzzable))
        for operation in fuzzable:
            send = given(case=operation.as_strategy(GenerationMode.NEGATIVE))(fuzzer.send)
            seed(first_seed + rounds)(generate(each)(send))()
        rounds += 1
    return fuzzer


def generate(count: int) -> settings:
    """Settings of Hypothesis: `count` examples, without a search for smaller ones."""
    return settings(
        max_examples=count,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )


def can_be_invalid(operation: Any) -> bool:
    """Whether requests for the operation have anything that can be invalid."""
    try:
        do_nothing = given(case=operation.as_strategy(GenerationMode.NEGATIVE))(lambda case: None)
        seed(0)(generate(1)(do_nothing))()
    except Unsatisfiable:
        return False
    return True


class Fuzzer:
    """Sends generated requests and counts the answers. `problems` has a line for every bad answer."""

    def __init__(self, server: LocalServer, first_seed: int, operations: int) -> None:
        self._server, self._operations = server, operations
        self._client = UploadClient(server)
        self._random = random.Random(first_seed)
        self._connections = requests.Session()
        self._completed = self._client.separate("song.wav", SONG)
        self.sent = self.sent_with_real_ids = self._generated = 0
        self.answers: Counter[str] = Counter()
        self.answers_for_real_ids: Counter[str] = Counter()
        self.problems: list[str] = []

    def summary(self) -> str:
        """Number of requests and of answers by status."""
        return (
            f"{self.sent} requests by schemathesis for {self._operations} operations: {counts(self.answers)};"
            f" {self.sent_with_real_ids} more with ids of real sessions: {counts(self.answers_for_real_ids)}"
        )

    def send(self, case: Any) -> None:
        """Send a request. Repeat every third one with the id of a real session."""
        self._generated += 1
        self.sent += self._send(case, self.answers)
        if self._generated % REPEAT_EVERY == 0 and self._insert_real_id(case):
            self.sent_with_real_ids += self._send(case, self.answers_for_real_ids)

    def _send(self, case: Any, answers: Counter[str]) -> bool:
        """Send a request and count its answer. False: the request can't be sent over HTTP."""
        try:
            answer = case.call(base_url=self._server.url, session=self._connections, timeout=ANSWER_S)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader, UnicodeError):
            return False
        except requests.exceptions.Timeout:
            self.problems.append(f"{case.method} {case.path}: no answer")
            return True
        except requests.exceptions.RequestException:  # closed before a body that is too large was sent
            answers["closed"] += 1
            return True
        answers[str(answer.status_code)] += 1
        if answer.status_code >= 500 or "Traceback" in answer.text:
            self.problems.append(f"{answer.status_code} for {case.as_curl_command()[:600]}")
        return True

    def _insert_real_id(self, case: Any) -> bool:
        """Put the id of a real session into every field for ids. False: the request has no such field."""
        session_id = self._completed
        if "cleanup" in case.path or self._random.random() < 0.5:
            session_id = self._client.request_upload("song.wav")["sessionId"]
        if "sessionId" in (case.path_parameters or {}):
            case.path_parameters["sessionId"] = session_id
            return True
        if not isinstance(case.body, dict) or not any(name in case.body for name in ID_FIELDS):
            return False
        for name in ID_FIELDS:
            if name in case.body:
                value = f"inputs/{session_id}/song.wav" if name == "s3Key" else session_id
                case.body[name] = [value] if name.endswith("s") else value
        return True
