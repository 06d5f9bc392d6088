"""Requests that schemathesis breaks, each in some way, against the description of the API."""

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

from hostile_uploads import SONG, Bringer, told
from serving import Served

ANSWER_S = 30.0
NAMES = ("session_id", "sessionId", "session_ids", "sessionIds", "s3Key")
EVERY = 3  # request is sent once more, about a session that exists


def fuzz(server: Served, count: int, start: int) -> list[str]:
    """At least `count` broken requests, spread over the operations; what was answered as it should not be."""
    described = schemathesis.openapi.from_url(f"{server.address}/openapi.json")
    operations = [found.ok() for found in described.get_all_operations()]
    breakable = [operation for operation in operations if can_be_broken(operation)]
    fuzzer = Fuzzer(server, start)
    rounds = 0
    while fuzzer.sent < count:  # some can't be put on the wire at all
        each = math.ceil((count - fuzzer.sent) / len(breakable))
        for operation in breakable:
            made = given(case=operation.as_strategy(GenerationMode.NEGATIVE))(fuzzer.ask)
            seed(start + rounds)(made_to(each)(made))()
        rounds += 1
    print(
        f"{fuzzer.sent} requests by schemathesis for {len(breakable)} operations: {told(fuzzer.answers)};"
        f" {fuzzer.about_real} more about real sessions: {told(fuzzer.answers_about_real)}",
        flush=True,
    )
    return fuzzer.wrong


def made_to(count: int) -> settings:
    """So many examples, and no search for smaller ones: each is told as it was."""
    return settings(
        max_examples=count,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )


def can_be_broken(operation: Any) -> bool:
    """Whether there is anything in its requests that could be wrong."""
    try:
        made = given(case=operation.as_strategy(GenerationMode.NEGATIVE))(lambda case: None)
        seed(0)(made_to(1)(made))()
    except Unsatisfiable:
        return False
    return True


class Fuzzer:
    """Sends what is made, and counts what comes back."""

    def __init__(self, server: Served, start: int) -> None:
        self._server = server
        self._bringer = Bringer(server)
        self._random = random.Random(start)
        self._connections = requests.Session()
        self._done = self._bringer.done("song.wav", SONG)
        self.sent = self.about_real = self._made = 0
        self.answers: Counter[str] = Counter()
        self.answers_about_real: Counter[str] = Counter()
        self.wrong: list[str] = []

    def ask(self, case: Any) -> None:
        """One request, and perhaps the same about a real session."""
        self._made += 1
        self.sent += self._send(case, self.answers)
        if self._made % EVERY == 0 and self._name_real(case):
            self.about_real += self._send(case, self.answers_about_real)

    def _send(self, case: Any, answers: Counter[str]) -> bool:
        """Whether there was an answer."""
        try:
            answer = case.call(base_url=self._server.address, session=self._connections, timeout=ANSWER_S)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader, UnicodeError):
            return False
        except requests.exceptions.Timeout:
            self.wrong.append(f"{case.method} {case.path}: no answer")
            return True
        except requests.exceptions.RequestException:  # closed before all of a body that is too large was sent
            answers["closed"] += 1
            return True
        answers[str(answer.status_code)] += 1
        if answer.status_code >= 500 or "Traceback" in answer.text:
            self.wrong.append(f"{answer.status_code} for {case.as_curl_command()[:600]}")
        return True

    def _name_real(self, case: Any) -> bool:
        """Put the id of a session wherever one is asked for; whether that was anywhere."""
        session_id = self._done
        if "cleanup" in case.path or self._random.random() < 0.5:
            session_id = self._bringer.begin("song.wav")["sessionId"]
        if "sessionId" in (case.path_parameters or {}):
            case.path_parameters["sessionId"] = session_id
            return True
        if not isinstance(case.body, dict) or not any(name in case.body for name in NAMES):
            return False
        for name in NAMES:
            if name in case.body:
                many = name.endswith("s")
                real = f"inputs/{session_id}/song.wav" if name == "s3Key" else session_id
                case.body[name] = [real] if many else real
        return True
