"""Having a song separated: once, and refused in words where it can't be."""

from __future__ import annotations

import pytest
from tests.jobs.memory import SONG, Desk

from unbraid.audio.formats import FORMATS, output_format
from unbraid.errors import (
    Busy,
    SessionNotFound,
    SettingError,
    TooLarge,
    UnsupportedMedia,
    UploadMissing,
)
from unbraid.jobs.session import Choices, State, new_id

DAY = 86400


def test_a_started_song_waits_and_workers_are_told(desk: Desk) -> None:
    session_id = desk.brought()
    choices = Choices("htdemucs", "drums", "flac", notify="me@example.org")
    session = desk.service.start(session_id, f"inputs/{session_id}/song.mp3", choices)
    assert (session.state, session.choices, session.size) == (State.PENDING, choices, len(SONG))
    assert session.queued_at == desk.now
    assert desk.told.dispatched == [session]


@pytest.mark.parametrize("again", [None, Choices()])
@pytest.mark.parametrize("made", ["waiting", "working", "completed"])
def test_asking_twice_is_one_job(desk: Desk, made: str, again: Choices | None) -> None:
    session_id = getattr(desk, made)()
    before = desk.record(session_id)
    assert desk.service.start(session_id, choices=again) == before == desk.record(session_id)
    assert len(desk.told.dispatched) == 1


@pytest.mark.parametrize("made", ["waiting", "working", "completed"])
def test_asking_for_something_else_meanwhile_is_refused(desk: Desk, made: str) -> None:
    session_id = getattr(desk, made)()
    with pytest.raises(Busy, match="other choices"):
        desk.service.start(session_id, choices=Choices(stems="all"))
    assert desk.record(session_id).choices == Choices()


def test_what_failed_or_was_cancelled_may_be_started_again(desk: Desk) -> None:
    session_id = desk.working()
    desk.service.alive(session_id, "w", 0.7, "separating", 100.0)
    desk.service.fail(session_id, "w", "No.")
    desk.now += 10
    again = desk.service.start(session_id, choices=Choices(format="mp3"))
    assert (again.state, again.progress, again.attempts, again.error_message) == (State.PENDING, 0.0, 0, None)
    assert (again.queued_at, again.finished_at, again.duration_s) == (desk.now, None, 100.0)
    assert again.choices == Choices(format="mp3")
    desk.service.cancel(session_id)
    assert desk.service.start(session_id).choices == Choices(format="mp3")  # as it was


def test_a_song_that_is_not_here_can_not_be_started(desk: Desk) -> None:
    session_id = desk.service.upload("a.mp3", "audio/mpeg").session.id
    with pytest.raises(UploadMissing, match="Upload it first"):
        desk.service.start(session_id)
    assert desk.state(session_id) == State.AWAITING_UPLOAD


def test_another_sessions_key_is_refused(desk: Desk) -> None:
    mine, other = desk.brought(), desk.brought()
    with pytest.raises(SettingError, match="key"):
        desk.service.start(mine, f"inputs/{other}/song.mp3")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"%PDF-1.7\n" + bytes(100), "neither"),
        (b"PK\x03\x04" + bytes(100), "neither"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "neither"),
        (b"MZ" + bytes(100), "neither"),
        (b"\x7fELF" + bytes(100), "neither"),
        (b"<!DOCTYPE html><html>", "neither"),
        (b'\xef\xbb\xbf<?xml version="1.0"?><svg>', "neither"),
        (b"#!/bin/sh\n", "neither"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://example.org/a.mp3\n", "neither"),  # the song is elsewhere
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "neither"),
    ],
)
def test_what_plainly_is_no_sound_is_refused(desk: Desk, data: bytes, reason: str) -> None:
    session_id = desk.brought(data=data)
    with pytest.raises(UnsupportedMedia, match=reason):
        desk.service.start(session_id)
    assert desk.state(session_id) == State.AWAITING_UPLOAD


