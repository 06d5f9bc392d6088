"""Invocations: each session is separated once, however often it is invoked, and each outcome has its HTTP status."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.aws.container.workspace import LITE, AwsWorkspace

from unbraid.aws import clients
from unbraid.aws.container import invocations as module
from unbraid.aws.container.invocations import Invocations
from unbraid.aws.container.separators import ThreadSafeSeparators
from unbraid.jobs import heartbeat, messages
from unbraid.jobs.limits import Limits
from unbraid.jobs.separators import Loaded
from unbraid.jobs.session import Session, State
from unbraid.separation import Separator

OpenInvocations = Callable[..., Invocations]


class CountingSeparators(ThreadSafeSeparators):
    """Separators that count the songs begun, and call `on_begin` for each."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = 0
        self.on_begin: Callable[[], object] | None = None

    def get(
        self, name: str, downloading: Any = None, *, stems: str = "all", quality: str | None = None
    ) -> Loaded:
        if downloading is not None:
            self.begun += 1
            if self.on_begin is not None:
                self.on_begin()
        return super().get(name, downloading, stems=stems)


@pytest.fixture(scope="module")
def shared() -> CountingSeparators:
    return CountingSeparators()


@pytest.fixture
def separators(shared: CountingSeparators, monkeypatch: pytest.MonkeyPatch) -> CountingSeparators:
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.1)
    monkeypatch.setattr(module, "POLL_S", 0.05)
    shared.begun, shared.on_begin = 0, None
    return shared


@pytest.fixture
def open_invocations(
    workspace: AwsWorkspace, separators: CountingSeparators, tmp_path: Path
) -> Iterator[OpenInvocations]:
    """Function that makes the `Invocations` of a process with loaded models.

    Without a table they accept only ad-hoc requests.
    """
    opened = []

    def open_process(table: bool = True, at_once: int = 2) -> Invocations:
        leases = workspace.leases if table else None
        limits = Limits(models=("lite",), keep_free_bytes=0)
        s3 = clients.client("s3")
        opened.append(Invocations(leases, workspace.bucket, limits, s3, separators, tmp_path / "scratch"))
        opened[-1].load(at_once)
        return opened[-1]

    yield open_process
    for invocations in opened:
        invocations.stop.set()


