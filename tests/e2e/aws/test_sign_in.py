"""Where people sign in, and songs are separated without a graphics card: the application with other switches."""

from __future__ import annotations

import base64
import email
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.aws.client import Client
from tests.e2e.aws.conftest import BUILT, PAGE, deployed
from tests.e2e.aws.template import Template
from tests.e2e.aws.world import World
from tests.web.issuer import CLIENT, Issuer, running
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

SENDER, ANNA = "songs@example.org", "anna@example.org"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """Who signs people in, as a user pool of Cognito does."""
    with running() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def world(
    synth: Callable[..., Any], issuer: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    template = Template(synth(site=PAGE, compute="cpu", sign_in=True, sender=SENDER), BUILT)
    (client,) = template.ids("AWS::Cognito::UserPoolClient")
    template.names[client] = CLIENT
    with deployed(template, tmp_path_factory.mktemp("signed-in"), issuer.address) as world:
        yield world


def signed_in(world: World, issuer: Issuer, who: str, **claims: Any) -> Client:
    token = issuer.token(sub=who, token_use="id", email=f"{who}@example.org", **claims)
    return Client(world, {"Authorization": f"Bearer {token}"})


def heard(world: World, someone: Client, session_id: str) -> str:
    """What the socket first tells of that session. A browser can send a token only as a subprotocol."""
    token = someone.headers.get("Authorization", "").removeprefix("Bearer ")
    address = f"{world.sockets_address}?session_id={session_id}"
    protocols = [Subprotocol(f"bearer.{token}")] if token else None
    with connect(address, subprotocols=protocols, origin=Origin(world.site), proxy=None) as socket:
        assert socket.subprotocol == (protocols and protocols[0])
        socket.send("here")
        return str(json.loads(socket.recv(20))["status"])


def test_whoever_has_not_signed_in_learns_only_how_to(world: World, issuer: Issuer) -> None:
    nobody = Client(world)
    status, config = nobody.call("GET", "/config")
    assert status == 200
    assert (config["signIn"]["issuer"], config["signIn"]["clientId"]) == (issuer.address, CLIENT)
    asked = {"fileName": "song.wav", "fileType": "audio/wav"}
    for someone in (
        nobody,
        signed_in(world, issuer, "anna", aud="another-app"),
        signed_in(world, issuer, "anna", exp=int(time.time()) - 60),
        signed_in(world, issuer, "anna", iss="https://example.org"),
    ):
        assert someone.call("POST", "/upload", asked)[0] == 401
        assert someone.call("GET", "/history")[0] == 401


def test_a_song_is_one_persons_and_a_letter_tells_of_its_end(
    world: World, issuer: Issuer, song: Path, by_command_line: Path
) -> None:
    """By the queue and the function that the image is without an endpoint."""
    anna, bob = signed_in(world, issuer, "anna"), signed_in(world, issuer, "bob")
    session_id = anna.started(song.read_bytes(), notify=ANNA)
    assert bob.call("POST", "/status", {"session_id": session_id})[0] == 403
    assert bob.call("POST", "/cleanup", {"session_id": session_id})[0] == 403
    for name, data in anna.stems(anna.wait(session_id, "COMPLETED")).items():
        assert data == (by_command_line / name).read_bytes()
    for someone, theirs in ((anna, [session_id]), (bob, [])):
        status, told = someone.call("GET", "/history")
        assert status == 200
        assert [one["session_id"] for one in told["sessions"]] == theirs
    assert heard(world, anna, session_id) == "COMPLETED"
    assert heard(world, bob, session_id) == "UNKNOWN"
    with pytest.raises(InvalidStatus, match="401"):
        heard(world, Client(world), session_id)
    (letter,) = world.door.letters
    assert letter["Destination"]["ToAddresses"] == [ANNA]
    message = email.message_from_bytes(base64.b64decode(letter["Content"]["Raw"]["Data"]))
    assert message["From"] == SENDER
    assert session_id not in str(message["Subject"])
