"""Pages listen to their songs, and are told what changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from tests.aws.functions import events, gateway
from tests.aws.functions.conftest import Set, ask, run
from tests.aws.functions.gateway import Gateway
from tests.jobs.memory import Workspace
from tests.simulators.moto_server import CONNECTIONS_TABLE, new_table
from tests.web import issuer
from tests.web.issuer import CLIENT

from unbraid.aws import push
from unbraid.aws.functions import connect
from unbraid.aws.sockets import MAX_CONNECTION_S, OPEN_AFTER_S

SITE = "https://music.example.org"
UNKNOWN = "x" * 32


@pytest.fixture
def table(aws: str) -> str:
    return new_table(CONNECTIONS_TABLE)


@pytest.fixture
def page(table: str, configure: Set) -> Iterator[Gateway]:
    """What pages hear."""
    with gateway.running() as one:

        def reconfigure(**settings: Any) -> None:
            for opened in (push.connections, push.sockets, connect._sign_in):
                opened.cache_clear()
            configure(connections=table, socket_api=one.address, site=SITE, **settings)

        reconfigure()
        one.configure = reconfigure  # type: ignore[attr-defined]
        yield one
        reconfigure()


def listen(connection_id: str, *session_ids: str, **headers: str) -> dict[str, Any]:
    answer: dict[str, Any] = run("connect", events.socket("$connect", connection_id, session_ids, **headers))
    return answer


def say(connection_id: str) -> None:
    """What a page does once its socket stands."""
    assert run("connect", events.socket("$default", connection_id)) == {"statusCode": 200}


def change(*changed: tuple[str, str]) -> None:
    run("push", events.changes(*changed))


def items(table: str) -> list[dict[str, Any]]:
    return boto3.client("dynamodb").scan(TableName=table)["Items"]  # type: ignore[return-value]


def age(connection_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time pass until a connection stands for certain."""
    later = push.sockets()._clock() + OPEN_AFTER_S + 1
    monkeypatch.setattr(push.sockets(), "_clock", lambda: later)


def test_each_session_is_told_at_once_and_when_it_changes(workspace: Workspace, page: Gateway) -> None:
    one, other = workspace.brought(), workspace.brought()
    assert listen("a=", one, other, UNKNOWN, one) == {"statusCode": 200}
    say("a=")
    first = {told["session_id"]: told for told in page.sent.pop("a=")}
    assert first[one] == ask("status", "POST /status", {"session_id": one})[1]
    assert {key: told["status"] for key, told in first.items()} == {
        one: "AWAITING_UPLOAD",
        other: "AWAITING_UPLOAD",
        UNKNOWN: "UNKNOWN",
    }
    workspace.service.start(one)
    change(("MODIFY", one))
    assert page.news("a=") == [(one, "PENDING")]
    workspace.service.cleanup(one)
    change(("REMOVE", one))
    assert page.sent.pop("a=") == [{"session_id": one, "status": "UNKNOWN"}]


def test_of_several_changes_the_last_is_told(workspace: Workspace, page: Gateway) -> None:
    one, other = workspace.working(), workspace.completed()
    listen("a=", one, other)
    change(("INSERT", one), ("MODIFY", one), ("MODIFY", other), ("MODIFY", one))
    assert sorted(page.news("a=")) == sorted([(one, "IN_PROGRESS"), (other, "COMPLETED")])
    workspace.service.cleanup(one)
    change(("MODIFY", one))  # whose end comes in the next batch
    assert page.news("a=") == []
    change(("MODIFY", one), ("REMOVE", one))
    assert page.news("a=") == [(one, "UNKNOWN")]


def test_two_pages_hear_the_same_and_others_nothing(workspace: Workspace, page: Gateway) -> None:
    one, other = workspace.waiting(), workspace.waiting()
    for connection_id, session_id in (("a=", one), ("b=", one), ("c=", other)):
        listen(connection_id, session_id)
    change(("MODIFY", one))
    assert page.sent["a="] == page.sent["b="] != []
    assert "c=" not in page.sent


def test_where_nobody_listens_no_session_is_read(
    workspace: Workspace, page: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace.store, "get_many", None)
    change(("MODIFY", workspace.waiting()))
    assert page.sent == {}


def test_one_socket_that_fails_keeps_none_from_hearing(
    workspace: Workspace, page: Gateway, table: str
) -> None:
    session_id = workspace.waiting()
    for name in ("a=", "b=", "c="):
        listen(name, session_id)
    page.broken.add("a=")
    page.gone.add("b=")
    change(("MODIFY", session_id))
    assert page.news("c=") == [(session_id, "PENDING")]


