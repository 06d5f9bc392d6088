"""The job store in DynamoDB: retries, pages, lagging indexes. `tests/contract` tests what all job stores do."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.aws.sessions import ended_session, new_session
from tests.simulators.relay import Answer, Call, Respond, passed_on, refusal, server

from unbraid.aws.items import item_of, session_of
from unbraid.aws.jobs import DynamoStore
from unbraid.jobs.ports import Changed
from unbraid.jobs.session import State

OpenThrough = Callable[[Respond], DynamoStore]


@pytest.fixture
def store(table: str) -> DynamoStore:
    return DynamoStore(table)


@pytest.fixture
def open_through(table: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenThrough]:
    """Function that opens the table through a server whose `respond` answers or forwards each call."""
    with ExitStack() as stack:

        def open_store(respond: Respond) -> DynamoStore:
            url = stack.enter_context(server(respond))
            store = DynamoStore(table)
            with monkeypatch.context() as patch:
                patch.setenv("AWS_ENDPOINT_URL", url)
                assert store.get("x") is None  # creates the client, with this endpoint
            return store

        yield open_store


def test_retried_write_succeeds_after_a_lost_answer(
    aws: str, store: DynamoStore, open_through: OpenThrough
) -> None:
    """The retry finds the new version in the table, written only by the first try."""
    writes = Counter[str]()

    def lose_first_answer(call: Call) -> Answer | None:
        answer = passed_on(aws, call)
        writes[call.target] += 1
        return None if call.target == "PutItem" and writes["PutItem"] % 2 else answer

    lossy, first = open_through(lose_first_answer), new_session()
    lossy.add(first)
    saved = lossy.save(replace(first, progress=0.5))
    assert saved == replace(first, progress=0.5, version=1) == store.get(first.id)
    assert writes["PutItem"] == 4


def test_second_of_two_equal_changes_raises_changed(store: DynamoStore) -> None:
    first = new_session()
    store.add(first)
    store.save(replace(first, state=State.CANCELLED))
    with pytest.raises(Changed):
        store.save(replace(first, state=State.CANCELLED))
    with pytest.raises(Changed):
        store.add(first)


def test_retries_a_busy_table(aws: str, store: DynamoStore, open_through: OpenThrough) -> None:
    answers = [
        refusal(400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"),
        refusal(500, "com.amazonaws.dynamodb.v20120810#InternalServerError"),
    ]

    def busy_at_first(call: Call) -> Answer:
        return answers.pop() if answers and call.target == "PutItem" else passed_on(aws, call)

    first = new_session()
    open_through(busy_at_first).add(first)
    assert answers == []
    assert store.get(first.id) == first


def test_requests_unprocessed_keys_again(aws: str, store: DynamoStore, open_through: OpenThrough) -> None:
    key_counts = []

    def answer_two_keys(call: Call) -> Answer | None:
        if call.target != "BatchGetItem":
            return passed_on(aws, call)
        [(table, request)] = json.loads(call.body)["RequestItems"].items()
        keys, rest = request["Keys"][:2], request["Keys"][2:]
        key_counts.append(len(request["Keys"]))
        body = json.dumps({"RequestItems": {table: {**request, "Keys": keys}}}).encode()
        answer = json.loads(passed_on(aws, call, body=body).body)
        if rest:
            answer["UnprocessedKeys"] = {table: {**request, "Keys": rest}}
        return Answer(200, json.dumps(answer).encode(), {})

    sessions = [new_session() for _ in range(5)]
    for session in sessions:
        store.add(session)
    ids = [session.id for session in sessions]
    busy = open_through(answer_two_keys)
    assert busy.get_many([*ids, ids[0]]) == {session.id: session for session in sessions}
    assert busy.known(ids) == set(ids)
    assert key_counts == [5, 3, 1] * 2


def test_reads_all_pages_of_lists_and_counts(aws: str, store: DynamoStore, open_through: OpenThrough) -> None:
    """DynamoDB returns at most 1 MB per page; this server returns two items."""
    waiting = [
        new_session(queued_at=float(number), owner="user:a b", created_at=number) for number in range(3)
    ]
    working = [new_session(State.IN_PROGRESS, lease_until=float(number)) for number in range(3)]
    for session in [*waiting, *working]:
        store.add(session)

    def two_per_page(call: Call) -> Answer:
        request = json.loads(call.body)
        if call.target == "Query":
            request["Limit"] = 2
        return passed_on(aws, call, body=json.dumps(request).encode())

    paged = open_through(two_per_page)
    assert paged.pending(100) == waiting
    assert paged.in_progress() == working
    assert paged.lapsed(2.0) == working
    assert paged.history("user:a b", 3) == waiting[::-1]
    assert paged.counts()[State.PENDING] == paged.counts()[State.IN_PROGRESS] == 3
    assert len(paged.expired(2e9, 100)) == 6


def test_sessions_of_the_same_time_are_in_order_of_id(store: DynamoStore) -> None:
    same = [new_session(queued_at=1.5, owner="browser:a", created_at=1.5) for _ in range(6)]
    for session in same:
        store.add(session)
    in_order = sorted(same, key=lambda session: session.id)
    assert [store.pending(count) for count in (1, 3, 6)] == [in_order[:count] for count in (1, 3, 6)]
    assert store.history("browser:a", 3) == in_order[:3]


def test_ignores_outdated_entries_of_a_lagging_index(
    aws: str, store: DynamoStore, open_through: OpenThrough
) -> None:
    """Indexes lag behind their table: a sweep must list neither a deleted session nor an extended session."""
    deleted, extended, expired = (new_session(expires_at=50.0) for _ in range(3))
    for session in (deleted, extended, expired):
        store.add(session)
    first_answers: dict[bytes, Answer] = {}

    def answer_from_the_past(call: Call) -> Answer:
        if call.target != "Query":
            return passed_on(aws, call)
        return first_answers.setdefault(call.body, passed_on(aws, call))

    lagging = open_through(answer_from_the_past)
    assert len(lagging.expired(60.0, 100)) == 3
    store.delete(deleted.id)
    store.save(replace(extended, expires_at=100.0))
    assert lagging.expired(60.0, 100) == [expired]


def test_invalid_ids_are_unknown(store: DynamoStore) -> None:
    for invalid in ("", "ü" * 1025, "\udcff"):
        assert store.get(invalid) is None
        assert store.get_many([invalid]) == {}
        assert store.known([invalid]) == set()
        assert store.delete(invalid) is False
    assert store.history("", 10) == []


def test_items_have_a_time_to_live(store: DynamoStore) -> None:
    session = new_session(expires_at=1_800_000_000.25)
    store.add(session)
    item = boto3.client("dynamodb").get_item(TableName=store.table, Key={"id": {"S": session.id}})["Item"]
    assert item["ttl"] == {"N": "1800000001"}  # rounded up, so never early


def test_items_omit_missing_values() -> None:
    item = item_of(new_session(), "w")
    assert not any(value == {"NULL": True} for value in item.values())
    assert "owner" not in item
    assert item["choices"]["M"].keys() == {"model", "stems", "format", "video"}


times = st.floats(0, 1e11, allow_subnormal=False).filter(lambda x: x == 0 or x > 1e-100)


@given(
    created=times,
    progress=st.floats(0, 1, allow_subnormal=False),
    duration=times,
    size=st.integers(0, 5 << 30),
)
def test_numbers_keep_their_value_and_type(
    created: float, progress: float, duration: float, size: int
) -> None:
    progress = 0.0 if progress < 1e-100 else progress
    outputs = tuple(replace(output, duration_s=duration, size=size) for output in ended_session().outputs)
    session = ended_session(
        created_at=created, progress=progress, size=size, duration_s=duration, outputs=outputs
    )
    back = session_of(item_of(session, "w"))
    assert back == session
    assert json.dumps(asdict(back)) == json.dumps(asdict(session))
