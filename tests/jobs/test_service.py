"""Uploads, status, cancellation, deletion and ownership of sessions."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.jobs.memory import Workspace

from unbraid.errors import (
    Forbidden,
    SessionNotFound,
    SettingError,
    StorageFull,
    UnsupportedMedia,
)
from unbraid.jobs.new_file import NewFile
from unbraid.jobs.session import State, new_id

DAY = 86400


# Upload


def test_upload_gets_its_own_key_and_a_link_for_an_hour(workspace: Workspace) -> None:
    upload = workspace.service.upload("My Song.MP3", "audio/mpeg", "browser:a")
    session = upload.session
    assert session.state == State.AWAITING_UPLOAD
    assert len(session.id) == 32
    assert session.input_key == f"inputs/{session.id}/song.mp3"
    assert upload.url == f"memory:{session.input_key}?put&type=audio/mpeg&for=3600&most={2 << 30}"
    assert (upload.expires_in, upload.max_bytes) == (3600, 2 << 30)
    assert (session.file_name, session.owner) == ("My Song.MP3", "browser:a")
    assert workspace.record(session.id) == session


@pytest.mark.parametrize(
    ("name", "display_name", "suffix"),
    [
        ("../../etc/passwd", "passwd", ""),
        ("C:\\Music\\a.WAV", "a.WAV", ".wav"),
        ("Für Elise.flac", "Für Elise.flac", ".flac"),
        ("a.m p3", "a.m p3", ""),
        ("evil\r\nSet-Cookie: x.mp3", "evilSet-Cookie: x.mp3", ".mp3"),
        (
            "gpj\u202e.exe.ogg",
            "gpj.exe.ogg",
            ".ogg",
        ),  # without the character that reverses reading
        ("a.😀", "a.😀", ""),
        ("", "song", ""),
        ("/", "song", ""),
        ("x" * 300 + ".mp3", "x" * 251 + ".mp3", ".mp3"),
        ("a." + "b" * 50, "a." + "b" * 50, ""),
    ],
)
def test_only_a_plain_suffix_of_the_name_reaches_the_key(
    workspace: Workspace, name: str, display_name: str, suffix: str
) -> None:
    session = workspace.service.upload(name, "").session
    assert (session.file_name, session.input_key) == (display_name, f"inputs/{session.id}/song{suffix}")


@pytest.mark.parametrize(
    "file_type",
    [
        "",
        "audio/mpeg",
        "AUDIO/X-WAV",
        "video/mp4",
        "audio/mp4; codecs=x",
        "application/ogg",
        "application/octet-stream",
    ],
)
def test_accepts_audio_video_and_unknown_types(workspace: Workspace, file_type: str) -> None:
    assert workspace.service.upload("a", file_type).session.file_type == file_type


@pytest.mark.parametrize("file_type", ["image/png", "text/html", "application/pdf", "application/zip", "x"])
def test_rejects_other_media_types(workspace: Workspace, file_type: str) -> None:
    with pytest.raises(UnsupportedMedia, match="not an audio or video file"):
        workspace.service.upload("a", file_type)
    assert workspace.store.records == {}


@pytest.mark.parametrize("file_type", ["audio/\r\nX: y", "audio/" + "x" * 300])
def test_rejects_malformed_media_type(workspace: Workspace, file_type: str) -> None:
    with pytest.raises(SettingError, match="media type"):
        workspace.service.upload("a", file_type)


def test_upload_leaves_free_space_on_disk(workspace: Workspace) -> None:
    keep = workspace.service.limits.keep_free_bytes
    workspace.objects.free = keep + 1000
    assert workspace.service.upload("a", "").max_bytes == 1000
    workspace.objects.free = keep
    with pytest.raises(StorageFull, match="no disk space"):
        workspace.service.upload("a", "")


def test_batch_creates_all_sessions_or_none(workspace: Workspace) -> None:
    batch, uploads = workspace.service.upload_many(
        [NewFile("a.mp3", "audio/mpeg"), NewFile("b.wav", "")], "browser:a"
    )
    assert [upload.session.batch for upload in uploads] == [batch, batch]
    assert [upload.session.file_name for upload in uploads] == ["a.mp3", "b.wav"]
    before = len(workspace.store.records)
    with pytest.raises(UnsupportedMedia, match=r"b\.pdf is not an audio"):
        workspace.service.upload_many([NewFile("a.mp3", "audio/mpeg"), NewFile("b.pdf", "application/pdf")])
    with pytest.raises(SettingError, match="media type"):
        workspace.service.upload_many([NewFile("a.mp3", "audio/mpeg"), NewFile("b.mp3", "audio/\nmpeg")])
    for count in (0, 101):
        with pytest.raises(SettingError, match="1 to 100 songs"):
            workspace.service.upload_many([NewFile("a", "")] * count)
    assert len(workspace.store.records) == before


# Status


def test_completed_session_has_links_for_an_hour_named_after_the_song(workspace: Workspace) -> None:
    status = workspace.service.status(workspace.completed(name="My Song.mp3"))
    assert [
        (file.type, file.filename, file.save_as, file.size, file.duration_s) for file in status.files
    ] == [
        ("vocals", "vocals.wav", "My Song - vocals.wav", 4, 180.0),
        ("no_vocals", "no_vocals.wav", "My Song - no_vocals.wav", 4, 180.0),
    ]
    base = f"memory:outputs/{status.session.id}/vocals"
    file = status.files[0]
    assert file.url == f"{base}.wav?for=3600&as=My Song - vocals.wav"
    assert file.peaks_url == f"{base}.peaks.json?for=3600&as=None"
    assert file.play_url == f"{base}.play?for=3600&as=None"
    assert status.zip_name == "My Song - stems.zip"


@pytest.mark.parametrize("name", ["no suffix", ".hidden"])
def test_name_without_suffix_is_the_title(workspace: Workspace, name: str) -> None:
    assert workspace.service.status(workspace.completed(name=name)).zip_name == f"{name} - stems.zip"


def test_queue_position_counts_from_one(workspace: Workspace) -> None:
    ids = []
    for _ in range(3):
        ids.append(workspace.waiting())
        workspace.now += 1
    assert [workspace.service.status(one).wait.position for one in ids] == [1, 2, 3]
    workspace.leases.take("w")
    workspace.now += 1  # a snapshot of the queue is a second old at most
    assert [workspace.service.status(one).wait.position for one in ids] == [None, 1, 2]
    many = workspace.service.status_many(ids)
    assert [many[one].wait.position for one in ids] == [None, 1, 2]


def test_unknown_expired_and_malformed_ids_are_not_found(workspace: Workspace) -> None:
    expired = workspace.completed()
    workspace.now += 7 * DAY
    for session_id in (expired, new_id(), "", "x", "../" * 10, "x" * 1000, "a\x00b" * 8, "ä" * 32):
        with pytest.raises(SessionNotFound, match="Upload it again"):
            workspace.service.status(session_id)
        with pytest.raises(SessionNotFound):
            workspace.service.start(session_id)
        with pytest.raises(SessionNotFound):
            workspace.service.cancel(session_id)
        assert workspace.service.status_many([session_id]) == {}


# Cancel and delete


@pytest.mark.parametrize("made", ["uploaded", "waiting", "working"])
def test_cancel_is_idempotent_until_the_session_ends(workspace: Workspace, made: str) -> None:
    session_id = getattr(workspace, made)()
    cancelled = workspace.service.cancel(session_id)
    assert (cancelled.state, cancelled.finished_at) == (State.CANCELLED, workspace.now)
    workspace.now += 1
    assert workspace.service.cancel(session_id) == cancelled
    assert not workspace.leases.renew_lease(session_id, "w")
    assert workspace.leases.take("w") is None


def test_cancel_does_not_change_a_completed_session(workspace: Workspace) -> None:
    session_id = workspace.completed()
    assert workspace.service.cancel(session_id).state == State.COMPLETED


@pytest.mark.parametrize(
    ("made", "count"), [("uploaded", 2), ("waiting", 2), ("working", 2), ("completed", 8)]
)
def test_cleanup_deletes_record_and_files_in_any_state(workspace: Workspace, made: str, count: int) -> None:
    other = workspace.uploaded()
    session_id = getattr(workspace, made)()
    assert workspace.service.cleanup(session_id) == count
    assert workspace.service.cleanup(session_id) == 0
    assert list(workspace.store.records) == [other]
    assert list(workspace.objects.files) == [f"inputs/{other}/song.mp3"]
    assert not workspace.leases.complete(session_id, "w", [], 1.0, "lite")


def test_cleanup_ignores_malformed_ids(workspace: Workspace) -> None:
    session_id = workspace.completed()
    files = dict(workspace.objects.files)
    for odd in ("", ".", "..", "../inputs", f"{session_id}/../{session_id}", "x" * 1000):
        assert workspace.service.cleanup(odd) == 0
    assert workspace.objects.files == files


# Owners


def test_signed_in_users_can_only_use_their_own_sessions(workspace: Workspace) -> None:
    session_id = workspace.uploaded(owner="user:issuer ann")
    stranger = "user:issuer bob"
    for ask in (
        workspace.service.status,
        workspace.service.cancel,
        workspace.service.cleanup,
        workspace.service.get,
    ):
        with pytest.raises(Forbidden, match="Sign in"):
            ask(session_id, stranger)
    with pytest.raises(Forbidden):
        workspace.service.start(session_id, owner=stranger)
    assert workspace.service.status_many([session_id], stranger) == {}
    assert isinstance(workspace.service.start_many([session_id], owner=stranger)[session_id], Forbidden)
    assert workspace.service.start(session_id, owner="user:issuer ann").state == State.PENDING
    with pytest.raises(Forbidden):  # signed-in users can't use a session without an owner
        workspace.service.status(workspace.uploaded(), "user:issuer ann")


@pytest.mark.parametrize("owner", [None, "browser:b"])
def test_without_sign_in_knowing_the_id_is_enough(workspace: Workspace, owner: str | None) -> None:
    session_id = workspace.uploaded(owner="browser:a")
    assert workspace.service.start(session_id, owner=owner).owner == "browser:a"
    assert list(workspace.service.status_many([session_id], owner)) == [session_id]
    assert workspace.service.cleanup(session_id, owner) == 2


def test_history_is_the_owners_unexpired_sessions_newest_first(workspace: Workspace) -> None:
    ids = []
    for _ in range(3):
        ids.append(workspace.completed(owner="browser:a"))
        workspace.now += DAY
    workspace.completed(owner="browser:b")
    assert [status.session.id for status in workspace.service.history("browser:a")] == ids[::-1]
    second = workspace.record(ids[1])
    assert [s.session.id for s in workspace.service.history("browser:a", 1, second.created_at)] == [ids[0]]
    assert workspace.service.history(None) == []
    workspace.now += 4.5 * DAY
    assert [status.session.id for status in workspace.service.history("browser:a")] == ids[:0:-1]


def test_concurrent_change_is_not_lost(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker saves progress twice while the user cancels. The progress is kept, and the session is cancelled."""
    session_id = workspace.working()
    save, progress = workspace.store.save, [0.25, 0.5]

    def save_after_worker(session: object) -> object:
        if progress:
            current = workspace.record(session_id)
            workspace.store.records[session_id] = replace(
                current, progress=progress.pop(0), version=current.version + 1
            )
        return save(session)  # type: ignore[arg-type]

    monkeypatch.setattr(workspace.store, "save", save_after_worker)
    cancelled = workspace.service.cancel(session_id)
    assert (cancelled.state, cancelled.progress) == (State.CANCELLED, 0.5)
