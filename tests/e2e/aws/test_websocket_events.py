"""The WebSocket API sends changes of a session to pages, from the table's stream."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.aws.client import Client
from tests.e2e.aws.waiting import wait_until
from tests.simulators.aws_account import AwsAccount
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin


def subscribe(
    aws_account: AwsAccount, client: Client, *session_ids: str, origin: str | None = None
) -> ClientConnection:
    """Open the connection that a page opens, at the URL in its configuration."""
    address = client.call("GET", "/config")[1]["events"]
    assert address == aws_account.websocket_url
    query = "&".join(f"session_id={session_id}" for session_id in session_ids)
    return connect(f"{address}?{query}", origin=Origin(origin or aws_account.page_origin), proxy=None)


def receive(socket: ClientConnection) -> dict[str, Any]:
    return json.loads(socket.recv(30))  # type: ignore[no-any-return]


def test_sends_progress_until_the_session_is_deleted(
    aws_account: AwsAccount, client: Client, song: Path
) -> None:
    upload = client.upload_song(song.read_bytes())
    session_id, most, states = upload["sessionId"], 0.0, []
    with subscribe(aws_account, client, session_id) as socket:
        socket.send("hello")
        assert receive(socket)["status"] == "AWAITING_UPLOAD"
        assert client.process(upload)[0] == 202
        while "COMPLETED" not in states:
            now = receive(socket)
            assert now["session_id"] == session_id
            states.append(now["status"])
            assert now["progress"] >= most
            most = now["progress"]
        assert list(client.stems(now)) == ["vocals.wav", "no_vocals.wav"]
        client.call("POST", "/cleanup", {"session_id": session_id})
        while now["status"] == "COMPLETED":
            now = receive(socket)
        assert now["status"] == "UNKNOWN"
    assert states.index("IN_PROGRESS") < states.index("COMPLETED")
    wait_until(lambda: session_id not in subscribed_sessions(aws_account))


def test_forgets_connections_that_vanished(aws_account: AwsAccount, client: Client) -> None:
    session_id = client.upload()["sessionId"]
    with subscribe(aws_account, client, session_id):
        wait_until(lambda: session_id in subscribed_sessions(aws_account))
        age_connections(aws_account)
        aws_account.websocket_api.drop_connections()
        assert client.call("POST", "/cancel", {"session_id": session_id})[0] == 200
        wait_until(lambda: session_id not in subscribed_sessions(aws_account))
    assert aws_account.websocket_api.posts[410]


def test_rejects_pages_of_other_origins(aws_account: AwsAccount, client: Client) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        subscribe(aws_account, client, "a" * 32, origin="https://other.example.org")


def subscribed_sessions(aws_account: AwsAccount) -> list[str]:
    """Ids of the sessions that connections in the table subscribe to, also those that pages of other tests left."""
    items = aws_account.client("dynamodb").scan(TableName=aws_account.table("Connections"))["Items"]
    return [key for item in items if ":" not in (key := item["session_id"]["S"])]


def age_connections(aws_account: AwsAccount) -> None:
    """Make all connections a minute older. New ones are kept even if they do not answer yet."""
    table = aws_account.table("Connections")
    for item in aws_account.client("dynamodb").scan(TableName=table)["Items"]:
        item["since"] = {"N": str(float(item["since"]["N"]) - 60)}
        aws_account.client("dynamodb").put_item(TableName=table, Item=item)
