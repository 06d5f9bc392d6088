"""A person's own songs: rename them, keep them from expiring, separate them again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.jobs.memory import SONG, Workspace

from unbraid.errors import (
    Busy,
    Forbidden,
    SessionNotFound,
    SettingError,
    StorageFull,
    UnsupportedMedia,
    UploadMissing,
)
from unbraid.jobs.keeping import NEVER
from unbraid.jobs.library import Library
from unbraid.jobs.session import Choices, Session, State
from unbraid.jobs.shares import Shares
from unbraid.jobs.splits import StemSplits

ANNA, BEN = "browser:anna", "browser:ben"
YEAR = 365 * 24 * 3600
ALL = Choices("lite", "all")


@pytest.fixture
def library(workspace: Workspace) -> Library:
    return Library(workspace.service)


def with_parts(workspace: Workspace) -> tuple[str, str]:
    """Return the ids of a finished song and of the finished parts of its accompaniment."""
    song = workspace.completed(owner=ANNA)
    parts = StemSplits(workspace.service).start(song, "no_vocals", "lite", owner=ANNA).id
    workspace.leases.begin(parts, "w")
    workspace.leases.complete(parts, "w", workspace.outputs(parts), 180.0, "lite")
    return song, parts


@pytest.mark.parametrize("change", ["rename", "keep", "release"])
@pytest.mark.parametrize("caller", [None, BEN, "user:ben"])
def test_only_the_owner_changes_a_song(
    workspace: Workspace, library: Library, change: str, caller: str | None
) -> None:
    """Without sign-in, the id is enough to use a song, but not to change how its owner finds it."""
    song = workspace.completed(owner=ANNA)
    before = workspace.record(song)
    with pytest.raises(Forbidden):
        getattr(library, change)(song, *(["x"] if change == "rename" else []), caller)
    assert workspace.record(song) == before


def test_a_song_without_an_owner_is_not_renamed(workspace: Workspace, library: Library) -> None:
    with pytest.raises(Forbidden):
        library.rename(workspace.completed(), "x", None)


def test_a_renamed_song_keeps_its_ending_and_downloads_have_the_name(
    workspace: Workspace, library: Library
) -> None:
    song, parts = with_parts(workspace)
    library.rename(song, " AC/DC, v1.2\n", ANNA)
    assert [workspace.record(one).file_name for one in (song, parts)] == ["AC-DC, v1.2.mp3"] * 2
    library.rename(song, "Live v1.2", ANNA)
    status = workspace.service.status(song, ANNA)
    assert {file.save_as.partition(" - ")[0] for file in status.files} == {"Live v1.2"}
    assert status.session.file_name == "Live v1.2.mp3"


@pytest.mark.parametrize("name", ["", "  ", "\n"])
def test_a_song_needs_a_name(workspace: Workspace, library: Library, name: str) -> None:
    song = workspace.completed(owner=ANNA)
    with pytest.raises(SettingError, match="name"):
        library.rename(song, name, ANNA)


def test_a_kept_song_never_expires_and_bucket_rules_do_not_reach_its_files(
    workspace: Workspace, library: Library
) -> None:
    song, parts = with_parts(workspace)
    library.keep(song, ANNA)
    library.keep(song, ANNA)
    for prefix in ("inputs/", "outputs/"):  # the lifecycle rules of the bucket
        for key in [key for key in workspace.objects.files if key.startswith(prefix)]:
            del workspace.objects.files[key]
    workspace.now += YEAR
    workspace.sweeper.sweep()
    status = workspace.service.status(song, ANNA)
    assert len(status.files) == 4
    for session in (workspace.record(song), workspace.record(parts)):
        assert (session.kept, session.expires_at) == (True, NEVER)
        for output in session.outputs:
            for key in (output.key, output.peaks_key, output.play_key):
                assert workspace.objects.size(str(key)) == 4
    assert workspace.objects.files[workspace.record(song).song_key] == SONG
    assert workspace.service.cleanup(song, ANNA) > 0
    assert workspace.objects.files == {}


@pytest.mark.parametrize("keeps", ["before", "while they are made", "at their end"])
def test_parts_of_a_kept_song_are_kept_too(
    workspace: Workspace, library: Library, monkeypatch: pytest.MonkeyPatch, keeps: str
) -> None:
    song = workspace.completed(owner=ANNA)
    if keeps == "before":
        library.keep(song, ANNA)
    parts = StemSplits(workspace.service).start(song, "no_vocals", "lite", owner=ANNA).id
    workspace.leases.begin(parts, "w")
    if keeps == "while they are made":
        library.keep(song, ANNA)
    save = workspace.store.save

    def keep_then_save(session: Session) -> Session:
        monkeypatch.undo()
        library.keep(song, ANNA)  # the parts are not completed yet
        return save(session)

    if keeps == "at their end":
        monkeypatch.setattr(workspace.store, "save", keep_then_save)
    assert workspace.leases.complete(parts, "w", workspace.outputs(parts), 180.0, "lite")
    workspace.objects.delete(f"outputs/{parts}/")  # the lifecycle rule of the bucket
    workspace.now += YEAR
    workspace.sweeper.sweep()
    record = workspace.record(parts)
    assert (record.kept, record.expires_at) == (True, NEVER)
    files = workspace.service.status(song, ANNA).splits[0].files
    assert len(files) == 2
    for output in record.outputs:
        for key in (output.key, output.peaks_key, output.play_key):
            assert workspace.objects.size(str(key)) == 4
    library.release(song, ANNA)
    assert workspace.record(parts).expires_at == workspace.record(song).expires_at < NEVER
    workspace.service.cleanup(song, ANNA)
    assert workspace.objects.files == {}


def test_parts_of_a_kept_song_that_fail_leave_no_copies(workspace: Workspace, library: Library) -> None:
    song = workspace.completed(owner=ANNA)
    library.keep(song, ANNA)
    parts = StemSplits(workspace.service).start(song, "no_vocals", "lite", owner=ANNA).id
    workspace.leases.begin(parts, "w")
    outputs = workspace.outputs(parts)
    workspace.service.cancel(parts)
    assert not workspace.leases.complete(parts, "w", outputs, 180.0, "lite")
    assert not any(parts in key for key in workspace.objects.files)


def test_a_released_song_expires_as_late_as_a_new_one(workspace: Workspace, library: Library) -> None:
    song, parts = with_parts(workspace)
    library.keep(song, ANNA)
    workspace.now += YEAR
    library.release(song, ANNA)
    week = workspace.sessions.limits.results_s
    assert [workspace.record(one).expires_at for one in (song, parts)] == [workspace.now + week] * 2
    workspace.now += week
    workspace.sweeper.sweep()
    assert (workspace.store.records, workspace.objects.files) == ({}, {})


def test_the_server_limits_kept_songs() -> None:
    workspace = Workspace(max_kept=1)
    library = Library(workspace.service)
    first, second, other = (
        workspace.completed(owner=ANNA), workspace.completed(owner=ANNA), workspace.completed(owner=BEN)
    )  # fmt: skip
    library.keep(first, ANNA)
    library.keep(other, BEN)
    with pytest.raises(StorageFull, match="You keep 1 songs"):
        library.keep(second, ANNA)
    library.release(first, ANNA)
    assert library.keep(second, ANNA).kept


def test_only_finished_songs_are_kept(workspace: Workspace, library: Library) -> None:
    with pytest.raises(Busy, match="finished"):
        library.keep(workspace.working(owner=ANNA), ANNA)


def test_a_song_that_is_deleted_while_it_is_kept_leaves_no_files(
    workspace: Workspace, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = workspace.completed(owner=ANNA)
    copy = workspace.objects.copy

    def copy_then_delete(source: str, target: str) -> None:
        copy(source, target)
        workspace.store.delete(song)

    monkeypatch.setattr(workspace.objects, "copy", copy_then_delete)
    with pytest.raises(SessionNotFound):
        library.keep(song, ANNA)
    assert not any(key.startswith("kept/") for key in workspace.objects.files)


def test_a_song_in_two_stems_is_separated_in_four_without_an_upload(
    workspace: Workspace, library: Library
) -> None:
    song = workspace.completed(owner=ANNA)
    again = library.again(song, ALL, ANNA)
    assert (again.state, again.choices, again.owner, again.file_name) == (
        State.PENDING,
        ALL,
        ANNA,
        "Song.mp3",
    )
    assert workspace.record(song).state == State.COMPLETED
    assert library.again(song, ALL, ANNA).id == again.id  # asking twice is one job
    workspace.service.cleanup(song, ANNA)
    taken = workspace.leases.take("w")
    assert taken is not None
    assert workspace.objects.files[taken.song_key] == SONG
    workspace.service.cleanup(again.id, ANNA)
    assert workspace.objects.files == {}


def test_a_link_that_is_shared_while_the_song_is_kept_does_not_expire(
    workspace: Workspace, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = workspace.completed(owner=ANNA)
    copy = workspace.objects.copy

    def share_then_copy(source: str, target: str) -> None:
        monkeypatch.undo()
        Shares(workspace.service).share(song, ANNA)
        copy(source, target)

    monkeypatch.setattr(workspace.objects, "copy", share_then_copy)
    library.keep(song, ANNA)
    share = workspace.record(str(workspace.record(song).share))
    assert (share.kept, share.expires_at) == (True, NEVER)


@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_a_song_that_was_not_finished_can_be_tried_with_other_choices(
    workspace: Workspace, library: Library, end: str
) -> None:
    song = workspace.working(owner=ANNA)
    with pytest.raises(Busy, match="is being separated"):
        library.again(song, ALL, ANNA)
    workspace.leases.fail(song, "w", "x") if end == "fail" else workspace.service.cancel(song)
    assert library.again(song, ALL, ANNA).choices == ALL


def test_separating_again_keeps_the_limits(library: Library, workspace: Workspace) -> None:
    song = workspace.completed(owner="user:anna")
    with pytest.raises(Forbidden):
        library.again(song, ALL, "user:ben")
    with pytest.raises(SettingError):
        library.again(song, Choices("unknown"), "user:anna")
    workspace.objects.free = 0
    with pytest.raises(StorageFull):
        library.again(song, ALL, "user:anna")
    workspace.objects.free = None
    workspace.objects.delete(f"inputs/{song}/")
    with pytest.raises(UploadMissing):
        library.again(song, ALL, "user:anna")
    assert set(workspace.store.records) == {song}


def test_a_song_that_cannot_be_separated_again_leaves_nothing(workspace: Workspace, library: Library) -> None:
    song = workspace.uploaded(owner=ANNA, data=b"\x89PNG\r\n\x1a\n" + bytes(100))
    workspace.service.cancel(song)
    for _ in range(2):  # a copy that was left would be joined
        with pytest.raises(UnsupportedMedia):
            library.again(song, Choices(), ANNA)
    assert set(workspace.store.records) == {song}
    workspace.sweeper.sweep()
    assert list(workspace.objects.files) == [f"inputs/{song}/song.mp3"]


def test_separating_again_counts_as_an_active_song() -> None:
    workspace = Workspace(per_owner_active=1)
    song = workspace.completed(owner=ANNA)
    workspace.waiting(owner=ANNA)
    with pytest.raises(Busy):
        Library(workspace.service).again(song, ALL, ANNA)


def test_parts_that_are_made_later_do_not_shorten_a_kept_song(workspace: Workspace, library: Library) -> None:
    song = workspace.completed(owner=ANNA)
    library.keep(song, ANNA)
    parts = StemSplits(workspace.service).start(song, "mix", "lite", owner=ANNA)
    assert workspace.objects.size(parts.input_key) == len(SONG)
    workspace.store.save(replace(workspace.record(song)))
    assert workspace.record(song).expires_at == NEVER