def invoke(invocations: Invocations, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return invocations.answer(json.dumps(request).encode())


def adhoc_request(workspace: AwsWorkspace, song: Path, **more: Any) -> dict[str, Any]:
    """Upload a song and return a request that no table knows."""
    key = f"uploads/{uuid4()}/{song.name}"
    request = {
        "input_s3_uri": workspace.upload(song, key),
        "output_s3_prefix": f"s3://{workspace.bucket}/separated/",
    }
    return {**request, "session_id": str(uuid4()), **more}


def success(session_id: str, prefix: str) -> tuple[int, dict[str, Any]]:
    """Status and answer as the contract requires."""
    files = [
        {"filename": name, "s3_uri": f"{prefix}/{session_id}/{name}"}
        for name in ("vocals.wav", "no_vocals.wav")
    ]
    return 200, {"status": "success", "session_id": session_id, "output_files": files}


def test_separates_a_session_and_answers_as_in_the_contract(
    workspace: AwsWorkspace, open_invocations: OpenInvocations, short: Path, tmp_path: Path
) -> None:
    session = workspace.submit(short)
    status, answer = invoke(open_invocations(), workspace.request_for(session))
    assert (status, answer) == success(session.id, f"s3://{workspace.bucket}/outputs")
    record = workspace.session(session.id)
    assert (record.state, record.attempts, record.duration_s) == (State.COMPLETED, 1, 1.0)
    direct = Separator("lite").separate_to_files(short, tmp_path, name="direct").files
    for file in answer["output_files"]:
        assert workspace.download(file["s3_uri"]) == direct[Path(file["filename"]).stem].read_bytes()
    assert not list((tmp_path / "scratch").iterdir())


def test_separates_an_adhoc_request(
    workspace: AwsWorkspace, open_invocations: OpenInvocations, short: Path, tmp_path: Path
) -> None:
    request = adhoc_request(workspace, short)
    before = workspace.list_keys("")
    status, answer = invoke(open_invocations(table=False), request)
    assert (status, answer) == success(request["session_id"], f"s3://{workspace.bucket}/separated")
    stems = [f"separated/{request['session_id']}/{name}" for name in ("no_vocals.wav", "vocals.wav")]
    assert sorted(set(workspace.list_keys("")) - set(before)) == stems  # no other file
    direct = Separator("lite").separate_to_files(short, tmp_path, name="direct").files
    assert workspace.download(answer["output_files"][0]["s3_uri"]) == direct["vocals"].read_bytes()


@pytest.mark.parametrize("table", [True, False], ids=["through the table", "without a table"])
def test_repeated_invocation_separates_once(
    workspace: AwsWorkspace,
    open_invocations: OpenInvocations,
    separators: CountingSeparators,
    short: Path,
    table: bool,
) -> None:
    """Invoke at the same time and one after the other; with a table, also in two processes."""
    invocations = open_invocations(table)
    other = open_invocations(table) if table else invocations
    request = workspace.request_for(workspace.submit(short)) if table else adhoc_request(workspace, short)
    with ThreadPoolExecutor() as pool:
        first, second = pool.submit(invoke, invocations, request), pool.submit(invoke, other, request)
        assert first.result() == second.result() == invoke(invocations, request)
    assert first.result()[0] == 200
    assert separators.begun == 1


def test_waiting_invocation_takes_over_a_released_session(
    workspace: AwsWorkspace,
    open_invocations: OpenInvocations,
    separators: CountingSeparators,
    short: Path,
) -> None:
    session = workspace.submit(short)
    workspace.leases.begin(session.id, "another worker")
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(invoke, open_invocations(), workspace.request_for(session))
        threading.Event().wait(0.3)
        assert separators.begun == 0
        workspace.leases.release(session.id, "another worker")
        assert answer.result()[0] == 200
    assert workspace.session(session.id).attempts == 1


def test_worker_id_is_the_dispatch_id_only_once(
    workspace: AwsWorkspace,
    open_invocations: OpenInvocations,
    separators: CountingSeparators,
    short: Path,
) -> None:
    """SageMaker's failure notice names the dispatch, so a second delivery must not use that name again."""
    session, names = workspace.submit(short), []

    def record_worker() -> None:
        names.append(workspace.session(session.id).worker)
        if len(names) == 1:
            workspace.leases.release(session.id, names[0] or "")

    separators.on_begin = record_worker
    assert invoke(open_invocations(), workspace.request_for(session))[0] == 200
    first, second = names
    assert first == f"{session.id}.{session.version}"
    assert second not in (None, first)


def test_limits_the_songs_separated_at_the_same_time(
    workspace: AwsWorkspace,
    open_invocations: OpenInvocations,
    separators: CountingSeparators,
    short: Path,
) -> None:
    most = 0
    lock = threading.Lock()

    def count_active() -> None:
        nonlocal most
        with lock:
            active = sum(workspace.session(session.id).state == State.IN_PROGRESS for session in sessions)
            most = max(most, active)

    invocations = open_invocations(at_once=1)
    sessions = [workspace.submit(short) for _ in range(3)]
    separators.on_begin = count_active
    with ThreadPoolExecutor() as pool:
        answers = list(
            pool.map(lambda session: invoke(invocations, workspace.request_for(session)), sessions)
        )
        assert [status for status, _ in answers] == [200] * 3
    assert most == 1


@pytest.mark.parametrize("table", [True, False], ids=["through the table", "without a table"])
def test_unreadable_song_is_400_with_the_reason(
    workspace: AwsWorkspace, open_invocations: OpenInvocations, tmp_path: Path, table: bool
) -> None:
    song = tmp_path / "Étude.wav"
    song.write_bytes(b"RIFF\x10\x00\x00\x00WAVEfmt nothing of the kind")
    request = workspace.request_for(workspace.submit(song)) if table else adhoc_request(workspace, song)
    status, answer = invoke(open_invocations(table), request)
    assert status == 400
    assert answer["error"].startswith("Étude.wav can't be read as audio")
    assert workspace.list_keys("outputs/") == workspace.list_keys("separated/") == []


def test_missing_song_is_400(workspace: AwsWorkspace, open_invocations: OpenInvocations, short: Path) -> None:
    request = {**adhoc_request(workspace, short), "input_s3_uri": f"s3://{workspace.bucket}/uploads/gone.mp3"}
    status, answer = invoke(open_invocations(False), request)
    assert status == 400
    assert answer["error"].startswith("gone.mp3 can't be downloaded (404)")


@pytest.mark.parametrize("table", [True, False], ids=["through the table", "without a table"])
def test_internal_error_is_500_and_is_retried_only_without_a_table(
    workspace: AwsWorkspace,
    open_invocations: OpenInvocations,
    separators: CountingSeparators,
    short: Path,
    table: bool,
) -> None:
    def fail_once() -> None:
        separators.on_begin = None
        raise RuntimeError("simulated")

    separators.on_begin = fail_once
    invocations = open_invocations(table)
    request = workspace.request_for(workspace.submit(short)) if table else adhoc_request(workspace, short)
    assert invoke(invocations, request) == (500, {"status": "error", "error": messages.INTERNAL})
    # With a table, the owner of the session starts it again.
    assert invoke(invocations, request)[0] == (500 if table else 200)


def test_failed_upload_of_stems_is_500(
    workspace: AwsWorkspace, open_invocations: OpenInvocations, short: Path
) -> None:
    request = {**adhoc_request(workspace, short), "output_s3_prefix": f"s3://missing-{uuid4()}/separated"}
    assert invoke(open_invocations(False), request)[0] == 500


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"input_s3_uri": None}, "input_s3_uri is missing."),
        ({"model": "none"}, "There is no model 'none'. Choose one of lite."),
        (
            {"stems": "flute"},
            "There is no stem 'flute' in lite. Choose all, drums, bass, other, vocals, no_vocals and the like, mix, "
            "a sum such as drums+bass, or several with commas.",
        ),
    ],
)
def test_invalid_request_is_400(
    workspace: AwsWorkspace,
    open_invocations: OpenInvocations,
    short: Path,
    change: dict[str, Any],
    error: str,
) -> None:
    request = {**adhoc_request(workspace, short), **change}
    assert invoke(open_invocations(False), request) == (400, {"status": "error", "error": error})


