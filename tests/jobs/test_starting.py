"""Starting a separation: once per song, and with a clear error if it is impossible."""

from __future__ import annotations

import pytest
from tests.jobs.memory import SONG, Workspace

from unbraid.audio.formats import FORMATS, output_format
from unbraid.errors import (
    Busy,
    SessionNotFound,
    SettingError,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
    UploadMissing,
)
from unbraid.jobs.service import DISPATCH_S, START_S
from unbraid.jobs.session import Choices, Session, State, new_id

DAY = 86400


def test_started_session_is_queued_and_dispatched(workspace: Workspace) -> None:
    session_id = workspace.uploaded()
    choices = Choices("htdemucs", "drums", "flac", notify="me@example.org")
    session = workspace.service.start(session_id, f"inputs/{session_id}/song.mp3", choices)
    assert (session.state, session.choices, session.size) == (State.PENDING, choices, len(SONG))
    assert session.queued_at == workspace.now
    assert workspace.outbox.dispatched == [session]


@pytest.mark.parametrize("again", [None, Choices()])
@pytest.mark.parametrize("made", ["waiting", "working", "completed"])
def test_starting_twice_is_one_job(workspace: Workspace, made: str, again: Choices | None) -> None:
    session_id = getattr(workspace, made)()
    before = workspace.record(session_id)
    assert workspace.service.start(session_id, choices=again) == before == workspace.record(session_id)
    assert len(workspace.outbox.dispatched) == 1


@pytest.mark.parametrize("made", ["waiting", "working", "completed"])
def test_rejects_other_options_for_an_active_or_completed_session(workspace: Workspace, made: str) -> None:
    session_id = getattr(workspace, made)()
    with pytest.raises(Busy, match="other options"):
        workspace.service.start(session_id, choices=Choices(stems="all"))
    assert workspace.record(session_id).choices == Choices()


def test_failed_or_cancelled_session_can_be_started_again(workspace: Workspace) -> None:
    session_id = workspace.working()
    workspace.leases.renew_lease(session_id, "w", 0.7, "separating", 100.0)
    workspace.leases.fail(session_id, "w", "No.")
    workspace.now += 10
    again = workspace.service.start(session_id, choices=Choices(format="mp3"))
    assert (again.state, again.progress, again.attempts, again.error_message) == (State.PENDING, 0.0, 0, None)
    assert again.error_fault is None
    assert (again.queued_at, again.finished_at, again.duration_s) == (workspace.now, None, 100.0)
    assert again.choices == Choices(format="mp3")
    workspace.service.cancel(session_id)
    assert workspace.service.start(session_id).choices == Choices(
        format="mp3"
    )  # the options of the last start


def test_rejects_missing_upload(workspace: Workspace) -> None:
    session_id = workspace.service.upload("a.mp3", "audio/mpeg").session.id
    with pytest.raises(UploadMissing, match="Upload it first"):
        workspace.service.start(session_id)
    assert workspace.state(session_id) == State.AWAITING_UPLOAD


def test_rejects_key_of_another_session(workspace: Workspace) -> None:
    mine, other = workspace.uploaded(), workspace.uploaded()
    with pytest.raises(SettingError, match="key"):
        workspace.service.start(mine, f"inputs/{other}/song.mp3")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"%PDF-1.7\n" + bytes(100), "not an audio or video file"),
        (b"PK\x03\x04" + bytes(100), "not an audio or video file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not an audio or video file"),
        (b"MZ" + bytes(100), "not an audio or video file"),
        (b"\x7fELF" + bytes(100), "not an audio or video file"),
        (b"<!DOCTYPE html><html>", "not an audio or video file"),
        (b'\xef\xbb\xbf<?xml version="1.0"?><svg>', "not an audio or video file"),
        (b"#!/bin/sh\n", "not an audio or video file"),
        (
            b"#EXTM3U\n#EXTINF:1,\nhttp://example.org/a.mp3\n",
            "not an audio or video file",
        ),  # a playlist: the song is on another server
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "not an audio or video file"),
    ],
)
def test_rejects_files_that_are_clearly_not_media(workspace: Workspace, data: bytes, reason: str) -> None:
    session_id = workspace.uploaded(data=data)
    with pytest.raises(UnsupportedMedia, match=reason):
        workspace.service.start(session_id)
    assert workspace.state(session_id) == State.AWAITING_UPLOAD


