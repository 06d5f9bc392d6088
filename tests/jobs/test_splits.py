"""Separate a stem of a completed session further: its parts belong to the session."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from tests.jobs.memory import Workspace

from unbraid.errors import Busy, Forbidden, SessionNotFound, SettingError, UploadMissing
from unbraid.jobs.choices import choices_of_quality
from unbraid.jobs.codec import from_dict, to_dict
from unbraid.jobs.session import Choices, Output, Session, State
from unbraid.jobs.splits import StemSplits

SPLIT_STEM = b"RIFF" + bytes(4) + b"WAVE" + bytes(100)


def completed(workspace: Workspace, owner: str | None = None) -> str:
    """A completed session whose stems look like audio."""
    session_id = workspace.completed(owner=owner)
    for stem in ("vocals", "no_vocals"):
        workspace.objects.files[f"outputs/{session_id}/{stem}.wav"] = SPLIT_STEM
    return session_id


def split(workspace: Workspace, session_id: str, stem: str = "no_vocals", model: str = "lite") -> Session:
    return StemSplits(workspace.service).start(session_id, stem, model)


def finish(workspace: Workspace, part: Session) -> None:
    """Complete the session of a stem's parts as a worker does."""
    assert workspace.leases.begin(part.id, "w")
    key = f"outputs/{part.id}/no_vocals.drums.wav"
    workspace.objects.files[key] = SPLIT_STEM
    output = Output("no_vocals.drums", "no_vocals.drums.wav", key, 4, 180.0)
    assert workspace.leases.complete(part.id, "w", [output], 180.0, "lite")


def test_the_parts_are_a_job_whose_song_is_the_stem(workspace: Workspace) -> None:
    parent = completed(workspace)
    part = split(workspace, parent)
    assert part.state == State.PENDING
    assert part.input_key == f"outputs/{parent}/no_vocals.wav"
    assert part.choices == Choices("lite", "all", "wav")
    assert (part.parent, part.stem, part.duration_s) == (parent, "no_vocals", 180.0)
    assert workspace.outbox.dispatched[-1].id == part.id
    assert workspace.state(parent) == State.COMPLETED
    status = workspace.service.status(parent)
    assert [(one.session.id, one.session.state, one.wait.position) for one in status.splits] == [
        (part.id, State.PENDING, 1)
    ]
    assert [file.type for file in status.files] == ["vocals", "no_vocals"]


def test_finished_parts_are_files_of_the_song(workspace: Workspace) -> None:
    parent = completed(workspace, owner="browser:a")
    before = workspace.record(parent).version
    finish(workspace, split(workspace, parent))
    for status in (
        workspace.service.status(parent),
        workspace.service.status_many([parent])[parent],
        *workspace.service.history("browser:a"),
    ):
        assert [(file.type, file.stem) for file in status.files] == [
            ("vocals", None),
            ("no_vocals", None),
            ("no_vocals.drums", "no_vocals"),
        ]
        assert status.files[2].save_as == "Song - no_vocals.drums.wav"
        assert status.session.state == State.COMPLETED
    assert workspace.record(parent).version >= before + 2  # pages that watch the song read it again
    assert len(workspace.service.history("browser:a")) == 1


def test_asking_twice_is_one_job(workspace: Workspace) -> None:
    parent = completed(workspace)
    part = split(workspace, parent)
    assert split(workspace, parent).id == part.id
    finish(workspace, part)
    assert split(workspace, parent).state == State.COMPLETED
    assert len(workspace.outbox.dispatched) == 2  # the song and its stem
    assert split(workspace, parent, "vocals", "spleeter").id != part.id


def test_the_quality_chooses_the_model_of_the_parts(workspace: Workspace) -> None:
    splits, parent = StemSplits(workspace.service), completed(workspace)
    part = splits.start(parent, "no_vocals", "four_stems", quality="best")
    assert choices_of_quality(part.choices).model == "four_stems:best"
    assert splits.start(parent, "no_vocals", "four_stems", quality="best").id == part.id
    assert splits.start(parent, "no_vocals", "four_stems:best").id == part.id
    with pytest.raises(Busy, match="Cancel it first"):
        splits.start(parent, "no_vocals", "four_stems")


