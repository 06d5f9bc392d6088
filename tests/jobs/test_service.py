"""What a user may do with a song."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.jobs.memory import Desk

from unbraid.errors import (
    Forbidden,
    SessionNotFound,
    SettingError,
    StorageFull,
    UnsupportedMedia,
)
from unbraid.jobs.session import State, new_id

DAY = 86400


# Upload


def test_an_upload_has_a_key_of_its_own_and_a_link_for_an_hour(desk: Desk) -> None:
    upload = desk.service.upload("My Song.MP3", "audio/mpeg", "browser:a")
    session = upload.session
    assert session.state == State.AWAITING_UPLOAD
    assert len(session.id) == 32
    assert session.input_key == f"inputs/{session.id}/song.mp3"
    assert upload.url == f"memory:{session.input_key}?put&type=audio/mpeg&for=3600&most={2 << 30}"
    assert (upload.expires_in, upload.max_bytes) == (3600, 2 << 30)
    assert (session.file_name, session.owner) == ("My Song.MP3", "browser:a")
    assert desk.record(session.id) == session


@pytest.mark.parametrize(
    ("name", "shown", "ending"),
    [
        ("../../etc/passwd", "passwd", ""),
        ("C:\\Music\\a.WAV", "a.WAV", ".wav"),
        ("Für Elise.flac", "Für Elise.flac", ".flac"),
        ("a.m p3", "a.m p3", ""),
        ("evil\r\nSet-Cookie: x.mp3", "evilSet-Cookie: x.mp3", ".mp3"),
        ("gpj\u202e.exe.ogg", "gpj.exe.ogg", ".ogg"),  # without what turns the direction of reading
        ("a.😀", "a.😀", ""),
        ("", "song", ""),
        ("/", "song", ""),
        ("x" * 300 + ".mp3", "x" * 251 + ".mp3", ".mp3"),
        ("a." + "b" * 50, "a." + "b" * 50, ""),
    ],
)
def test_nothing_of_a_name_reaches_a_path_but_a_plain_ending(
    desk: Desk, name: str, shown: str, ending: str
) -> None:
    session = desk.service.upload(name, "").session
    assert (session.file_name, session.input_key) == (shown, f"inputs/{session.id}/song{ending}")


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
def test_sound_film_and_unknown_types_are_taken(desk: Desk, file_type: str) -> None:
    assert desk.service.upload("a", file_type).session.file_type == file_type


@pytest.mark.parametrize("file_type", ["image/png", "text/html", "application/pdf", "application/zip", "x"])
def test_plainly_other_types_are_refused(desk: Desk, file_type: str) -> None:
    with pytest.raises(UnsupportedMedia, match="neither sound nor film"):
        desk.service.upload("a", file_type)
    assert desk.jobs.records == {}


@pytest.mark.parametrize("file_type", ["audio/\r\nX: y", "audio/" + "x" * 300])
def test_a_type_that_is_none_is_refused(desk: Desk, file_type: str) -> None:
    with pytest.raises(SettingError, match="media type"):
        desk.service.upload("a", file_type)


def test_an_upload_may_fill_the_disk_only_so_far(desk: Desk) -> None:
    keep = desk.service.limits.keep_free_bytes
    desk.objects.free = keep + 1000
    assert desk.service.upload("a", "").max_bytes == 1000
    desk.objects.free = keep
    with pytest.raises(StorageFull, match="no room"):
        desk.service.upload("a", "")


def test_a_batch_is_made_whole_or_not_at_all(desk: Desk) -> None:
    batch, uploads = desk.service.upload_many([("a.mp3", "audio/mpeg"), ("b.wav", "")], "browser:a")
    assert [upload.session.batch for upload in uploads] == [batch, batch]
    assert [upload.session.file_name for upload in uploads] == ["a.mp3", "b.wav"]
    before = len(desk.jobs.records)
    with pytest.raises(UnsupportedMedia, match=r"b\.pdf is neither"):
        desk.service.upload_many([("a.mp3", "audio/mpeg"), ("b.pdf", "application/pdf")])
    with pytest.raises(SettingError, match="media type"):
        desk.service.upload_many([("a.mp3", "audio/mpeg"), ("b.mp3", "audio/\nmpeg")])
    for count in (0, 101):
        with pytest.raises(SettingError, match="1 to 100 songs"):
            desk.service.upload_many([("a", "")] * count)
    assert len(desk.jobs.records) == before


# Status


def test_a_completed_song_has_links_for_an_hour_under_the_songs_name(desk: Desk) -> None:
    status = desk.service.status(desk.completed(name="My Song.mp3"))
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


@pytest.mark.parametrize("name", ["no ending", ".hidden"])
def test_a_name_without_ending_is_a_title(desk: Desk, name: str) -> None:
    assert desk.service.status(desk.completed(name=name)).zip_name == f"{name} - stems.zip"


def test_places_in_the_queue_count_from_one(desk: Desk) -> None:
    ids = []
    for _ in range(3):
        ids.append(desk.waiting())
        desk.now += 1
    assert [desk.service.status(one).queue_position for one in ids] == [1, 2, 3]
    desk.service.take("w")
    assert [desk.service.status(one).queue_position for one in ids] == [None, 1, 2]
    desk.now += 1
    many = desk.service.status_many(ids)
    assert [many[one].queue_position for one in ids] == [None, 1, 2]


def test_unknown_expired_and_malformed_ids_are_unknown(desk: Desk) -> None:
    expired = desk.completed()
    desk.now += 7 * DAY
    for session_id in (expired, new_id(), "", "x", "../" * 10, "x" * 1000, "a\x00b" * 8, "ä" * 32):
        with pytest.raises(SessionNotFound, match="Upload the song again"):
            desk.service.status(session_id)
        with pytest.raises(SessionNotFound):
            desk.service.start(session_id)
        with pytest.raises(SessionNotFound):
            desk.service.cancel(session_id)
        assert desk.service.status_many([session_id]) == {}


# Cancel and clean up


@pytest.mark.parametrize("made", ["brought", "waiting", "working"])
def test_whatever_has_not_ended_can_be_cancelled_any_number_of_times(desk: Desk, made: str) -> None:
    session_id = getattr(desk, made)()
    cancelled = desk.service.cancel(session_id)
    assert (cancelled.state, cancelled.finished_at) == (State.CANCELLED, desk.now)
    desk.now += 1
    assert desk.service.cancel(session_id) == cancelled
    assert not desk.service.alive(session_id, "w")
    assert desk.service.take("w") is None


def test_what_is_done_stays_done(desk: Desk) -> None:
    session_id = desk.completed()
    assert desk.service.cancel(session_id).state == State.COMPLETED


@pytest.mark.parametrize(
    ("made", "count"), [("brought", 2), ("waiting", 2), ("working", 2), ("completed", 8)]
)
def test_cleanup_leaves_nothing_whatever_the_state(desk: Desk, made: str, count: int) -> None:
    other = desk.brought()
    session_id = getattr(desk, made)()
    assert desk.service.cleanup(session_id) == count
    assert desk.service.cleanup(session_id) == 0
    assert list(desk.jobs.records) == [other]
    assert list(desk.objects.files) == [f"inputs/{other}/song.mp3"]
    assert not desk.service.complete(session_id, "w", [], 1.0, "lite")


def test_cleanup_touches_nothing_for_what_can_be_no_id(desk: Desk) -> None:
    session_id = desk.completed()
    files = dict(desk.objects.files)
    for odd in ("", ".", "..", "../inputs", f"{session_id}/../{session_id}", "x" * 1000):
        assert desk.service.cleanup(odd) == 0
    assert desk.objects.files == files


# Owners


def test_where_people_sign_in_a_session_is_its_owners_alone(desk: Desk) -> None:
    session_id = desk.brought(owner="user:issuer ann")
    stranger = "user:issuer bob"
    for ask in (desk.service.status, desk.service.cancel, desk.service.cleanup, desk.service.get):
        with pytest.raises(Forbidden, match="Sign in"):
            ask(session_id, stranger)
    with pytest.raises(Forbidden):
        desk.service.start(session_id, owner=stranger)
    assert desk.service.status_many([session_id], stranger) == {}
    assert isinstance(desk.service.start_many([session_id], owner=stranger)[session_id], Forbidden)
    assert desk.service.start(session_id, owner="user:issuer ann").state == State.PENDING
    with pytest.raises(Forbidden):  # nor does signing in bring what nobody owns
        desk.service.status(desk.brought(), "user:issuer ann")


@pytest.mark.parametrize("owner", [None, "browser:b"])
def test_elsewhere_whoever_knows_the_id_may_use_it(desk: Desk, owner: str | None) -> None:
    session_id = desk.brought(owner="browser:a")
    assert desk.service.start(session_id, owner=owner).owner == "browser:a"
    assert list(desk.service.status_many([session_id], owner)) == [session_id]
    assert desk.service.cleanup(session_id, owner) == 2


def test_a_history_lists_the_owners_newest_first_without_what_has_expired(desk: Desk) -> None:
    ids = []
    for _ in range(3):
        ids.append(desk.completed(owner="browser:a"))
        desk.now += DAY
    desk.completed(owner="browser:b")
    assert [status.session.id for status in desk.service.history("browser:a")] == ids[::-1]
    second = desk.record(ids[1])
    assert [s.session.id for s in desk.service.history("browser:a", 1, second.created_at)] == [ids[0]]
    assert desk.service.history(None) == []
    desk.now += 4.5 * DAY
    assert [status.session.id for status in desk.service.history("browser:a")] == ids[:0:-1]


def test_a_change_meanwhile_is_not_lost(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker reports progress in the very moment in which the user cancels: both happen, and it is cancelled."""
    session_id = desk.working()
    save, others = desk.jobs.save, [0.25, 0.5]

    def save_after_another(session: object) -> object:
        if others:
            current = desk.record(session_id)
            desk.jobs.records[session_id] = replace(
                current, progress=others.pop(0), version=current.version + 1
            )
        return save(session)  # type: ignore[arg-type]

    monkeypatch.setattr(desk.jobs, "save", save_after_another)
    cancelled = desk.service.cancel(session_id)
    assert (cancelled.state, cancelled.progress) == (State.CANCELLED, 0.5)