@pytest.mark.parametrize(
    "data",
    [
        b"RIFF\x00\x00\x00\x00WAVEfmt ",
        b"fLaC\x00",
        b"OggS\x00",
        b"\x00\x00\x00\x20ftypM4A ",
        b"\x1aE\xdf\xa3",  # Matroska
        b"#!AMR\n",
        b"wvpk",  # WavPack, which `filetype` doesn't know
        b"anything",
    ],
)
def test_accepts_audio_video_and_unknown_content(workspace: Workspace, data: bytes) -> None:
    session_id = workspace.uploaded(data=data + bytes(1000))
    assert workspace.service.start(session_id).state == State.PENDING


def test_rejects_file_larger_than_limit() -> None:
    workspace = Workspace(max_bytes=100)
    with pytest.raises(TooLarge, match=r"has 103 bytes\. The limit is 100 bytes"):
        workspace.service.start(workspace.uploaded())


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (Choices(model="nonesuch"), "no model 'nonesuch'. Choose one of auto, fast, best, vocals"),
        (Choices(model="/etc"), "no model"),
        (
            Choices(stems="piano"),
            "no stem 'piano' in auto. Choose all, drums, bass, other, vocals, no_vocals",
        ),
        (Choices(format="aiff"), "no format 'aiff'. Choose one of wav, flac, mp3, m4a, opus"),
        (Choices(notify="anna"), "e-mail"),
        (Choices(notify="a@b.c\r\nBcc: d@e.f"), "e-mail"),
        (Choices(notify="a" * 300 + "@b.c"), "e-mail"),
    ],
)
def test_rejects_unavailable_options_before_the_song_is_queued(
    workspace: Workspace, choices: Choices, message: str
) -> None:
    session_id = workspace.uploaded()
    with pytest.raises(SettingError) as caught:
        workspace.service.start(session_id, choices=choices)
    assert message in caught.value.message
    assert workspace.state(session_id) == State.AWAITING_UPLOAD


def test_accepts_every_stem_of_the_model(workspace: Workspace) -> None:
    choices = Choices("htdemucs_6s", "piano")
    assert workspace.service.start(workspace.uploaded(), choices=choices).choices == choices


@pytest.mark.parametrize("choice", ["auto", "fast"])
def test_auto_and_fast_offer_four_stems(workspace: Workspace, choice: str) -> None:
    for stems in ("all", "vocals", "drums"):
        choices = Choices(choice, stems)
        assert workspace.service.start(workspace.uploaded(), choices=choices).choices == choices
    with pytest.raises(SettingError, match="There is no stem 'piano' in fast"):
        workspace.service.start(workspace.uploaded(), choices=Choices("fast", "piano"))


def test_models_own_name_replaces_an_alias() -> None:
    workspace = Workspace(models=("lite", "spleeter:4stems"))
    session = workspace.service.start(workspace.uploaded(), choices=Choices("spleeter:4stems", "drums"))
    assert session.choices == Choices("spleeter_4stems", "drums")
    with pytest.raises(SettingError, match="Choose one of lite, spleeter_4stems"):
        workspace.service.start(workspace.uploaded(), choices=Choices("spleeter:2stems"))


def test_allowed_formats_are_the_writable_formats() -> None:
    assert [output_format(name, "16").name for name in FORMATS] == list(FORMATS)


@pytest.mark.parametrize("model", ["lite", "htdemucs", "auto", "fast", "four_stems", "spleeter_4stems"])
@pytest.mark.parametrize("stems", ["vocals", "all"])
def test_a_stem_file_has_all_stems(model: str, stems: str) -> None:
    workspace = Workspace()
    session = workspace.service.start(workspace.uploaded(), choices=Choices(model, stems, "stem"))
    assert (session.choices.stems, session.choices.format) == ("all", "stem")


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            Choices("htdemucs_6s", "all", "stem"),
            "needs a model of drums, bass, other, vocals; htdemucs_6s has",
        ),
        (Choices("spleeter", "all", "stem"), "needs a model of"),
        (Choices("karaoke", "all", "stem"), "needs a model of"),
        (Choices("lite", "drums", "stem"), "has all stems"),
        (Choices("lite", "all", "stem", video=True), "no pictures"),
    ],
)
def test_refuses_what_a_stem_file_cannot_have(choices: Choices, message: str) -> None:
    workspace = Workspace()
    with pytest.raises(SettingError, match=message):
        workspace.service.start(workspace.uploaded(), choices=choices)


