"""The container as a Lambda function that a queue invokes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.aws.container.workspace import AwsWorkspace
from tests.conftest import WriteWave

from unbraid.aws.container import function
from unbraid.aws.rollout import PROVE
from unbraid.errors import UnbraidError
from unbraid.jobs import heartbeat
from unbraid.jobs.session import Session, State
from unbraid.separation import Separator


class Context:
    """Lambda context with a time limit."""

    def __init__(self, seconds: float = 900.0) -> None:
        self._deadline = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return round(1000 * (self._deadline - time.monotonic()))


@pytest.fixture(autouse=True)
def environment(workspace: AwsWorkspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name, value in {**workspace.environment, "TMPDIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.1)
    # Don't redirect the log of the test process.
    monkeypatch.setattr(function.logs, "set_up", lambda service: None)
    function._invocations.cache_clear()
    yield
    function._invocations.cache_clear()


def message(workspace: AwsWorkspace, session: Session, name: str = "m") -> dict[str, Any]:
    return {"messageId": name, "body": json.dumps(workspace.request_for(session)), "eventSource": "aws:sqs"}


def handle(*messages: dict[str, Any], seconds: float = 900.0) -> list[str]:
    """Handle messages; return the ids that SQS must deliver again."""
    answer = function.handler({"Records": list(messages)}, Context(seconds))
    assert answer.keys() == {"batchItemFailures"}
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_repeated_message_is_processed_once(workspace: AwsWorkspace, short: Path) -> None:
    session = workspace.submit(short)
    assert handle(message(workspace, session), message(workspace, session)) == []
    record = workspace.session(session.id)
    assert (record.state, record.attempts) == (State.COMPLETED, 1)
    assert f"outputs/{session.id}/vocals.wav" in workspace.list_keys()
    assert handle(message(workspace, session)) == []
    assert workspace.session(session.id) == record


def test_skips_sessions_that_are_leased_or_deleted(workspace: AwsWorkspace, short: Path) -> None:
    session, deleted = workspace.submit(short), workspace.submit(short)
    workspace.leases.begin(session.id, "another worker")
    workspace.service.cleanup(deleted.id)
    assert handle(message(workspace, session), message(workspace, deleted)) == []
    assert workspace.session(session.id).worker == "another worker"
    assert workspace.list_keys() == []


def test_unreadable_song_fails_its_session_but_not_its_message(
    workspace: AwsWorkspace, tmp_path: Path
) -> None:
    song = tmp_path / "song.wav"
    song.write_bytes(b"RIFF\x10\x00\x00\x00WAVEfmt nothing of the kind")
    session = workspace.submit(song)
    assert handle(message(workspace, session)) == []
    assert workspace.session(session.id).state == State.FAILED


def test_only_failed_messages_of_a_batch_are_delivered_again(workspace: AwsWorkspace, short: Path) -> None:
    session = workspace.submit(short)
    broken = {"messageId": "broken", "body": "no JSON"}
    assert handle(broken, message(workspace, session, "good")) == ["broken"]
    assert workspace.session(session.id).state == State.COMPLETED


def test_long_song_fails_before_the_deadline_with_advice(
    workspace: AwsWorkspace, write_wave: WriteWave, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function, "MARGIN_S", 2.0)  # which leaves 3 s for the work
    session = workspace.submit(write_wave(tmp_path / "long.wav", 400.0))
    begun = time.monotonic()
    assert handle(message(workspace, session), seconds=5.0) == []
    assert time.monotonic() - begun < 5.0
    record = workspace.session(session.id)
    assert record.state == State.FAILED
    assert (record.error_message or "").startswith("Separating this song takes longer than 15 minutes")
    assert "smaller model" in (record.error_message or "")


def test_message_is_delivered_again_without_time_to_begin(workspace: AwsWorkspace, short: Path) -> None:
    session = workspace.submit(short)
    assert handle(message(workspace, session, "late"), seconds=20.0) == ["late"]
    assert workspace.session(session.id).state == State.PENDING


def test_a_call_that_keeps_the_function_warm_loads_the_model_for_the_next_song(
    workspace: AwsWorkspace, short: Path
) -> None:
    for _ in range(2):
        assert function.handler(function.KEEP_WARM, Context()) == {"batchItemFailures": []}
    loaded = function._invocations().load_model()
    session = workspace.submit(short)
    assert handle(message(workspace, session)) == []
    assert workspace.session(session.id).state == State.COMPLETED
    # The song was separated with the model that the call had loaded.
    assert function._invocations().load_model() is loaded


def counted(output: str) -> list[tuple[str, str, str, str]]:
    """Return namespace, service, version and name of the metrics that CloudWatch finds in a log."""
    found = []
    for line in output.splitlines():
        if line.startswith("{") and "_aws" in (record := json.loads(line)):
            (metrics,) = record["_aws"]["CloudWatchMetrics"]
            assert set(metrics["Dimensions"][0]) == {"service", "version"}
            (metric,) = metrics["Metrics"]
            assert record[metric["Name"]] == [1.0]
            found.append((metrics["Namespace"], record["service"], record["version"], metric["Name"]))
    return found


def test_counts_our_faults_by_version_for_the_alarm_on_a_new_image(
    workspace: AwsWorkspace,
    short: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "7")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Staging")
    fault = ("Staging", "separate", "7", "Faults")
    unreadable = tmp_path / "song.wav"
    unreadable.write_bytes(b"RIFF\x10\x00\x00\x00WAVEfmt nothing of the kind")
    assert handle(message(workspace, workspace.submit(short))) == []
    assert handle(message(workspace, workspace.submit(unreadable))) == []
    assert counted(capsys.readouterr().out) == []  # the song's own fault
    assert handle({"messageId": "broken", "body": "no JSON"}) == ["broken"]
    assert counted(capsys.readouterr().out) == [fault]
    monkeypatch.setattr(Separator, "separate_to_files", None)  # an image that breaks on every song
    session = workspace.submit(short)
    assert handle(message(workspace, session)) == []
    assert workspace.session(session.id).state == State.FAILED
    assert counted(capsys.readouterr().out) == [fault]


def test_a_new_image_proves_that_it_separates(
    workspace: AwsWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert function.handler(PROVE, Context()) == {"batchItemFailures": []}
    assert workspace.list_keys() == []
    # An image that can't load its model fails the call.
    monkeypatch.setenv("UNBRAID_MODELS", "hdemucs_mmi")
    function._invocations.cache_clear()
    with pytest.raises(UnbraidError):
        function.handler(PROVE, Context())


def test_a_new_image_whose_stems_are_damaged_fails(
    workspace: AwsWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    separate = Separator.separate

    def broken(self: Separator, *song: Any, **options: Any) -> Any:
        stems = separate(self, *song, **options)
        for stem in stems.values():
            stem[0, 100] = float("nan")
        return stems

    monkeypatch.setattr(Separator, "separate", broken)
    with pytest.raises(UnbraidError, match=r"The stem \w+ of a second of noise is damaged"):
        function.handler(PROVE, Context())