@pytest.mark.parametrize(
    "data",
    [
        b"RIFF\x00\x00\x00\x00WAVEfmt ",
        b"fLaC\x00",
        b"OggS\x00",
        b"\x00\x00\x00\x20ftypM4A ",
        b"\x1aE\xdf\xa3",  # Matroska
        b"#!AMR\n",
        b"wvpk",  # WavPack, which no list has
        b"anything",
    ],
)
def test_sound_film_and_the_unknown_are_taken(desk: Desk, data: bytes) -> None:
    session_id = desk.brought(data=data + bytes(1000))
    assert desk.service.start(session_id).state == State.PENDING


def test_a_file_beyond_the_limit_is_refused() -> None:
    desk = Desk(max_bytes=100)
    with pytest.raises(TooLarge, match="103 bytes, and at most 100"):
        desk.service.start(desk.brought())


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        (Choices(model="nonesuch"), "no model 'nonesuch'. Choose one of auto, lite, htdemucs"),
        (Choices(model="/etc"), "no model"),
        (Choices(stems="piano"), "no stem 'piano'. Choose one of all, drums, bass, other, vocals"),
        (Choices(format="aiff"), "no format 'aiff'. Choose one of wav, flac, mp3, m4a, opus"),
        (Choices(notify="nobody"), "e-mail"),
        (Choices(notify="a@b.c\r\nBcc: d@e.f"), "e-mail"),
        (Choices(notify="a" * 300 + "@b.c"), "e-mail"),
    ],
)
def test_what_can_not_be_had_is_refused_at_once(desk: Desk, choices: Choices, told: str) -> None:
    session_id = desk.brought()
    with pytest.raises(SettingError) as caught:
        desk.service.start(session_id, choices=choices)
    assert told in caught.value.message
    assert desk.state(session_id) == State.AWAITING_UPLOAD


def test_each_stem_of_a_model_may_be_asked_for(desk: Desk) -> None:
    choices = Choices("htdemucs_6s", "piano")
    assert desk.service.start(desk.brought(), choices=choices).choices == choices


def test_formats_are_those_that_can_be_written() -> None:
    assert [output_format(name, "16").name for name in FORMATS] == list(FORMATS)


def test_where_auto_is_not_allowed_the_first_that_is_stands_for_it() -> None:
    desk = Desk(models=("htdemucs", "lite"))
    session_id = desk.brought()
    assert desk.service.start(session_id).choices.model == "lite"
    assert desk.service.start(session_id, choices=Choices()).state == State.PENDING
    with pytest.raises(SettingError, match="Choose one of lite, htdemucs"):
        desk.service.start(desk.brought(), choices=Choices("hdemucs_mmi"))


def test_an_owner_has_so_many_songs_at_once_and_others_have_theirs() -> None:
    desk = Desk(per_owner_active=2)
    first = desk.waiting(owner="browser:a")
    desk.working(owner="browser:a")
    third = desk.brought(owner="browser:a")
    with pytest.raises(Busy, match="2 of your songs"):
        desk.service.start(third)
    desk.waiting(owner="browser:b")
    desk.service.cancel(first)
    assert desk.service.start(third).state == State.PENDING


def test_each_of_a_batch_starts_or_says_why_not(desk: Desk) -> None:
    here, absent, unknown = desk.brought(), desk.service.upload("a", "").session.id, new_id()
    results = desk.service.start_many([here, absent, unknown], Choices(format="flac"))
    assert list(results) == [here, absent, unknown]
    assert results[here] == desk.record(here)
    assert isinstance(results[absent], UploadMissing)
    assert isinstance(results[unknown], SessionNotFound)


def test_a_song_that_nobody_can_be_told_of_fails_rather_than_waits_for_ever(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(session: object) -> None:
        raise ConnectionError("the queue is away")

    session_id = desk.brought()
    monkeypatch.setattr(desk.told, "dispatch", away)
    with pytest.raises(ConnectionError):
        desk.service.start(session_id)
    assert desk.record(session_id).error_message == "It could not be queued. Try again."
    monkeypatch.undo()
    assert desk.service.start(session_id).state == State.PENDING
