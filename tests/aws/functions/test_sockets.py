"""WebSockets: `connect`, `disconnect` and `push`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from tests.aws.functions import events, gateway
from tests.aws.functions.conftest import Configure, call, invoke
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
def page(table: str, configure: Configure) -> Iterator[Gateway]:
    """The fake gateway, which records the messages to pages."""
    with gateway.running() as fake:

        def reconfigure(**settings: Any) -> None:
            for opened in (push.connections, push.sockets, connect._sign_in):
                opened.cache_clear()
            configure(connections=table, socket_api=fake.url, site=SITE, **settings)

        reconfigure()
        fake.configure = reconfigure  # type: ignore[attr-defined]
        yield fake
        reconfigure()


def subscribe(connection_id: str, *session_ids: str, **headers: str) -> dict[str, Any]:
    answer: dict[str, Any] = invoke(
        "connect", events.socket("$connect", connection_id, session_ids, **headers)
    )
    return answer


def send_message(connection_id: str) -> None:
    """Send a message from a page, as it does once its socket is open."""
    assert invoke("connect", events.socket("$default", connection_id)) == {"statusCode": 200}


def change(*changed: tuple[str, str]) -> None:
    invoke("push", events.changes(*changed))


def items(table: str) -> list[dict[str, Any]]:
    return boto3.client("dynamodb").scan(TableName=table)["Items"]  # type: ignore[return-value]


def wait_until_open(connection_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Advance the clock until a connection must be open."""
    later = push.sockets()._clock() + OPEN_AFTER_S + 1
    monkeypatch.setattr(push.sockets(), "_clock", lambda: later)


def test_sends_status_immediately_and_after_each_change(workspace: Workspace, page: Gateway) -> None:
    session_id, other = workspace.uploaded(), workspace.uploaded()
    assert subscribe("a=", session_id, other, UNKNOWN, session_id) == {"statusCode": 200}
    send_message("a=")
    messages = {message["session_id"]: message for message in page.sent.pop("a=")}
    assert messages[session_id] == call("status", "POST /status", {"session_id": session_id})[1]
    assert {key: message["status"] for key, message in messages.items()} == {
        session_id: "AWAITING_UPLOAD",
        other: "AWAITING_UPLOAD",
        UNKNOWN: "UNKNOWN",
    }
    workspace.service.start(session_id)
    change(("MODIFY", session_id))
    assert page.take_statuses("a=") == [(session_id, "PENDING")]
    workspace.service.cleanup(session_id)
    change(("REMOVE", session_id))
    assert page.sent.pop("a=") == [{"session_id": session_id, "status": "UNKNOWN"}]


def test_sends_only_the_last_of_several_changes(workspace: Workspace, page: Gateway) -> None:
    session_id, other = workspace.working(), workspace.completed()
    subscribe("a=", session_id, other)
    change(("INSERT", session_id), ("MODIFY", session_id), ("MODIFY", other), ("MODIFY", session_id))
    assert sorted(page.take_statuses("a=")) == sorted([(session_id, "IN_PROGRESS"), (other, "COMPLETED")])
    workspace.service.cleanup(session_id)
    change(("MODIFY", session_id))  # the REMOVE comes in the next batch
    assert page.take_statuses("a=") == []
    change(("MODIFY", session_id), ("REMOVE", session_id))
    assert page.take_statuses("a=") == [(session_id, "UNKNOWN")]


def test_sends_to_all_subscribers_of_a_session_only(workspace: Workspace, page: Gateway) -> None:
    session_id, other = workspace.waiting(), workspace.waiting()
    for connection_id, subscribed_id in (("a=", session_id), ("b=", session_id), ("c=", other)):
        subscribe(connection_id, subscribed_id)
    change(("MODIFY", session_id))
    assert page.sent["a="] == page.sent["b="] != []
    assert "c=" not in page.sent


def test_reads_no_session_without_subscribers(
    workspace: Workspace, page: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace.store, "get_many", None)
    change(("MODIFY", workspace.waiting()))
    assert page.sent == {}


def test_failing_socket_does_not_stop_others(workspace: Workspace, page: Gateway, table: str) -> None:
    session_id = workspace.waiting()
    for name in ("a=", "b=", "c="):
        subscribe(name, session_id)
    page.broken.add("a=")
    page.gone.add("b=")
    change(("MODIFY", session_id))
    assert page.take_statuses("c=") == [(session_id, "PENDING")]


