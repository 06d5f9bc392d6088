"""Dispatching a song: one call of SageMaker's asynchronous API, or one SQS message."""

from __future__ import annotations

import json
from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from tests.aws.sessions import new_session
from tests.jobs.memory import SONG, MemoryObjects, MemoryStore, Outbox
from tests.simulators.relay import Answer, Call, refusal, server

from unbraid.aws.dispatches import Dispatch
from unbraid.aws.endpoint import Endpoint
from unbraid.aws.queue import Queue
from unbraid.errors import Unavailable
from unbraid.jobs.leases import Leases
from unbraid.jobs.limits import Limits
from unbraid.jobs.ports import Dispatcher
from unbraid.jobs.service import Service
from unbraid.jobs.session import Choices, State
from unbraid.jobs.sessions import Sessions
from unbraid.jobs.sweeper import Sweeper


class FakeSageMaker:
    """SageMaker that accepts every call, after it has returned the answers in `instead`."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.instead: list[Answer] = []

    def respond(self, call: Call) -> Answer:
        self.calls.append(call)
        if self.instead:
            return self.instead.pop(0)
        return Answer(202, b'{"InferenceId": "x"}', {"content-type": "application/json"})


@pytest.fixture
def sagemaker(aws: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSageMaker]:
    service = FakeSageMaker()
    with server(service.respond) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", url)
        yield service


def expected_request(session_id: str, version: int, key: str, bucket: str) -> dict[str, object]:
    """Request for a song with all options set."""
    return {
        "input_s3_uri": f"s3://{bucket}/{key}",
        "output_s3_prefix": f"s3://{bucket}/outputs",
        "session_id": session_id,
        "dispatch": f"{session_id}.{version}",
        "model": "htdemucs",
        "stems": "all",
        "format": "flac",
        "video": True,
    }


def test_stores_the_request_and_invokes_the_endpoint_once(sagemaker: FakeSageMaker, bucket: str) -> None:
    session = new_session(version=3, choices=Choices("htdemucs", "all", "flac", True, "me@example.org"))
    Endpoint("unbraid-songs", bucket).dispatch(session)
    [call] = sagemaker.calls
    assert (call.method, call.path) == ("POST", "/endpoints/unbraid-songs/async-invocations")
    headers = {name: value for name, value in call.headers.items() if name.startswith("x-amzn-sagemaker")}
    location = f"s3://{bucket}/requests/{session.id}/{session.id}.3.json"
    assert headers == {
        "x-amzn-sagemaker-content-type": "application/json",
        "x-amzn-sagemaker-accept": "application/json",
        "x-amzn-sagemaker-inputlocation": location,
        "x-amzn-sagemaker-inference-id": f"{session.id}.3",
        "x-amzn-sagemaker-invocationtimeoutseconds": "3600",
        "x-amzn-sagemaker-requestttlseconds": "21600",
    }
    stored = boto3.client("s3").get_object(Bucket=bucket, Key=location.removeprefix(f"s3://{bucket}/"))
    assert json.loads(stored["Body"].read()) == expected_request(session.id, 3, session.input_key, bucket)
    assert stored["ContentType"] == "application/json"


def test_queue_receives_the_same_request(bucket: str) -> None:
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName=bucket)["QueueUrl"]
    session = new_session(version=3, choices=Choices("htdemucs", "all", "flac", True))
    Queue(url, bucket).dispatch(session)
    [message] = sqs.receive_message(QueueUrl=url)["Messages"]
    assert json.loads(message["Body"]) == expected_request(session.id, 3, session.input_key, bucket)


def upload_song(dispatcher: Dispatcher) -> tuple[Service, str]:
    """Return a service in memory that uses `dispatcher`, and the id of an uploaded song."""
    objects = MemoryObjects()
    service = Service(Sessions(MemoryStore(), objects, dispatcher, Outbox(), Limits()))
    session = service.upload("Song.mp3", "audio/mpeg").session
    objects.files[session.input_key] = SONG
    return service, session.id


@pytest.mark.parametrize(
    "answer",
    [
        refusal(400, "ValidationError", "Endpoint unbraid-songs of account 123456789012 not found."),
        refusal(400, "ValidationError", "Endpoint unbraid-songs is not in service."),
        refusal(403, "AccessDeniedException"),
    ],
)
def test_song_waits_if_the_endpoint_refuses_it(sagemaker: FakeSageMaker, bucket: str, answer: Answer) -> None:
    dispatcher = Endpoint("unbraid-songs", bucket)
    service, session_id = upload_song(dispatcher)
    sagemaker.instead = [answer, answer]
    with pytest.raises((Unavailable, ClientError)) as caught:
        dispatcher.dispatch(new_session())
    assert isinstance(caught.value, Unavailable) == (b"not found" in answer.body)
    assert service.start(session_id).undispatched
    assert service.get(session_id).state == State.PENDING
    assert Sweeper(service.sessions).remind(1800) == (1, [])  # once the endpoint exists


def test_retries_a_busy_endpoint(sagemaker: FakeSageMaker, bucket: str) -> None:
    sagemaker.instead = [refusal(429, "ThrottlingException"), refusal(503, "ServiceUnavailable")]
    Endpoint("unbraid-songs", bucket).dispatch(new_session())
    assert len(sagemaker.calls) == 3


def test_each_dispatch_has_its_own_inference_id(sagemaker: FakeSageMaker, bucket: str) -> None:
    service, session_id = upload_song(Endpoint("unbraid-songs", bucket))
    first, leases = service.start(session_id), Leases(service.sessions)
    leases.begin(session_id, str(Dispatch.of(first)))
    leases.release(session_id, str(Dispatch.of(first)))
    names = [call.headers["x-amzn-sagemaker-inference-id"] for call in sagemaker.calls]
    assert names == [f"{session_id}.{first.version}", f"{session_id}.{first.version + 2}"]
    assert [Dispatch.parse(name).session_id for name in names] == [session_id] * 2
    assert all(len(name) <= 64 for name in names)  # limit of InferenceId


@given(
    st.text(st.characters(codec="ascii"), max_size=80) | st.from_regex(r"[A-Za-z0-9_-]{16,64}\.[0-9]{1,9}")
)
def test_parses_only_dispatch_ids(text: str) -> None:
    try:
        dispatch = Dispatch.parse(text)
    except ValueError:
        return
    assert 16 <= len(dispatch.session_id) <= 64
    assert Dispatch.parse(str(dispatch)) == dispatch
