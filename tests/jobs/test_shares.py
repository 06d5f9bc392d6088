"""Share links: listen, mix and download, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

import pytest
from tests.jobs.memory import SONG, Workspace

from unbraid.api.answers import status_answer
from unbraid.errors import Busy, Forbidden, JobError, SessionNotFound
from unbraid.jobs.library import Library
from unbraid.jobs.session import Choices
from unbraid.jobs.shares import Shares
from unbraid.jobs.splits import StemSplits

ANNA, BEN = "browser:anna", "browser:ben"


@pytest.fixture
def shares(workspace: Workspace) -> Shares:
    return Shares(workspace.service)


def test_a_shared_song_can_be_heard_without_the_id_of_the_session(
    workspace: Workspace, shares: Shares
) -> None:
    song = workspace.completed(owner=ANNA, choices=Choices(notify="anna@example.org"))
    share = shares.share(song, ANNA)
    assert shares.share(song, ANNA) == share
    assert workspace.service.status(song).session.share == share.id
    status = shares.status(share.id)
    assert [file.type for file in status.files] == ["vocals", "no_vocals"]
    for file in status.files:
        assert workspace.objects.size(file.key) == 4
    shown = status_answer(status).model_dump_json()
    assert song not in shown
    assert json.loads(shown)["session_id"] == share.id
    assert "anna" not in shown
    assert "anna" not in json.dumps(asdict(share))
    assert len(share.id) == 32
    assert workspace.service.history(ANNA)[0].session.id == song
    assert len(workspace.service.history(ANNA)) == 1


CALLS: dict[str, Callable[[Workspace, str], object]] = {
    "status": lambda w, id_: w.service.status(id_),
    "cancel": lambda w, id_: w.service.cancel(id_),
    "start": lambda w, id_: w.service.start(id_, None, Choices("lite")),
    "split": lambda w, id_: StemSplits(w.service).start(id_, "vocals", "lite"),
    "again": lambda w, id_: Library(w.service).again(id_, None),
    "rename": lambda w, id_: Library(w.service).rename(id_, "x", ANNA),
    "keep": lambda w, id_: Library(w.service).keep(id_, ANNA),
    "share": lambda w, id_: Shares(w.service).share(id_, ANNA),
    "revoke": lambda w, id_: Shares(w.service).revoke(id_, ANNA),
}


@pytest.mark.parametrize("call", CALLS)
def test_the_id_of_a_share_link_allows_nothing_but_reading(
    workspace: Workspace, shares: Shares, call: str
) -> None:
    song = workspace.completed(owner=ANNA)
    share = shares.share(song, ANNA)
    with pytest.raises(SessionNotFound):
        CALLS[call](workspace, share.id)
    assert workspace.service.cleanup(share.id) == 0
    assert workspace.service.status_many([share.id]) == {}
    assert shares.status(share.id).session == share
    assert workspace.state(song) == "COMPLETED"


@pytest.mark.parametrize("caller", [None, BEN, "user:ben"])
def test_only_the_owner_shares_and_revokes(workspace: Workspace, shares: Shares, caller: str | None) -> None:
    song = workspace.completed(owner=ANNA)
    with pytest.raises(Forbidden):
        shares.share(song, caller)
    share = shares.share(song, ANNA)
    with pytest.raises(Forbidden):
        shares.revoke(song, caller)
    assert shares.status(share.id)


def test_a_session_is_no_share_link(workspace: Workspace, shares: Shares) -> None:
    for session_id in (workspace.completed(owner=ANNA), "x" * 32, "", "../" * 10):
        with pytest.raises(SessionNotFound, match="no longer works"):
            shares.status(session_id)


def test_only_finished_songs_are_shared(workspace: Workspace, shares: Shares) -> None:
    with pytest.raises(Busy, match="finished"):
        shares.share(workspace.waiting(owner=ANNA), ANNA)


def test_a_revoked_link_and_its_files_are_gone_and_a_new_link_differs(
    workspace: Workspace, shares: Shares
) -> None:
    song = workspace.completed(owner=ANNA)
    first = shares.share(song, ANNA)
    shares.revoke(song, ANNA)
    shares.revoke(song, ANNA)
    assert not any(first.id in key for key in workspace.objects.files)
    assert workspace.record(song).share is None
    second = shares.share(song, ANNA)
    assert second.id != first.id
    with pytest.raises(SessionNotFound):
        shares.status(first.id)


@pytest.mark.parametrize("end", ["delete", "expire"])
def test_a_link_ends_with_its_song(workspace: Workspace, shares: Shares, end: str) -> None:
    song = workspace.completed(owner=ANNA)
    share = shares.share(song, ANNA)
    if end == "delete":
        workspace.service.cleanup(song, ANNA)
    else:
        workspace.now += workspace.sessions.limits.results_s
    with pytest.raises(SessionNotFound):
        shares.status(share.id)
    workspace.sweeper.sweep()
    assert (workspace.store.records, workspace.objects.files) == ({}, {})


def test_a_link_lasts_as_long_as_its_song(workspace: Workspace, shares: Shares) -> None:
    """A kept song never expires, and a song whose stem is separated further expires later."""
    kept, split = workspace.completed(owner=ANNA), workspace.completed(owner=ANNA)
    links = [shares.share(song, ANNA).id for song in (kept, split)]
    Library(workspace.service).keep(kept, ANNA)
    workspace.now += workspace.sessions.limits.results_s - 1
    StemSplits(workspace.service).start(split, "vocals", "lite", owner=ANNA)
    for song, link in zip((kept, split), links, strict=True):
        assert workspace.record(link).expires_at == workspace.record(song).expires_at
    workspace.now += 1
    workspace.sweeper.sweep()
    assert all(shares.status(link).files for link in links)


def test_a_link_has_the_new_name_of_its_song(workspace: Workspace, shares: Shares) -> None:
    song = workspace.completed(owner=ANNA)
    share = shares.share(song, ANNA)
    Library(workspace.service).rename(song, "New", ANNA)
    assert shares.status(share.id).zip_name == "New - stems.zip"


def test_concurrent_calls_make_one_link(
    workspace: Workspace, shares: Shares, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = workspace.completed(owner=ANNA)
    copy, others = workspace.objects.copy, []

    def copy_and_share(source: str, target: str) -> None:
        monkeypatch.setattr(workspace.objects, "copy", copy)
        others.append(shares.share(song, ANNA).id)
        copy(source, target)

    monkeypatch.setattr(workspace.objects, "copy", copy_and_share)
    assert shares.share(song, ANNA).id == others[0]
    assert len(workspace.store.records) == 2
    assert {key.split("/")[1] for key in workspace.objects.files} == {song, others[0]}


def test_a_link_that_cannot_be_made_leaves_nothing(
    workspace: Workspace, shares: Shares, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = workspace.completed(owner=ANNA)

    def fail(source: str, target: str) -> None:
        raise FileNotFoundError(source)

    monkeypatch.setattr(workspace.objects, "copy", fail)
    with pytest.raises(JobError):
        shares.share(song, ANNA)
    assert set(workspace.store.records) == {song}


def test_the_picture_of_a_shared_video_is_not_the_upload(workspace: Workspace, shares: Shares) -> None:
    song = workspace.completed(owner=ANNA, name="clip.mkv")
    assert workspace.service.status(song).video_url is None  # uploaded as audio/mpeg
    video = workspace.service.upload("clip.mp4", "video/mp4", ANNA).session
    workspace.objects.files[video.input_key] = SONG
    workspace.service.start(video.id)
    workspace.leases.begin(video.id, "w")
    workspace.leases.complete(video.id, "w", workspace.outputs(video.id), 180.0, "lite")
    assert str(workspace.service.status(video.id).video_url).startswith(f"memory:{video.input_key}")
    assert shares.status(shares.share(video.id, ANNA).id).video_url is None