def test_rejects_a_session_id_reused_for_other_options(
    workspace: AwsWorkspace, open_invocations: OpenInvocations, short: Path
) -> None:
    invocations, request = open_invocations(False), adhoc_request(workspace, short)
    assert invoke(invocations, request)[0] == 200
    status, answer = invoke(invocations, {**request, "stems": "drums"})
    assert (status, answer["error"].split(".")[0]) == (
        400,
        "This session_id was used for another song or other options",
    )


def test_rejects_uris_of_another_session(
    workspace: AwsWorkspace,
    open_invocations: OpenInvocations,
    separators: CountingSeparators,
    short: Path,
) -> None:
    request = workspace.request_for(workspace.submit(short))
    assert (
        invoke(open_invocations(), {**request, "output_s3_prefix": f"s3://{workspace.bucket}/elsewhere"})[0]
        == 400
    )
    assert separators.begun == 0


def test_ignores_cancelled_deleted_and_unstarted_sessions(
    workspace: AwsWorkspace,
    open_invocations: OpenInvocations,
    separators: CountingSeparators,
    short: Path,
) -> None:
    invocations, session = open_invocations(), workspace.submit(short)
    request = workspace.request_for(session)
    workspace.service.cancel(session.id)
    assert invoke(invocations, request)[0] == 409
    workspace.service.cleanup(session.id)
    assert invoke(invocations, request)[0] == 404
    fresh = workspace.service.upload("song.wav", "audio/wav").session
    assert invoke(invocations, workspace.request_for(fresh))[0] == 409
    assert separators.begun == 0
    assert workspace.list_keys() == []


def test_stopping_redispatches_active_and_waiting_sessions(
    workspace: AwsWorkspace,
    open_invocations: OpenInvocations,
    separators: CountingSeparators,
    short: Path,
) -> None:
    invocations = open_invocations(at_once=1)
    sessions = [workspace.submit(short) for _ in range(2)]
    workspace.receive_dispatches()
    separators.on_begin = invocations.stop.set
    with ThreadPoolExecutor() as pool:
        answers = list(
            pool.map(lambda session: invoke(invocations, workspace.request_for(session)), sessions)
        )
    submitted_late = workspace.submit(short)
    assert [
        status for status, _ in [*answers, invoke(invocations, workspace.request_for(submitted_late))]
    ] == [503] * 3
    records = [workspace.session(session.id) for session in (*sessions, submitted_late)]
    assert [(record.state, record.attempts) for record in records] == [(State.PENDING, 0)] * 3
    sent = [request["dispatch"] for request in workspace.receive_dispatches()]
    # `sent` also holds the first dispatch of the last session.
    assert set(sent) >= {f"{record.id}.{record.version}" for record in records}
    assert separators.begun == 1


def test_uses_the_choices_of_the_session(
    workspace: AwsWorkspace, open_invocations: OpenInvocations, short: Path
) -> None:
    session: Session = workspace.submit(short, replace(LITE, stems="drums", format="flac"))
    _, answer = invoke(open_invocations(), workspace.request_for(session))
    assert [file["filename"] for file in answer["output_files"]] == ["drums.flac", "no_drums.flac"]