def test_removes_closed_connection_when_sending_fails(
    workspace: Workspace, page: Gateway, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id, other = workspace.waiting(), workspace.waiting()
    subscribe("a=", session_id, other)
    page.gone.add("a=")
    change(("MODIFY", session_id))
    assert len(items(table)) == 3  # it may not be open yet
    wait_until_open("a=", monkeypatch)
    change(("MODIFY", session_id))
    assert items(table) == []


def test_disconnect_removes_the_connection(workspace: Workspace, page: Gateway, table: str) -> None:
    session_id = workspace.waiting()
    subscribe("a=", session_id, workspace.waiting())
    subscribe("b=", session_id)
    for _ in range(2):
        assert invoke("disconnect", events.socket("$disconnect", "a="))["statusCode"] == 200
    assert {item["connection_id"]["S"] for item in items(table)} == {"b="}
    send_message("a=")
    assert "a=" not in page.sent


def test_items_have_a_time_to_live(workspace: Workspace, page: Gateway, table: str) -> None:
    subscribe("a=", workspace.waiting())
    for item in items(table):
        assert float(item["ttl"]["N"]) == pytest.approx(float(item["since"]["N"]) + MAX_CONNECTION_S, abs=1)


def test_page_may_subscribe_to_a_whole_batch(workspace: Workspace, page: Gateway) -> None:
    ids = [workspace.uploaded() for _ in range(100)]
    assert subscribe("a=", *ids)["statusCode"] == 200
    send_message("a=")
    assert sorted(session_id for session_id, _ in page.take_statuses("a=")) == sorted(ids)


def test_rejects_invalid_session_ids(page: Gateway, table: str) -> None:
    for ids in ((), ("a\0b",), ("",), tuple(f"{number:032}" for number in range(101))):
        assert subscribe("a=", *ids)["statusCode"] == 422
    assert items(table) == []


def test_session_id_cannot_name_another_connection(workspace: Workspace, page: Gateway) -> None:
    session_id = workspace.waiting()
    subscribe("b=", session_id)
    assert subscribe("a=", "connection:b=")["statusCode"] == 200
    send_message("b=")
    assert page.take_statuses("b=") == [(session_id, "PENDING")]
    assert "a=" not in page.sent


def test_rejects_other_origins(page: Gateway) -> None:
    assert subscribe("a=", UNKNOWN, origin=SITE)["statusCode"] == 200
    for origin in ("https://evil.example.org", "http://music.example.org", "null"):
        assert subscribe("a=", UNKNOWN, origin=origin)["statusCode"] == 403


def test_internal_error_is_500(page: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push.connections(), "add", None)
    assert subscribe("a=", UNKNOWN) == {"statusCode": 500}


@pytest.fixture
def signed_in(page: Gateway) -> Iterator[Callable[..., str]]:
    """A factory of tokens, with sign-in configured."""
    with issuer.running() as provider:
        page.configure(oidc_issuer=provider.address, oidc_client_id=CLIENT)  # type: ignore[attr-defined]
        yield provider.token


def test_sends_users_only_their_own_sessions(
    workspace: Workspace, page: Gateway, signed_in: Callable[..., str], table: str
) -> None:
    tokens = {name: f"bearer.{signed_in(sub=name)}" for name in ("anna", "bert")}
    first = subscribe("a=", UNKNOWN, sec_websocket_protocol=f"other, {tokens['anna']}")
    assert first == {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": tokens["anna"]}}
    (owner,) = {item["owner"]["S"] for item in items(table)}
    assert owner.startswith("user:http") and owner.endswith(" anna")
    session_id = workspace.waiting(owner=owner)
    for connection_id, name in (("b=", "anna"), ("c=", "bert")):
        subscribe(connection_id, session_id, sec_websocket_protocol=tokens[name])
    send_message("c=")
    assert page.take_statuses("c=") == [(session_id, "UNKNOWN")]
    change(("MODIFY", session_id))
    assert page.take_statuses("b=") == [(session_id, "PENDING")]
    assert page.take_statuses("c=") == []


def test_rejects_connection_without_valid_token(
    page: Gateway, signed_in: Callable[..., str], table: str
) -> None:
    for protocols in ("", "other", "bearer.", "bearer.x.y.z", f"bearer.{signed_in(aud='another')}"):
        headers = {"sec_websocket_protocol": protocols} if protocols else {}
        assert subscribe("a=", UNKNOWN, **headers) == {"statusCode": 401}
    assert items(table) == []


def test_unavailable_issuer_is_503(page: Gateway, signed_in: Callable[..., str]) -> None:
    page.configure(oidc_issuer="http://127.0.0.1:9", oidc_client_id=CLIENT)  # type: ignore[attr-defined]
    assert subscribe("a=", UNKNOWN, sec_websocket_protocol=f"bearer.{signed_in()}") == {"statusCode": 503}