def test_who_is_gone_is_forgotten(
    workspace: Workspace, page: Gateway, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = workspace.waiting(), workspace.waiting()
    listen("a=", one, other)
    page.gone.add("a=")
    change(("MODIFY", one))
    assert len(items(table)) == 3  # it may not stand yet
    age("a=", monkeypatch)
    change(("MODIFY", one))
    assert items(table) == []


def test_who_leaves_is_forgotten(workspace: Workspace, page: Gateway, table: str) -> None:
    one = workspace.waiting()
    listen("a=", one, workspace.waiting())
    listen("b=", one)
    for _ in range(2):
        assert run("disconnect", events.socket("$disconnect", "a="))["statusCode"] == 200
    assert {item["connection_id"]["S"] for item in items(table)} == {"b="}
    say("a=")
    assert "a=" not in page.sent


def test_what_is_kept_of_a_connection_goes_by_itself(workspace: Workspace, page: Gateway, table: str) -> None:
    listen("a=", workspace.waiting())
    for item in items(table):
        assert float(item["ttl"]["N"]) == pytest.approx(float(item["since"]["N"]) + MAX_CONNECTION_S, abs=1)


def test_a_page_may_listen_to_a_whole_batch(workspace: Workspace, page: Gateway) -> None:
    ids = [workspace.brought() for _ in range(100)]
    assert listen("a=", *ids)["statusCode"] == 200
    say("a=")
    assert sorted(session_id for session_id, _ in page.news("a=")) == sorted(ids)


def test_what_makes_no_sense_is_refused(page: Gateway, table: str) -> None:
    for ids in ((), ("a\0b",), ("",), tuple(f"{number:032}" for number in range(101))):
        assert listen("a=", *ids)["statusCode"] == 422
    assert items(table) == []


def test_nobody_can_pass_for_another_connection(workspace: Workspace, page: Gateway) -> None:
    session_id = workspace.waiting()
    listen("b=", session_id)
    assert listen("a=", "connection:b=")["statusCode"] == 200
    say("b=")
    assert page.news("b=") == [(session_id, "PENDING")]
    assert "a=" not in page.sent


def test_pages_of_other_origins_may_not_listen(page: Gateway) -> None:
    assert listen("a=", UNKNOWN, origin=SITE)["statusCode"] == 200
    for origin in ("https://evil.example.org", "http://music.example.org", "null"):
        assert listen("a=", UNKNOWN, origin=origin)["statusCode"] == 403


def test_a_fault_is_an_answer(page: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push.connections(), "add", None)
    assert listen("a=", UNKNOWN) == {"statusCode": 500}


@pytest.fixture
def signed_in(page: Gateway) -> Iterator[Callable[..., str]]:
    """Makes tokens, where people sign in."""
    with issuer.running() as one:
        page.configure(oidc_issuer=one.address, oidc_client_id=CLIENT)  # type: ignore[attr-defined]
        yield one.token


def test_who_has_signed_in_hears_of_what_is_theirs(
    workspace: Workspace, page: Gateway, signed_in: Callable[..., str], table: str
) -> None:
    tokens = {name: f"bearer.{signed_in(sub=name)}" for name in ("anna", "bert")}
    first = listen("a=", UNKNOWN, sec_websocket_protocol=f"other, {tokens['anna']}")
    assert first == {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": tokens["anna"]}}
    (owner,) = {item["owner"]["S"] for item in items(table)}
    assert owner.startswith("user:http") and owner.endswith(" anna")
    session_id = workspace.waiting(owner=owner)
    for connection_id, name in (("b=", "anna"), ("c=", "bert")):
        listen(connection_id, session_id, sec_websocket_protocol=tokens[name])
    say("c=")
    assert page.news("c=") == [(session_id, "UNKNOWN")]
    change(("MODIFY", session_id))
    assert page.news("b=") == [(session_id, "PENDING")]
    assert page.news("c=") == []


def test_without_a_good_token_nobody_listens(
    page: Gateway, signed_in: Callable[..., str], table: str
) -> None:
    for protocols in ("", "other", "bearer.", "bearer.x.y.z", f"bearer.{signed_in(aud='another')}"):
        headers = {"sec_websocket_protocol": protocols} if protocols else {}
        assert listen("a=", UNKNOWN, **headers) == {"statusCode": 401}
    assert items(table) == []


def test_while_the_issuer_is_away_pages_ask_later(page: Gateway, signed_in: Callable[..., str]) -> None:
    page.configure(oidc_issuer="http://127.0.0.1:9", oidc_client_id=CLIENT)  # type: ignore[attr-defined]
    assert listen("a=", UNKNOWN, sec_websocket_protocol=f"bearer.{signed_in()}") == {"statusCode": 503}
