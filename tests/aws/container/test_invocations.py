"""Each session's song is separated once, whoever asks for it and how often; every end has its answer."""

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
from tests.aws.container.room import LITE, Room

from unbraid.aws import clients
from unbraid.aws.container import invocations as module
from unbraid.aws.container.invocations import Invocations
from unbraid.aws.container.separators import ThreadSafeSeparators
from unbraid.jobs import heartbeat, messages
from unbraid.jobs.limits import Limits
from unbraid.jobs.separators import Loaded
from unbraid.jobs.session import Session, State
from unbraid.separation import Separator


class Counting(ThreadSafeSeparators):
    """Counts the songs that are begun, and may have something happen then."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = 0
        self.happens: Callable[[], object] | None = None

    def get(self, name: str, downloading: Any = None) -> Loaded:
        if downloading is not None:
            self.begun += 1
            if self.happens is not None:
                self.happens()
        return super().get(name, downloading)


@pytest.fixture(scope="module")
def shared() -> Counting:
    return Counting()


@pytest.fixture
def separators(shared: Counting, monkeypatch: pytest.MonkeyPatch) -> Counting:
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.1)
    monkeypatch.setattr(module, "POLL_S", 0.05)
    shared.begun, shared.happens = 0, None
    return shared


@pytest.fixture
def open_calls(room: Room, separators: Counting, tmp_path: Path) -> Iterator[Callable[..., Invocations]]:
    """Makes the calls of a process, ready to work; those without a table know of given addresses alone."""
    opened = []

    def open_one(table: bool = True, at_once: int = 2) -> Invocations:
        leases = room.leases if table else None
        limits = Limits(models=("lite",), keep_free_bytes=0)
        s3 = clients.client("s3")
        opened.append(Invocations(leases, room.bucket, limits, s3, separators, tmp_path / "scratch"))
        opened[-1].load(at_once)
        return opened[-1]

    yield open_one
    for calls in opened:
        calls.stop.set()


def ask(calls: Invocations, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return calls.answer(json.dumps(request).encode())


def given(room: Room, song: Path, **more: Any) -> dict[str, Any]:
    """A request of somebody who has no table."""
    key = f"uploads/{uuid4()}/{song.name}"
    request = {"input_s3_uri": room.put(song, key), "output_s3_prefix": f"s3://{room.bucket}/separated/"}
    return {**request, "session_id": str(uuid4()), **more}


def success(session_id: str, prefix: str) -> tuple[int, dict[str, Any]]:
    """The answer of the contract, to the letter."""
    files = [
        {"filename": name, "s3_uri": f"{prefix}/{session_id}/{name}"}
        for name in ("vocals.wav", "no_vocals.wav")
    ]
    return 200, {"status": "success", "session_id": session_id, "output_files": files}


def test_a_session_is_separated_and_the_answer_is_that_of_the_contract(
    room: Room, open_calls: Callable[..., Invocations], short: Path, tmp_path: Path
) -> None:
    session = room.bring(short)
    status, answer = ask(open_calls(), room.request(session))
    assert (status, answer) == success(session.id, f"s3://{room.bucket}/outputs")
    record = room.record(session.id)
    assert (record.state, record.attempts, record.duration_s) == (State.COMPLETED, 1, 1.0)
    direct = Separator("lite").separate_to_files(short, tmp_path, name="direct").files
    for file in answer["output_files"]:
        assert room.read(file["s3_uri"]) == direct[Path(file["filename"]).stem].read_bytes()
    assert not list((tmp_path / "scratch").iterdir())


def test_given_addresses_alone_are_enough(
    room: Room, open_calls: Callable[..., Invocations], short: Path, tmp_path: Path
) -> None:
    request = given(room, short)
    before = room.files("")
    status, answer = ask(open_calls(table=False), request)
    assert (status, answer) == success(request["session_id"], f"s3://{room.bucket}/separated")
    stems = [f"separated/{request['session_id']}/{name}" for name in ("no_vocals.wav", "vocals.wav")]
    assert sorted(set(room.files("")) - set(before)) == stems  # and nothing else
    direct = Separator("lite").separate_to_files(short, tmp_path, name="direct").files
    assert room.read(answer["output_files"][0]["s3_uri"]) == direct["vocals"].read_bytes()


@pytest.mark.parametrize("table", [True, False], ids=["through the table", "without a table"])
def test_two_calls_with_one_session_do_the_work_once(
    room: Room, open_calls: Callable[..., Invocations], separators: Counting, short: Path, table: bool
) -> None:
    """One after the other, and at the same time; over processes where there is a table."""
    calls = open_calls(table)
    other = open_calls(table) if table else calls
    request = room.request(room.bring(short)) if table else given(room, short)
    with ThreadPoolExecutor() as pool:
        first, second = pool.submit(ask, calls, request), pool.submit(ask, other, request)
        assert first.result() == second.result() == ask(calls, request)
    assert first.result()[0] == 200
    assert separators.begun == 1


def test_whoever_waits_for_another_goes_on_where_that_one_has_given_up(
    room: Room, open_calls: Callable[..., Invocations], separators: Counting, short: Path
) -> None:
    session = room.bring(short)
    room.leases.begin(session.id, "somebody else")
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(ask, open_calls(), room.request(session))
        threading.Event().wait(0.3)
        assert separators.begun == 0
        room.leases.release(session.id, "somebody else")
        assert answer.result()[0] == 200
    assert room.record(session.id).attempts == 1


def test_a_worker_has_the_name_of_its_dispatch_once(
    room: Room, open_calls: Callable[..., Invocations], separators: Counting, short: Path
) -> None:
    """By that name its loss is told; a second delivery of it must not pass for the first."""
    session, names = room.bring(short), []

    def look() -> None:
        names.append(room.record(session.id).worker)
        if len(names) == 1:
            room.leases.release(session.id, names[0] or "")

    separators.happens = look
    assert ask(open_calls(), room.request(session))[0] == 200
    first, second = names
    assert first == f"{session.id}.{session.version}"
    assert second not in (None, first)


def test_no_more_songs_than_set_are_separated_at_once(
    room: Room, open_calls: Callable[..., Invocations], separators: Counting, short: Path
) -> None:
    at_work = most = 0
    lock = threading.Lock()

    def look() -> None:
        nonlocal at_work, most
        with lock:
            at_work = sum(room.record(session.id).state == State.IN_PROGRESS for session in sessions)
            most = max(most, at_work)

    calls = open_calls(at_once=1)
    sessions = [room.bring(short) for _ in range(3)]
    separators.happens = look
    with ThreadPoolExecutor() as pool:
        assert [a[0] for a in pool.map(lambda s: ask(calls, room.request(s)), sessions)] == [200] * 3
    assert most == 1


@pytest.mark.parametrize("table", [True, False], ids=["through the table", "without a table"])
def test_a_file_that_cant_be_separated_is_400_with_the_reason(
    room: Room, open_calls: Callable[..., Invocations], tmp_path: Path, table: bool
) -> None:
    song = tmp_path / "Étude.wav"
    song.write_bytes(b"RIFF\x10\x00\x00\x00WAVEfmt nothing of the kind")
    request = room.request(room.bring(song)) if table else given(room, song)
    status, answer = ask(open_calls(table), request)
    assert status == 400
    assert answer["error"].startswith("Étude.wav can't be read as audio")
    assert room.files("outputs/") == room.files("separated/") == []


def test_a_song_that_isnt_there_is_400(
    room: Room, open_calls: Callable[..., Invocations], short: Path
) -> None:
    request = {**given(room, short), "input_s3_uri": f"s3://{room.bucket}/uploads/gone.mp3"}
    status, answer = ask(open_calls(False), request)
    assert status == 400
    assert answer["error"].startswith("gone.mp3 can't be downloaded (404)")


@pytest.mark.parametrize("table", [True, False], ids=["through the table", "without a table"])
def test_a_fault_of_ours_is_500_and_asked_again_without_a_table_it_is_tried_again(
    room: Room, open_calls: Callable[..., Invocations], separators: Counting, short: Path, table: bool
) -> None:
    def fault() -> None:
        separators.happens = None
        raise RuntimeError("by chance")

    separators.happens = fault
    calls = open_calls(table)
    request = room.request(room.bring(short)) if table else given(room, short)
    assert ask(calls, request) == (500, {"status": "error", "error": messages.INTERNAL})
    assert ask(calls, request)[0] == (
        500 if table else 200
    )  # where there is a table, whoever has the session asks


def test_stems_that_cant_be_put_are_a_fault_of_ours(
    room: Room, open_calls: Callable[..., Invocations], short: Path
) -> None:
    request = {**given(room, short), "output_s3_prefix": f"s3://nobodys-{uuid4()}/separated"}
    assert ask(open_calls(False), request)[0] == 500


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"input_s3_uri": None}, "input_s3_uri is missing."),
        ({"model": "none"}, "There is no model 'none'. Choose one of lite."),
        ({"stems": "flute"}, "lite has no stem 'flute'. Choose one of all, drums, bass, other, vocals."),
    ],
)
def test_what_makes_no_sense_is_400(
    room: Room, open_calls: Callable[..., Invocations], short: Path, change: dict[str, Any], told: str
) -> None:
    request = {**given(room, short), **change}
    assert ask(open_calls(False), request) == (400, {"status": "error", "error": told})


def test_one_id_for_two_songs_is_refused(
    room: Room, open_calls: Callable[..., Invocations], short: Path
) -> None:
    calls, request = open_calls(False), given(room, short)
    assert ask(calls, request)[0] == 200
    status, answer = ask(calls, {**request, "stems": "drums"})
    assert (status, answer["error"].split(".")[0]) == (
        400,
        "This session_id was used for another song or other options",
    )


def test_addresses_that_arent_the_sessions_are_refused(
    room: Room, open_calls: Callable[..., Invocations], separators: Counting, short: Path
) -> None:
    request = room.request(room.bring(short))
    assert ask(open_calls(), {**request, "output_s3_prefix": f"s3://{room.bucket}/elsewhere"})[0] == 400
    assert separators.begun == 0


def test_a_session_that_is_cancelled_deleted_or_not_started_is_left_alone(
    room: Room, open_calls: Callable[..., Invocations], separators: Counting, short: Path
) -> None:
    calls, session = open_calls(), room.bring(short)
    request = room.request(session)
    room.service.cancel(session.id)
    assert ask(calls, request)[0] == 409
    room.service.cleanup(session.id)
    assert ask(calls, request)[0] == 404
    fresh = room.service.upload("song.wav", "audio/wav").session
    assert ask(calls, room.request(fresh))[0] == 409
    assert separators.begun == 0
    assert room.files() == []


def test_told_to_stop_what_is_worked_on_and_what_waits_is_dispatched_anew(
    room: Room, open_calls: Callable[..., Invocations], separators: Counting, short: Path
) -> None:
    calls = open_calls(at_once=1)
    sessions = [room.bring(short) for _ in range(2)]
    room.dispatched()
    separators.happens = calls.stop.set
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda session: ask(calls, room.request(session)), sessions))
    late = room.bring(short)
    assert [status for status, _ in [*answers, ask(calls, room.request(late))]] == [503] * 3
    records = [room.record(session.id) for session in (*sessions, late)]
    assert [(record.state, record.attempts) for record in records] == [(State.PENDING, 0)] * 3
    sent = [request["dispatch"] for request in room.dispatched()]
    assert set(sent) >= {
        f"{record.id}.{record.version}" for record in records
    }  # besides that of bringing the last
    assert separators.begun == 1


def test_choices_of_the_record_count(room: Room, open_calls: Callable[..., Invocations], short: Path) -> None:
    session: Session = room.bring(short, replace(LITE, stems="drums", format="flac"))
    _, answer = ask(open_calls(), room.request(session))
    assert [file["filename"] for file in answer["output_files"]] == ["drums.flac", "no_drums.flac"]
