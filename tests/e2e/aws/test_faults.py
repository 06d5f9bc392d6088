"""Faults of AWS services and containers lose no song, leave none stuck, and have none separated twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import WriteWave
from tests.e2e.aws.client import Client
from tests.e2e.aws.waiting import wait_until
from tests.simulators.aws_account import LEASE_S, AwsAccount
from tests.simulators.required_actions import RequiredAction

from unbraid.jobs.messages import NOT_STORED


@pytest.fixture(scope="module")
def long_song(tmp_path_factory: pytest.TempPathFactory, write_wave: WriteWave) -> bytes:
    """A song that takes seconds to separate."""
    file = tmp_path_factory.mktemp("songs") / "long.wav"
    return write_wave(file, 100.0, sample_rate=8000, channels=1).read_bytes()


@pytest.fixture(autouse=True)
def nothing_left(aws_account: AwsAccount) -> Iterator[None]:
    """After each test, no call is left at the endpoint, and no event was dropped."""
    yield
    wait_until(lambda: aws_account.endpoint.idle)
    assert aws_account.functions.dropped == []


def start_and_wait(aws_account: AwsAccount, client: Client, song: bytes) -> str:
    """Start a song, wait until a worker has it, and return the session id."""
    session_id = client.start(song)
    wait_until(lambda: aws_account.session(session_id).state == "IN_PROGRESS")
    return session_id


def calls_of(aws_account: AwsAccount, session_id: str) -> int:
    """Number of calls of the endpoint for the session."""
    return sum(call.inference_id.startswith(f"{session_id}.") for call in aws_account.endpoint.calls)


def wait_for_all_stems(aws_account: AwsAccount, client: Client, session_id: str) -> None:
    """Wait until the session is completed, and download all its stems."""
    session = client.wait(session_id, "COMPLETED")
    assert list(client.stems(session)) == ["vocals.wav", "no_vocals.wav"]


def test_killed_container_costs_an_attempt_and_no_song(
    aws_account: AwsAccount, client: Client, long_song: bytes, song: Path
) -> None:
    """Neither the song that the container separates, nor one that waits in it, is lost."""
    running = start_and_wait(aws_account, client, long_song)
    waiting = client.start(song.read_bytes())
    (instance,) = aws_account.endpoint.instances
    wait_until(lambda: instance.busy == 2)
    instance.kill()
    for session_id in (running, waiting):
        wait_for_all_stems(aws_account, client, session_id)
        assert aws_account.session(session_id).attempts == 2
        assert calls_of(aws_account, session_id) == 2
        assert aws_account.gateway.uploaded_keys.count(f"outputs/{session_id}/vocals.wav") == 1


def test_late_and_duplicate_notices_change_nothing(
    aws_account: AwsAccount, client: Client, long_song: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[tuple[str, Any]] = []
    monkeypatch.setattr(aws_account.topics, "deliver", lambda *notice: held.append(notice))
    session_id = start_and_wait(aws_account, client, long_song)
    aws_account.endpoint.instances[0].kill()
    wait_until(lambda: held)
    # The failure notice is held back, so the lease expires.
    wait_until(lambda: (aws_account.session(session_id).lease_until or 0) < time.time())
    aws_account.run_scheduled("recover")
    wait_until(lambda: aws_account.session(session_id).state == "IN_PROGRESS")
    for _ in range(2):
        assert not aws_account.functions.invoke(*held[0]).failed
    assert aws_account.session(session_id).attempts == 2
    wait_for_all_stems(aws_account, client, session_id)
    wait_until(lambda: len(held) == 2)
    before = aws_account.session(session_id)
    for notice in (held[1], held[0], held[1]):
        assert not aws_account.functions.invoke(*notice).failed
    assert aws_account.session(session_id) == before
    assert calls_of(aws_account, session_id) == 2


def test_stopped_instance_releases_its_song(
    aws_account: AwsAccount, client: Client, long_song: bytes
) -> None:
    session_id = start_and_wait(aws_account, client, long_song)
    aws_account.endpoint.instances[0].stop()
    wait_for_all_stems(aws_account, client, session_id)
    record = aws_account.session(session_id)
    assert record.attempts == 1  # a released attempt does not count
    assert calls_of(aws_account, session_id) == 2


def test_timed_out_invocation_is_tried_again(
    aws_account: AwsAccount, client: Client, long_song: bytes
) -> None:
    """The container still works on the song at that time. It notices that it has lost the lease."""
    aws_account.endpoint.longest_s = 1.0
    try:
        session_id = start_and_wait(aws_account, client, long_song)
    finally:
        aws_account.endpoint.longest_s = None
    wait_for_all_stems(aws_account, client, session_id)
    assert aws_account.session(session_id).attempts == 2
    assert calls_of(aws_account, session_id) == 2
    assert aws_account.gateway.uploaded_keys.count(f"outputs/{session_id}/vocals.wav") == 1


def test_waits_for_a_throttled_bucket(aws_account: AwsAccount, client: Client, song: Path) -> None:
    def stems(needed: RequiredAction) -> bool:
        return needed.action == "s3:PutObject" and "/outputs/" in needed.resource

    with aws_account.gateway.faults.refusing("s3", 503, "SlowDown", stems) as fault:
        session_id = client.start(song.read_bytes())
        wait_until(lambda: fault.met)
    wait_for_all_stems(aws_account, client, session_id)
    assert aws_account.session(session_id).attempts == 1


def test_denied_bucket_fails_the_song_with_a_message(
    aws_account: AwsAccount, client: Client, song: Path
) -> None:
    def stems(needed: RequiredAction) -> bool:
        return needed.action == "s3:PutObject" and "/outputs/" in needed.resource

    with aws_account.gateway.faults.refusing("s3", 403, "AccessDenied", stems):
        upload = client.upload_song(song.read_bytes())
        client.process(upload)
        session = client.wait(upload["sessionId"], "FAILED")
    assert session["error_message"] == NOT_STORED
    assert client.process(upload)[0] == 202
    wait_for_all_stems(aws_account, client, upload["sessionId"])


def test_table_throttled_for_longer_than_a_lease_costs_no_song(
    aws_account: AwsAccount, client: Client, long_song: bytes
) -> None:
    session_id = start_and_wait(aws_account, client, long_song)
    with aws_account.gateway.faults.refusing(
        "dynamodb", 400, "ProvisionedThroughputExceededException"
    ) as fault:
        time.sleep(LEASE_S + 0.5)
    assert fault.met
    aws_account.run_scheduled("recover")
    wait_for_all_stems(aws_account, client, session_id)
    assert aws_account.session(session_id).attempts <= 2


def test_sweeper_deletes_sessions_without_an_upload(aws_account: AwsAccount, client: Client) -> None:
    upload = client.upload()
    status, problem = client.process(upload)
    assert (status, problem["status"]) == (409, 409)
    aws_account.expire_earlier(upload["sessionId"], 25 * 3600)
    assert client.call("POST", "/status", {"session_id": upload["sessionId"]})[0] == 404
    assert not aws_account.run_scheduled("sweep").failed
    found = aws_account.client("dynamodb").scan(TableName=aws_account.table("Sessions"))["Items"]
    assert upload["sessionId"] not in [item["id"]["S"] for item in found]


def test_two_simultaneous_requests_start_one_job(aws_account: AwsAccount, client: Client, song: Path) -> None:
    upload = client.upload_song(song.read_bytes())

    def writes(needed: RequiredAction) -> bool:
        return needed.action == "dynamodb:PutItem" and aws_account.table("Sessions") in needed.resource

    with ThreadPoolExecutor(2) as pool:
        unknown = {"s3Key": "inputs/x/song.wav", "sessionId": "x" * 32}
        warm = list(pool.map(lambda _: client.process(unknown), range(2)))
        assert [status for status, _ in warm] == [404, 404]
        # Both calls read the session before either writes it.
        with aws_account.gateway.faults.hold_until("dynamodb", 2, writes):
            answers = list(pool.map(lambda _: client.process(upload), range(2)))
    assert {(status, answer["sessionId"]) for status, answer in answers} == {(202, upload["sessionId"])}
    wait_for_all_stems(aws_account, client, upload["sessionId"])
    assert calls_of(aws_account, upload["sessionId"]) == 1
    assert aws_account.gateway.uploaded_keys.count(f"outputs/{upload['sessionId']}/vocals.wav") == 1


def test_song_waits_for_an_unavailable_endpoint(aws_account: AwsAccount, client: Client, song: Path) -> None:
    upload = client.upload_song(song.read_bytes())
    aws_account.endpoint.refusing = (503, "ServiceUnavailable")
    try:
        assert client.process(upload)[0] == 202
        assert aws_account.run_scheduled("recover").failed  # for the alarm of the dead-letter queue
        assert client.status(upload["sessionId"])["status"] == "PENDING"
    finally:
        aws_account.endpoint.refusing = None
    assert not aws_account.run_scheduled("recover").failed
    wait_for_all_stems(aws_account, client, upload["sessionId"])
