"""What goes wrong on the way costs no song: none is stuck, none is lost, and none is worked on twice at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import WriteWave
from tests.e2e.aws.client import Client
from tests.e2e.aws.requested import Asked
from tests.e2e.aws.waiting import soon
from tests.e2e.aws.world import LEASE_S, World

from unbraid.jobs.disk import NOT_STORED


@pytest.fixture(scope="module")
def long_song(tmp_path_factory: pytest.TempPathFactory, write_wave: WriteWave) -> bytes:
    """A song that takes seconds to separate."""
    file = tmp_path_factory.mktemp("songs") / "long.wav"
    return write_wave(file, 90.0, sample_rate=8000, channels=1).read_bytes()


@pytest.fixture(autouse=True)
def unharmed(world: World) -> Iterator[None]:
    """Each test leaves nothing behind: no song that is worked on, and no event that nobody could be told of."""
    yield
    soon(lambda: world.endpoint.idle)
    assert world.functions.dropped == []


def at_work(world: World, client: Client, song: bytes) -> str:
    """The id of a session that is being worked on."""
    session_id = client.started(song)
    soon(lambda: world.record(session_id).state == "IN_PROGRESS")
    return session_id


def calls_of(world: World, session_id: str) -> int:
    """How often the endpoint was called for it."""
    return sum(call.inference_id.startswith(f"{session_id}.") for call in world.endpoint.calls)


def whole(world: World, client: Client, session_id: str) -> None:
    """It is completed, with all its files, which can be fetched."""
    told = client.wait(session_id, "COMPLETED")
    assert list(client.stems(told)) == ["vocals.wav", "no_vocals.wav"]


def test_a_container_that_is_killed_costs_an_attempt_and_no_song(
    world: World, client: Client, long_song: bytes, song: Path
) -> None:
    """Neither the one that it is at, nor one that waits in it."""
    at_it = at_work(world, client, long_song)
    waits = client.started(song.read_bytes())
    (instance,) = world.endpoint.instances
    soon(lambda: instance.busy == 2)
    instance.kill()
    for session_id in (at_it, waits):
        whole(world, client, session_id)
        assert world.record(session_id).attempts == 2
        assert calls_of(world, session_id) == 2
        assert world.door.put.count(f"outputs/{session_id}/vocals.wav") == 1


def test_notices_that_come_late_and_twice_change_nothing(
    world: World, client: Client, long_song: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[tuple[str, Any]] = []
    monkeypatch.setattr(world.topics, "deliver", lambda *told: held.append(told))
    session_id = at_work(world, client, long_song)
    world.endpoint.instances[0].kill()
    soon(lambda: held)
    # Nobody is told that it is gone, so its lease runs out.
    soon(lambda: (world.record(session_id).lease_until or 0) < time.time())
    world.scheduled("recover")
    soon(lambda: world.record(session_id).state == "IN_PROGRESS")
    for _ in range(2):
        assert not world.functions.invoke(*held[0]).failed
    assert world.record(session_id).attempts == 2
    whole(world, client, session_id)
    soon(lambda: len(held) == 2)
    before = world.record(session_id)
    for told in (held[1], held[0], held[1]):
        assert not world.functions.invoke(*told).failed
    assert world.record(session_id) == before
    assert calls_of(world, session_id) == 2


def test_an_instance_that_is_taken_away_gives_its_song_back(
    world: World, client: Client, long_song: bytes
) -> None:
    session_id = at_work(world, client, long_song)
    world.endpoint.instances[0].stop()
    whole(world, client, session_id)
    record = world.record(session_id)
    assert record.attempts == 1  # the first doesn't count
    assert calls_of(world, session_id) == 2


def test_an_invocation_that_takes_too_long_is_over(world: World, client: Client, long_song: bytes) -> None:
    """The container still works on it then: it sees that the song isn't its any more."""
    world.endpoint.longest_s = 1.0
    try:
        session_id = at_work(world, client, long_song)
    finally:
        world.endpoint.longest_s = None
    whole(world, client, session_id)
    assert world.record(session_id).attempts == 2
    assert calls_of(world, session_id) == 2
    assert world.door.put.count(f"outputs/{session_id}/vocals.wav") == 1