def test_asking_twice_at_once_is_one_job(workspace: Workspace) -> None:
    parent = completed(workspace)
    barrier = threading.Barrier(8)

    def ask(_: int) -> str:
        barrier.wait()
        return split(workspace, parent).id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1
    assert len(workspace.store.pending(10)) == 1
    assert len(workspace.store.records) == 2


def test_another_model_has_to_wait_until_the_parts_are_deleted(workspace: Workspace) -> None:
    parent = completed(workspace)
    part = split(workspace, parent)
    with pytest.raises(Busy, match=r"This stem is being separated with lite\. Cancel it first\."):
        split(workspace, parent, model="spleeter")
    finish(workspace, part)
    with pytest.raises(Busy, match=r"This stem was separated with lite\. Delete its parts first\."):
        split(workspace, parent, model="spleeter")
    assert workspace.service.cleanup(part.id) == 2
    assert workspace.service.status(parent).splits == ()
    assert split(workspace, parent, model="spleeter").id != part.id


@pytest.mark.parametrize("end", ["cancel", "fail"])
def test_ended_without_parts_it_can_be_started_again(workspace: Workspace, end: str) -> None:
    parent = completed(workspace)
    part = split(workspace, parent)
    assert workspace.leases.begin(part.id, "w")
    if end == "cancel":
        workspace.service.cancel(part.id)
    else:
        workspace.leases.fail(part.id, "w", "No.")
    (status,) = workspace.service.status(parent).splits
    assert status.session.state in (State.CANCELLED, State.FAILED)
    assert workspace.state(parent) == State.COMPLETED
    again = split(workspace, parent, model="spleeter")
    assert (again.id, again.state, again.choices.model) == (part.id, State.PENDING, "spleeter")


def test_a_lost_worker_is_retried(workspace: Workspace) -> None:
    part = split(workspace, completed(workspace))
    assert workspace.leases.begin(part.id, "w")
    workspace.now += 60
    assert workspace.sweeper.recover() == 1
    assert workspace.state(part.id) == State.PENDING


def test_cleanup_deletes_the_parts_too(workspace: Workspace) -> None:
    parent = completed(workspace)
    finish(workspace, split(workspace, parent))
    split(workspace, parent, "vocals")
    workspace.service.cleanup(parent)
    assert workspace.store.records == {}
    assert workspace.objects.files == {}


def test_expired_songs_lose_their_parts_too(workspace: Workspace) -> None:
    parent = completed(workspace)
    expires = workspace.record(parent).expires_at
    workspace.now = expires - 60
    part = split(workspace, parent)
    assert workspace.record(parent).expires_at > expires  # the song is kept for its parts
    finish(workspace, part)
    workspace.now = workspace.record(parent).expires_at
    workspace.sweeper.sweep()
    assert workspace.store.records == {}
    assert workspace.objects.files == {}


def test_a_song_that_is_deleted_meanwhile_gets_no_parts(workspace: Workspace) -> None:
    parent = completed(workspace)
    add = workspace.store.add

    def add_late(session: Session) -> None:
        workspace.service.cleanup(parent)
        add(session)

    workspace.store.add = add_late  # type: ignore[method-assign]
    with pytest.raises(SessionNotFound):
        split(workspace, parent)
    assert workspace.store.records == {}


