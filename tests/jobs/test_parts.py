"""Uploads in parts: begin, resume, complete, and what ends them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.jobs.memory import SONG, MemoryObjects, Workspace

from unbraid.errors import (
    Busy,
    Forbidden,
    SessionNotFound,
    SettingError,
    StorageFull,
    TooLarge,
    UploadMissing,
)
from unbraid.jobs.limits import MAX_PARTS, Limits, part_bytes
from unbraid.jobs.parts import LINKS, PartUploads
from unbraid.jobs.session import State, new_id

PART = 40
DAY = 86400


@pytest.fixture
def workspace() -> Workspace:
    return Workspace(part_bytes=PART)


@pytest.fixture
def parts(workspace: Workspace) -> PartUploads:
    return PartUploads(workspace.service)


def begin(workspace: Workspace, size: int = len(SONG), owner: str | None = None) -> str:
    """Create a session for a song of `size` bytes; return its id."""
    return workspace.service.upload("Song.mp3", "audio/mpeg", owner, size=size).session.id


def send(workspace: Workspace, session_id: str, *numbers: int, data: bytes = SONG) -> None:
    """Store parts of the song."""
    upload_id = str(workspace.record(session_id).upload_id)
    for number in numbers:
        workspace.objects.begun[upload_id][number] = data[(number - 1) * PART : number * PART]


def test_only_large_files_of_known_size_are_offered_parts(workspace: Workspace) -> None:
    offered = [workspace.service.upload("a", "", size=size).part_bytes for size in (None, PART, PART + 1)]
    assert offered == [None, None, PART]


def test_resumes_with_links_for_missing_parts_only(workspace: Workspace, parts: PartUploads) -> None:
    assert len(SONG) == 103
    session_id = begin(workspace)
    progress = parts.resume(session_id)
    assert (progress.part_bytes, progress.count, progress.uploaded) == (PART, 3, ())
    assert [(part.number, part.size) for part in progress.missing] == [(1, 40), (2, 40), (3, 23)]
    send(workspace, session_id, 2)
    progress = parts.resume(session_id)
    assert progress.uploaded == (2,)
    assert [part.number for part in progress.missing] == [1, 3]
    assert all("for=3600&size=" in part.url for part in progress.missing)
    assert len(workspace.objects.begun) == 1


def test_part_of_another_size_counts_as_missing(workspace: Workspace, parts: PartUploads) -> None:
    session_id = begin(workspace)
    parts.resume(session_id)
    send(workspace, session_id, 1, 2, 3, data=SONG[:-1])
    assert [part.number for part in parts.resume(session_id).missing] == [3]
    with pytest.raises(UploadMissing, match="1 of 3 parts are missing, beginning with part 3"):
        parts.complete(session_id)


def test_completed_song_can_be_started(workspace: Workspace, parts: PartUploads) -> None:
    session_id = begin(workspace)
    parts.resume(session_id)
    send(workspace, session_id, 3, 1, 2)
    with pytest.raises(UploadMissing):
        workspace.service.start(session_id)
    session = parts.complete(session_id)
    assert workspace.objects.files[session.input_key] == SONG
    assert workspace.service.start(session_id).state == State.PENDING


def test_completing_twice_changes_nothing(workspace: Workspace, parts: PartUploads) -> None:
    session_id = begin(workspace)
    parts.resume(session_id)
    send(workspace, session_id, 1, 2, 3)
    once = parts.complete(session_id)
    assert parts.complete(session_id) == once
    assert parts.resume(session_id).missing == ()
    started = workspace.service.start(session_id)
    assert parts.complete(session_id) == started


def test_crash_between_join_and_record_is_recovered(workspace: Workspace, parts: PartUploads) -> None:
    session_id = begin(workspace)
    parts.resume(session_id)
    send(workspace, session_id, 1, 2, 3)
    record = workspace.record(session_id)
    workspace.objects.join_parts(record.input_key, str(record.upload_id), 3)
    assert parts.complete(session_id).uploaded


def test_call_that_lists_parts_while_another_deletes_them_succeeds(
    workspace: Workspace, parts: PartUploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = begin(workspace)
    parts.resume(session_id)
    send(workspace, session_id, 1, 2, 3)
    listing = MemoryObjects.parts

    def second_call_is_deleting(objects: MemoryObjects, key: str, upload_id: str) -> dict[int, int]:
        objects.files[key] = SONG
        objects.begun[upload_id].pop(1)
        return listing(objects, key, upload_id)

    monkeypatch.setattr(MemoryObjects, "parts", second_call_is_deleting)
    assert parts.complete(session_id).uploaded
    assert workspace.objects.files[workspace.record(session_id).input_key] == SONG


@pytest.mark.parametrize("sent", [(), (1, 3)])
def test_incomplete_upload_cannot_be_completed(
    workspace: Workspace, parts: PartUploads, sent: tuple[int, ...]
) -> None:
    session_id = begin(workspace)
    with pytest.raises(UploadMissing, match="has not been uploaded"):
        parts.complete(session_id)
    parts.resume(session_id)
    send(workspace, session_id, *sent)
    with pytest.raises(UploadMissing, match=f"{3 - len(sent)} of 3 parts"):
        parts.complete(session_id)
    assert workspace.objects.files == {}


def test_begins_again_if_the_store_has_dropped_the_parts(workspace: Workspace, parts: PartUploads) -> None:
    session_id = begin(workspace)
    parts.resume(session_id)
    send(workspace, session_id, 1, 2)
    workspace.objects.begun.clear()  # the lifecycle rule of a bucket
    with pytest.raises(UploadMissing):
        parts.complete(session_id)
    assert [part.number for part in parts.resume(session_id).missing] == [1, 2, 3]
    send(workspace, session_id, 1, 2, 3)
    assert parts.complete(session_id).uploaded


def test_of_two_tabs_that_begin_at_the_same_time_one_upload_remains(
    workspace: Workspace, parts: PartUploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = begin(workspace)
    begin_parts = MemoryObjects.begin_parts

    def second_tab_is_faster(objects: MemoryObjects, key: str, content_type: str) -> str:
        monkeypatch.undo()
        parts.resume(session_id)
        return begin_parts(objects, key, content_type)

    monkeypatch.setattr(MemoryObjects, "begin_parts", second_tab_is_faster)
    parts.resume(session_id)
    assert list(workspace.objects.begun) == [workspace.record(session_id).upload_id]


def test_long_upload_gets_its_links_in_several_answers(workspace: Workspace, parts: PartUploads) -> None:
    session_id = begin(workspace, PART * LINKS + 1)
    progress = parts.resume(session_id)
    assert (progress.count, len(progress.missing)) == (LINKS + 1, LINKS)


def test_parts_of_a_huge_file_are_larger() -> None:
    limits = Limits()
    assert part_bytes(limits.part_bytes * MAX_PARTS, limits) == limits.part_bytes
    size = 100 << 30
    most = part_bytes(size, limits)
    assert most is not None
    assert -(-size // most) <= MAX_PARTS


def test_too_large_file_is_refused_before_it_is_sent(workspace: Workspace) -> None:
    limits = workspace.service.limits
    with pytest.raises(TooLarge, match=r"has 2147483649 bytes\. The limit is 2147483648 bytes"):
        begin(workspace, limits.max_bytes + 1)
    workspace.objects.free = limits.keep_free_bytes + 1000
    with pytest.raises(StorageFull):
        begin(workspace, 1001)
    begin(workspace, 1000)
    assert len(workspace.store.records) == 1


def test_upload_that_could_not_be_joined_does_not_begin(workspace: Workspace, parts: PartUploads) -> None:
    session_id = begin(workspace)
    workspace.objects.free = workspace.service.limits.keep_free_bytes + 2 * len(SONG) - 1
    with pytest.raises(StorageFull):
        parts.resume(session_id)
    assert workspace.objects.begun == {}
    workspace.objects.free += 1
    assert parts.resume(session_id).count == 3
    workspace.objects.free = 0  # space for what is missing is checked part by part
    assert parts.resume(session_id).count == 3


def test_joining_leaves_space_for_stems(workspace: Workspace, parts: PartUploads) -> None:
    session_id = begin(workspace)
    parts.resume(session_id)
    send(workspace, session_id, 1, 2, 3)
    workspace.objects.free = workspace.service.limits.keep_free_bytes + len(SONG) - 1
    with pytest.raises(StorageFull, match="no disk space"):
        parts.complete(session_id)
    workspace.objects.free += 1
    assert parts.complete(session_id).uploaded


Call = Callable[[PartUploads, str], object]
BOTH = pytest.mark.parametrize(
    "call", [lambda parts, one: parts.resume(one), lambda parts, one: parts.complete(one)]
)


@BOTH
def test_upload_of_unknown_size_has_no_parts(workspace: Workspace, parts: PartUploads, call: Call) -> None:
    session_id = workspace.service.upload("a", "").session.id
    with pytest.raises(SettingError, match="fileSize"):
        call(parts, session_id)


@BOTH
def test_cancelled_or_started_song_takes_no_parts(
    workspace: Workspace, parts: PartUploads, call: Call
) -> None:
    cancelled, started = begin(workspace), workspace.waiting()
    workspace.service.cancel(cancelled)
    with pytest.raises(Busy, match="cancelled"):
        call(parts, cancelled)
    with pytest.raises(Busy, match="uploaded already"):
        call(parts, started)


@BOTH
def test_unknown_or_expired_session_is_reported(workspace: Workspace, parts: PartUploads, call: Call) -> None:
    session_id = begin(workspace)
    for unknown in (new_id(), "../x"):
        with pytest.raises(SessionNotFound):
            call(parts, unknown)
    workspace.now += DAY
    with pytest.raises(SessionNotFound):
        call(parts, session_id)


def test_upload_belongs_to_its_user(workspace: Workspace, parts: PartUploads) -> None:
    session_id = begin(workspace, owner="user:anna")
    for call in (parts.resume, parts.complete):
        with pytest.raises(Forbidden):
            call(session_id, "user:bert")
    assert parts.resume(session_id, "user:anna").count == 3


def test_deleted_and_expired_sessions_leave_no_parts(workspace: Workspace, parts: PartUploads) -> None:
    deleted, expired = begin(workspace), begin(workspace)
    for session_id in (deleted, expired):
        parts.resume(session_id)
        send(workspace, session_id, 1)
    assert workspace.service.cleanup(deleted) == 1
    assert len(workspace.objects.begun) == 1
    workspace.now += DAY
    assert workspace.sweeper.sweep().sessions == 1
    assert workspace.objects.begun == {}


def test_session_deleted_meanwhile_begins_no_upload(
    workspace: Workspace, parts: PartUploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = begin(workspace)
    begin_parts = MemoryObjects.begin_parts

    def deleted(objects: MemoryObjects, key: str, content_type: str) -> str:
        workspace.service.cleanup(session_id)
        return begin_parts(objects, key, content_type)

    monkeypatch.setattr(MemoryObjects, "begin_parts", deleted)
    with pytest.raises(SessionNotFound):
        parts.resume(session_id)
    assert workspace.objects.begun == {}
