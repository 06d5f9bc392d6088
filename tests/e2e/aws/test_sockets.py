"""Pages are told of changes by the WebSocket API, from the table's stream."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.aws.client import Client
from tests.e2e.aws.waiting import soon
from tests.e2e.aws.world import World
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin


def listening(world: World, client: Client, *session_ids: str, origin: str | None = None) -> ClientConnection:
    """The socket that a page opens, at the address that it is told."""
    address = client.call("GET", "/config")[1]["events"]
    assert address == world.sockets_address
    query = "&".join(f"session_id={session_id}" for session_id in session_ids)
    return connect(f"{address}?{query}", origin=Origin(origin or world.site), proxy=None)


def told(socket: ClientConnection) -> dict[str, Any]:
    return json.loads(socket.recv(30))  # type: ignore[no-any-return]


def test_progress_is_told_by_the_socket(world: World, client: Client, song: Path) -> None:
    upload = client.brought(song.read_bytes())
    session_id, most, states = upload["sessionId"], 0.0, []
    with listening(world, client, session_id) as socket:
        socket.send("here")
        assert told(socket)["status"] == "AWAITING_UPLOAD"
        assert client.process(upload)[0] == 202
        while "COMPLETED" not in states:
            now = told(socket)
            assert now["session_id"] == session_id
            states.append(now["status"])
            assert now["progress"] >= most
            most = now["progress"]
        assert list(client.stems(now)) == ["vocals.wav", "no_vocals.wav"]
        client.call("POST", "/cleanup", {"session_id": session_id})
        while now["status"] == "COMPLETED":
            now = told(socket)
        assert now["status"] == "UNKNOWN"
    assert states.index("IN_PROGRESS") < states.index("COMPLETED")
    soon(lambda: listeners(world) == [])


def test_whoever_is_gone_without_a_word_is_forgotten(world: World, client: Client) -> None:
    upload = client.upload()
    with listening(world, client, upload["sessionId"]):
        soon(lambda: listeners(world) == [upload["sessionId"]])
        grown_old(world)
        world.sockets.cut()
        assert client.call("POST", "/cancel", {"session_id": upload["sessionId"]})[0] == 200
        soon(lambda: listeners(world) == [])
    assert world.sockets.posts[410]


def test_pages_of_other_origins_hear_nothing(world: World, client: Client) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        listening(world, client, "a" * 32, origin="https://other.example.org")


def listeners(world: World) -> list[str]:
    """The sessions that somebody listens to, by the table."""
    items = world.client("dynamodb").scan(TableName=world.table("Connections"))["Items"]
    return [key for item in items if ":" not in (key := item["session_id"]["S"])]


def grown_old(world: World) -> None:
    """Connections have stood for a minute: one that is new may not stand yet, and isn't forgotten for that."""
    table = world.table("Connections")
    for item in world.client("dynamodb").scan(TableName=table)["Items"]:
        item["since"] = {"N": str(float(item["since"]["N"]) - 60)}
        world.client("dynamodb").put_item(TableName=table, Item=item)