def test_explains_what_can_not_be_separated(workspace: Workspace) -> None:
    parent = completed(workspace)
    with pytest.raises(SettingError, match=r"no stem 'drums'\. It has vocals, no_vocals\.") as error:
        split(workspace, parent, "drums")
    assert error.value.field == "from"
    with pytest.raises(SettingError, match="There is no model 'nothing'") as error:
        split(workspace, parent, model="nothing")
    assert error.value.field == "model"
    with pytest.raises(Busy, match="This song has no stems yet"):
        split(workspace, workspace.waiting())
    with pytest.raises(SettingError, match="These are parts of a stem already"):
        split(workspace, split(workspace, parent).id)
    with pytest.raises(SessionNotFound):
        split(workspace, "unknown-session-id")
    del workspace.objects.files[f"outputs/{parent}/vocals.wav"]
    with pytest.raises(UploadMissing):
        split(workspace, parent, "vocals")


def test_the_parts_belong_to_the_owner_of_the_song(workspace: Workspace) -> None:
    parent = completed(workspace, owner="user:a")
    part = StemSplits(workspace.service).start(parent, "vocals", "lite", owner="user:a")
    assert workspace.service.get(part.id, "user:a").id == part.id
    for use in (workspace.service.get, workspace.service.cancel, workspace.service.cleanup):
        with pytest.raises(Forbidden):
            use(part.id, "user:b")
    assert workspace.service.status_many([part.id], "user:b") == {}


def test_parts_count_as_songs_of_their_owner() -> None:
    workspace = Workspace(per_owner_active=1)
    parent = completed(workspace, owner="user:a")
    assert split(workspace, parent).id == split(workspace, parent).id
    with pytest.raises(Busy, match="1 of your songs are waiting"):
        split(workspace, parent, "vocals")


def test_records_survive_the_codec(workspace: Workspace) -> None:
    parent = completed(workspace)
    part = split(workspace, parent)
    for session in (workspace.record(parent), part):
        assert from_dict(to_dict(session)) == session
    older = {k: v for k, v in to_dict(part).items() if k not in ("splits", "parent", "stem")}
    assert from_dict(older) == replace(part, parent=None, stem=None)


def test_the_song_itself_is_separated_once_more_in_part(workspace: Workspace) -> None:
    parent = completed(workspace)
    start = StemSplits(workspace.service).start
    part = start(parent, "mix", "lite", start=65.0, end=95.0)
    record = workspace.record(parent)
    assert (part.input_key, part.file_type, part.stem) == (record.input_key, record.file_type, "mix")
    assert part.choices == Choices("lite", "all", "wav", start=65.0, end=95.0)
    assert start(parent, "mix", "lite", start=65.0, end=95.0).id == part.id
    for other in ({"start": 66.0, "end": 95.0}, {"model": "htdemucs", "start": 65.0, "end": 95.0}):
        with pytest.raises(Busy, match=r"This song is being separated with lite\. Cancel it first"):
            start(parent, "mix", **{"model": "lite", **other})  # type: ignore[arg-type]
    workspace.service.cleanup(part.id)
    assert workspace.service.status(parent).splits == ()
    # The parts are deleted, and the song isn't.
    assert record.input_key in workspace.objects.files


def test_the_song_is_not_its_coded_copy_among_the_stems(workspace: Workspace) -> None:
    parent = completed(workspace)
    record = workspace.record(parent)
    copy = replace(record.outputs[0], type="mix", filename="mix.wav")
    workspace.store.save(replace(record, outputs=(*record.outputs, copy)))
    assert split(workspace, parent, "mix").input_key == record.input_key
    record = workspace.record(parent)
    workspace.store.save(replace(record, splits=(), choices=replace(record.choices, stems="mix", start=1.0)))
    with pytest.raises(SettingError, match="separated in part"):
        split(workspace, parent, "mix")


def test_only_a_whole_song_is_separated_once_more(workspace: Workspace) -> None:
    parent = completed(workspace)
    with pytest.raises(SettingError, match="A part is only taken of the whole song, mix"):
        StemSplits(workspace.service).start(parent, "vocals", "lite", start=1.0)
    record = workspace.record(parent)
    workspace.store.save(replace(record, choices=replace(record.choices, end=10.0)))
    with pytest.raises(SettingError, match="separated in part"):
        split(workspace, parent, "mix")