def test_first_allowed_model_replaces_auto_if_auto_is_not_allowed() -> None:
    workspace = Workspace(models=("htdemucs", "lite"))
    session_id = workspace.uploaded()
    assert workspace.service.start(session_id).choices.model == "lite"
    assert workspace.service.start(session_id, choices=Choices()).state == State.PENDING
    with pytest.raises(SettingError, match="Choose one of lite, htdemucs"):
        workspace.service.start(workspace.uploaded(), choices=Choices("hdemucs_mmi"))


def test_limits_active_sessions_per_owner() -> None:
    workspace = Workspace(per_owner_active=2)
    first = workspace.waiting(owner="browser:a")
    workspace.working(owner="browser:a")
    third = workspace.uploaded(owner="browser:a")
    with pytest.raises(Busy, match="2 of your songs"):
        workspace.service.start(third)
    workspace.waiting(owner="browser:b")
    workspace.service.cancel(first)
    assert workspace.service.start(third).state == State.PENDING


def test_batch_starts_each_session_or_returns_its_error(workspace: Workspace) -> None:
    here, absent, unknown = workspace.uploaded(), workspace.service.upload("a", "").session.id, new_id()
    results = workspace.service.start_many([here, absent, unknown], Choices(format="flac"))
    assert list(results) == [here, absent, unknown]
    assert results[here] == workspace.record(here)
    assert isinstance(results[absent], UploadMissing)
    assert isinstance(results[unknown], SessionNotFound)


@pytest.mark.parametrize("error", [ConnectionError("away"), Unavailable("No machine yet.")])
def test_session_waits_if_dispatch_fails_and_the_sweeper_dispatches_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def unavailable(session: object) -> None:
        raise error

    session_id = workspace.uploaded()
    monkeypatch.setattr(workspace.outbox, "dispatch", unavailable)
    session = workspace.service.start(session_id)
    assert (session.state, session.undispatched, session.attempts) == (State.PENDING, True, 0)
    assert workspace.sweeper.remind(1800) == (0, [error])
    assert workspace.state(session_id) == State.PENDING
    monkeypatch.undo()
    assert workspace.sweeper.remind(1800) == (1, [])  # without waiting for half an hour
    assert workspace.outbox.dispatched == [workspace.record(session_id)]
    assert workspace.sweeper.remind(1800) == (0, [])


def test_large_batch_is_answered_in_time_and_every_song_is_separated(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [workspace.uploaded() for _ in range(100)]
    save = workspace.store.save

    def slow_save(session: Session) -> Session:
        workspace.now += 0.25
        return save(session)

    monkeypatch.setattr(workspace.store, "save", slow_save)
    begun = workspace.now
    results = workspace.service.start_many(ids)
    assert workspace.now - begun <= START_S < 29  # Lambda ends the function then
    started = [session for session in results.values() if isinstance(session, Session)]
    refused = [error for error in results.values() if isinstance(error, Unavailable)]
    assert (len(started), len(refused), len(results)) == (80, 20, 100)
    assert {session.state for session in started} == {State.PENDING}
    assert len(workspace.outbox.dispatched) == DISPATCH_S / 0.25
    assert workspace.sweeper.remind(1800) == (40, [])
    assert {session.id for session in workspace.outbox.dispatched} == {session.id for session in started}
    assert all("Send it again" in error.message for error in refused)


def test_a_list_without_any_known_model_is_an_error_in_words() -> None:
    workspace = Workspace(models=("litte",))
    session_id = workspace.uploaded()
    with pytest.raises(
        SettingError, match="UNBRAID_MODELS lists litte, which is no model that can be used here"
    ):
        workspace.service.start(session_id)
