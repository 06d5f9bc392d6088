"""What DynamoDB in particular asks of a job store; what all have in common is in `tests/contract`."""

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
from tests.aws.records import ended, session
from tests.simulators.relay import Answer, Call, Respond, passed_on, refusal, server

from unbraid.aws.items import item_of, session_of
from unbraid.aws.jobs import DynamoStore
from unbraid.jobs.ports import Changed
from unbraid.jobs.session import State

Through = Callable[[Respond], DynamoStore]


@pytest.fixture
def store(table: str) -> DynamoStore:
    return DynamoStore(table)


@pytest.fixture
def through(table: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Through]:
    """A store over the same table whose calls are answered as the test says."""
    with ExitStack() as stack:

        def open_store(respond: Respond) -> DynamoStore:
            url = stack.enter_context(server(respond))
            store = DynamoStore(table)
            with monkeypatch.context() as patch:
                patch.setenv("AWS_ENDPOINT_URL", url)
                assert store.get("x") is None  # which makes the client
            return store

        yield open_store


def test_a_write_whose_answer_is_lost_has_happened(aws: str, store: DynamoStore, through: Through) -> None:
    """The retry finds the version taken, by the write itself: nobody else was quicker."""
    writes = Counter[str]()

    def lose_the_first(call: Call) -> Answer | None:
        answer = passed_on(aws, call)
        writes[call.target] += 1
        return None if call.target == "PutItem" and writes["PutItem"] % 2 else answer

    lossy, first = through(lose_the_first), session()
    lossy.add(first)
    saved = lossy.save(replace(first, progress=0.5))
    assert saved == replace(first, progress=0.5, version=1) == store.get(first.id)
    assert writes["PutItem"] == 4


def test_who_was_slower_is_told_so_also_with_the_same_change(store: DynamoStore) -> None:
    first = session()
    store.add(first)
    store.save(replace(first, state=State.CANCELLED))
    with pytest.raises(Changed):
        store.save(replace(first, state=State.CANCELLED))
    with pytest.raises(Changed):
        store.add(first)


def test_a_table_that_is_busy_is_asked_again(aws: str, store: DynamoStore, through: Through) -> None:
    answers = [
        refusal(400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"),
        refusal(500, "com.amazonaws.dynamodb.v20120810#InternalServerError"),
    ]

    def busy_at_first(call: Call) -> Answer:
        return answers.pop() if answers and call.target == "PutItem" else passed_on(aws, call)

    first = session()
    through(busy_at_first).add(first)
    assert answers == []
    assert store.get(first.id) == first


def test_what_a_busy_table_leaves_out_is_asked_for_again(
    aws: str, store: DynamoStore, through: Through
) -> None:
    asked = []

    def half_of_it(call: Call) -> Answer | None:
        if call.target != "BatchGetItem":
            return passed_on(aws, call)
        [(table, wanted)] = json.loads(call.body)["RequestItems"].items()
        keys, rest = wanted["Keys"][:2], wanted["Keys"][2:]
        asked.append(len(wanted["Keys"]))
        body = json.dumps({"RequestItems": {table: {**wanted, "Keys": keys}}}).encode()
        answer = json.loads(passed_on(aws, call, body=body).body)
        if rest:
            answer["UnprocessedKeys"] = {table: {**wanted, "Keys": rest}}
        return Answer(200, json.dumps(answer).encode(), {})

    all_of_them = [session() for _ in range(5)]
    for one in all_of_them:
        store.add(one)
    ids = [one.id for one in all_of_them]
    busy = through(half_of_it)
    assert busy.get_many([*ids, ids[0]]) == {one.id: one for one in all_of_them}
    assert busy.known(ids) == set(ids)
    assert asked == [5, 3, 1] * 2


def test_lists_and_counts_are_read_to_their_end(aws: str, store: DynamoStore, through: Through) -> None:
    """DynamoDB gives at most 1 MB at once; here, two items."""
    waiting = [session(queued_at=float(number), owner="user:a b", created_at=number) for number in range(3)]
    working = [session(State.IN_PROGRESS, lease_until=float(number)) for number in range(3)]
    for one in [*waiting, *working]:
        store.add(one)

    def in_twos(call: Call) -> Answer:
        asked = json.loads(call.body)
        if call.target == "Query":
            asked["Limit"] = 2
        return passed_on(aws, call, body=json.dumps(asked).encode())

    paged = through(in_twos)
    assert paged.pending(100) == waiting
    assert paged.ahead(session(queued_at=5.0)) == 3
    assert paged.in_progress() == working
    assert paged.lapsed(2.0) == working
    assert paged.history("user:a b", 3) == waiting[::-1]
    assert paged.counts()[State.PENDING] == paged.counts()[State.IN_PROGRESS] == 3
    assert len(paged.expired(2e9, 100)) == 6


def test_those_who_came_at_one_moment_keep_their_order(store: DynamoStore) -> None:
    same = [session(queued_at=1.5, owner="browser:a", created_at=1.5) for _ in range(6)]
    for one in same:
        store.add(one)
    in_order = sorted(same, key=lambda one: one.id)
    assert [store.pending(count) for count in (1, 3, 6)] == [in_order[:count] for count in (1, 3, 6)]
    assert store.history("browser:a", 3) == in_order[:3]
    assert [store.ahead(one) for one in in_order] == list(range(6))


def test_what_an_index_still_has_after_its_end_does_not_come_again(
    aws: str, store: DynamoStore, through: Through
) -> None:
    """Indexes lag behind their table: a sweep must not find what it has just deleted, nor what lives on meanwhile."""
    gone, lives_on, expired = (session(expires_at=50.0) for _ in range(3))
    for one in (gone, lives_on, expired):
        store.add(one)
    before: dict[bytes, Answer] = {}

    def as_it_was(call: Call) -> Answer:
        if call.target != "Query":
            return passed_on(aws, call)
        return before.setdefault(call.body, passed_on(aws, call))

    lagging = through(as_it_was)
    assert len(lagging.expired(60.0, 100)) == 3
    store.delete(gone.id)
    store.save(replace(lives_on, expires_at=100.0))
    assert lagging.expired(60.0, 100) == [expired]


def test_what_can_not_be_an_id_is_unknown(store: DynamoStore) -> None:
    for odd in ("", "ü" * 1025, "\udcff"):
        assert store.get(odd) is None
        assert store.get_many([odd]) == {}
        assert store.known([odd]) == set()
        assert store.delete(odd) is False
    assert store.history("", 10) == []


def test_items_can_be_deleted_by_the_database_when_they_expire(store: DynamoStore) -> None:
    one = session(expires_at=1_800_000_000.25)
    store.add(one)
    item = boto3.client("dynamodb").get_item(TableName=store.table, Key={"id": {"S": one.id}})["Item"]
    assert item["ttl"] == {"N": "1800000001"}  # not before


def test_an_item_holds_nothing_that_is_not_there() -> None:
    item = item_of(session(), "w")
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
def test_numbers_come_back_as_the_same_in_value_and_kind(
    created: float, progress: float, duration: float, size: int
) -> None:
    progress = 0.0 if progress < 1e-100 else progress
    outputs = tuple(replace(output, duration_s=duration, size=size) for output in ended().outputs)
    one = ended(created_at=created, progress=progress, size=size, duration_s=duration, outputs=outputs)
    back = session_of(item_of(one, "w"))
    assert back == one
    assert json.dumps(asdict(back)) == json.dumps(asdict(one))
