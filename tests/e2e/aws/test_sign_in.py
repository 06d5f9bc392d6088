"""The application deployed with sign-in, and with CPU separation: a queue and a function instead of an endpoint."""

from __future__ import annotations

import base64
import email
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import write_certificate
from tests.e2e.aws.client import Client
from tests.e2e.aws.conftest import BUILT, PAGE, deployed
from tests.e2e.aws.waiting import wait_until
from tests.simulators.aws_account import AwsAccount
from tests.simulators.cloudformation import Template
from tests.web.issuer import CLIENT, Issuer, running
from tests.webhooks.conftest import Receiver, running_receiver
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from unbraid.aws.rollout import PROVE
from unbraid.webhooks.message import signature

SENDER, ANNA = "songs@example.org", "anna@example.org"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """A sign-in service that issues tokens as a Cognito user pool does."""
    with running() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Receiver, dict[str, str]]]:
    """A program of the user that receives webhooks, and the environment in which its certificate is trusted."""
    with running_receiver(write_certificate(tmp_path_factory.mktemp("receiver") / "receiver.pem")) as running:
        yield running


@pytest.fixture(scope="module")
def aws_account(
    synth: Callable[..., Any],
    issuer: Issuer,
    receiver: tuple[Receiver, dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AwsAccount]:
    template = Template(synth(site=PAGE, compute="cpu", sign_in=True, sender=SENDER, webhooks=True), BUILT)
    (client,) = template.ids("AWS::Cognito::UserPoolClient")
    template.names[client] = CLIENT
    environment = {**receiver[1], "UNBRAID_WEBHOOK_PRIVATE": "1"}  # the receiver is on this machine
    folder = tmp_path_factory.mktemp("signed-in")
    with deployed(template, folder, issuer.address, environment) as aws_account:
        yield aws_account


def signed_in(aws_account: AwsAccount, issuer: Issuer, who: str, **claims: Any) -> Client:
    token = issuer.token(sub=who, token_use="id", email=f"{who}@example.org", **claims)
    return Client(aws_account, {"Authorization": f"Bearer {token}"})


def first_status(aws_account: AwsAccount, user: Client, session_id: str) -> str:
    """First status of the session that the WebSocket sends. A browser can send a token only as a subprotocol."""
    token = user.headers.get("Authorization", "").removeprefix("Bearer ")
    address = f"{aws_account.websocket_url}?session_id={session_id}"
    protocols = [Subprotocol(f"bearer.{token}")] if token else None
    with connect(
        address, subprotocols=protocols, origin=Origin(aws_account.page_origin), proxy=None
    ) as socket:
        assert socket.subprotocol == (protocols and protocols[0])
        socket.send("hello")
        return str(json.loads(socket.recv(20))["status"])


def test_without_a_valid_token_only_the_configuration_is_readable(
    aws_account: AwsAccount, issuer: Issuer
) -> None:
    anonymous = Client(aws_account)
    status, config = anonymous.call("GET", "/config")
    assert status == 200
    assert (config["signIn"]["issuer"], config["signIn"]["clientId"]) == (issuer.address, CLIENT)
    upload = {"fileName": "song.wav", "fileType": "audio/wav"}
    for client in (
        anonymous,
        signed_in(aws_account, issuer, "anna", aud="another-app"),
        signed_in(aws_account, issuer, "anna", exp=int(time.time()) - 60),
        signed_in(aws_account, issuer, "anna", iss="https://example.org"),
    ):
        assert client.call("POST", "/upload", upload)[0] == 401
        assert client.call("GET", "/history")[0] == 401


def test_session_belongs_to_its_owner_who_gets_an_email_at_its_end(
    aws_account: AwsAccount, issuer: Issuer, song: Path, command_line_stems: Path
) -> None:
    anna, bob = signed_in(aws_account, issuer, "anna"), signed_in(aws_account, issuer, "bob")
    session_id = anna.start(song.read_bytes(), notify=ANNA)
    assert bob.call("POST", "/status", {"session_id": session_id})[0] == 403
    assert bob.call("POST", "/cleanup", {"session_id": session_id})[0] == 403
    for name, data in anna.stems(anna.wait(session_id, "COMPLETED")).items():
        assert data == (command_line_stems / name).read_bytes()
    for user, session_ids in ((anna, [session_id]), (bob, [])):
        status, history = user.call("GET", "/history")
        assert status == 200
        assert [one["session_id"] for one in history["sessions"]] == session_ids
    assert first_status(aws_account, anna, session_id) == "COMPLETED"
    assert first_status(aws_account, bob, session_id) == "UNKNOWN"
    with pytest.raises(InvalidStatus, match="401"):
        first_status(aws_account, Client(aws_account), session_id)
    (sent,) = aws_account.gateway.emails
    assert sent["Destination"]["ToAddresses"] == [ANNA]
    message = email.message_from_bytes(base64.b64decode(sent["Content"]["Raw"]["Data"]))
    assert message["From"] == SENDER
    assert session_id not in str(message["Subject"])


def test_a_webhook_is_signed_and_repeated_after_a_failure(
    aws_account: AwsAccount, issuer: Issuer, receiver: tuple[Receiver, dict[str, str]], song: Path
) -> None:
    anna, requests = signed_in(aws_account, issuer, "anna"), receiver[0]
    requests.answers = [503]
    session_id = anna.start(song.read_bytes(), notify=requests.url)
    anna.wait(session_id, "COMPLETED")
    wait_until(lambda: len(requests.arrived) == 2)
    secret = aws_account.template.output("WebhookSecret")
    for path, headers, body in requests.arrived:
        assert path == "/done?key=1"
        assert (json.loads(body)["session_id"], json.loads(body)["status"]) == (session_id, "COMPLETED")
        time_s = int(headers["unbraid-signature"].partition(",")[0].removeprefix("t="))
        assert headers["unbraid-signature"] == signature(secret, body, time_s)
    assert len({headers["unbraid-delivery"] for _, headers, _ in requests.arrived}) == 1


def test_the_deployed_version_proves_that_it_separates(aws_account: AwsAccount) -> None:
    """With the environment and role of the template, through the version that the hook of CodeDeploy calls."""
    (hook,) = (
        each
        for each in aws_account.template.of_type("AWS::Lambda::Function").values()
        if "UNBRAID_NEW_VERSION" in each["Environment"]["Variables"]
    )
    version = hook["Environment"]["Variables"]["UNBRAID_NEW_VERSION"]
    assert version.endswith(":function:unbraid-separate:1")
    proof = aws_account.functions.invoke(version, PROVE)
    assert (proof.failed, proof.payload) == (False, {"batchItemFailures": []})