def test_a_bucket_that_is_busy_for_a_while_is_waited_for(world: World, client: Client, song: Path) -> None:
    def stems(asked: Asked) -> bool:
        return asked.action == "s3:PutObject" and "/outputs/" in asked.resource

    with world.door.faults.refusing("s3", 503, "SlowDown", stems) as fault:
        session_id = client.started(song.read_bytes())
        soon(lambda: fault.met)
    whole(world, client, session_id)
    assert world.record(session_id).attempts == 1


def test_a_bucket_that_stays_shut_fails_the_song_in_words(world: World, client: Client, song: Path) -> None:
    def stems(asked: Asked) -> bool:
        return asked.action == "s3:PutObject" and "/outputs/" in asked.resource

    with world.door.faults.refusing("s3", 403, "AccessDenied", stems):
        upload = client.brought(song.read_bytes())
        client.process(upload)
        told = client.wait(upload["sessionId"], "FAILED")
    assert told["error_message"] == NOT_STORED
    assert client.process(upload)[0] == 202
    whole(world, client, upload["sessionId"])


def test_a_table_that_is_busy_for_longer_than_the_lease_costs_no_song(
    world: World, client: Client, long_song: bytes
) -> None:
    session_id = at_work(world, client, long_song)
    with world.door.faults.refusing("dynamodb", 400, "ProvisionedThroughputExceededException") as fault:
        time.sleep(LEASE_S + 0.5)
    assert fault.met
    world.scheduled("recover")
    whole(world, client, session_id)
    assert world.record(session_id).attempts <= 2


def test_an_upload_that_never_comes_is_swept_away(world: World, client: Client) -> None:
    upload = client.upload()
    status, problem = client.process(upload)
    assert (status, problem["status"]) == (409, 409)
    world.age(upload["sessionId"], 25 * 3600)
    assert client.call("POST", "/status", {"session_id": upload["sessionId"]})[0] == 404
    assert not world.scheduled("sweep").failed
    found = world.client("dynamodb").scan(TableName=world.table("Sessions"))["Items"]
    assert upload["sessionId"] not in [item["id"]["S"] for item in found]


def test_a_song_that_is_asked_for_twice_at_once_is_one_job(world: World, client: Client, song: Path) -> None:
    upload = client.brought(song.read_bytes())

    def writes(asked: Asked) -> bool:
        return asked.action == "dynamodb:PutItem" and world.table("Sessions") in asked.resource

    with ThreadPoolExecutor(2) as pool:
        unknown = {"s3Key": "inputs/x/song.wav", "sessionId": "x" * 32}
        warm = list(pool.map(lambda _: client.process(unknown), range(2)))
        assert [status for status, _ in warm] == [404, 404]
        with world.door.faults.together("dynamodb", 2, writes):  # both have read that it waits for nobody
            answers = list(pool.map(lambda _: client.process(upload), range(2)))
    assert {(status, told["sessionId"]) for status, told in answers} == {(202, upload["sessionId"])}
    whole(world, client, upload["sessionId"])
    assert calls_of(world, upload["sessionId"]) == 1
    assert world.door.put.count(f"outputs/{upload['sessionId']}/vocals.wav") == 1


def test_an_endpoint_that_takes_no_calls_fails_the_song_until_it_does(
    world: World, client: Client, song: Path
) -> None:
    upload = client.brought(song.read_bytes())
    world.endpoint.refusing = (503, "ServiceUnavailable")
    try:
        status, problem = client.process(upload)
    finally:
        world.endpoint.refusing = None
    assert status >= 500
    assert problem["status"] == status
    assert client.status(upload["sessionId"])["status"] == "FAILED"
    assert client.process(upload)[0] == 202
    whole(world, client, upload["sessionId"])
