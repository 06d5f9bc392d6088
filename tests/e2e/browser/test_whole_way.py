"""A song is dropped on the page and comes back in parts."""

from __future__ import annotations

from pathlib import Path

import av
from playwright.sync_api import expect
from tests.audio.sounds import KINDS, bursts, write
from tests.e2e.browser import sound
from tests.e2e.browser.conftest import OpenVisit
from tests.e2e.browser.serving import Server
from tests.e2e.browser.steps import card, drop, open_song, pick, wait_until_done, wait_until_under_way


def test_a_dropped_song_becomes_stems_to_hear_and_to_keep(
    server: Server, visit: OpenVisit, songs: dict[str, Path], by_command_line: Path
) -> None:
    someone = visit(server.address)
    page = someone.page
    page.get_by_label("With model").select_option("lite")
    drop(page, songs["short"])
    song = open_song(page, songs["short"])

    song.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function("() => window.ears.context?.currentTime > 1")
    assert sound.loudness(page) > 0.01
    song.get_by_role("button", name="Mute Vocals").click()
    song.get_by_role("button", name="Mute Accompaniment").click()
    page.wait_for_timeout(500)
    assert sound.loudness(page) < 1e-4

    for stem in ("vocals", "no_vocals"):
        with page.expect_download() as download:
            song.get_by_role("link", name=f"Download {stem}.wav").click()
        assert download.value.suggested_filename == f"A short song - {stem}.wav"
        assert download.value.path().read_bytes() == (by_command_line / f"{stem}.wav").read_bytes()

    assert someone.complaints == []  # a breach of the Content-Security-Policy would be one
    assert someone.hosts == {f"127.0.0.1:{server.port}"}


def test_progress_moves_while_a_song_is_taken_apart(
    server: Server, visit: OpenVisit, songs: dict[str, Path]
) -> None:
    page = visit(server.address).page
    pick(page, songs["long"])
    wait_until_under_way(page, songs["long"])
    bar = card(page, songs["long"]).get_by_role("progressbar")
    seen = int(bar.get_attribute("aria-valuenow") or 0)
    page.wait_for_function(
        "([bar, seen]) => !bar.isConnected || Number(bar.ariaValueNow) > seen",
        arg=[bar.element_handle(), seen],
    )
    wait_until_done(page, songs["long"])


def test_two_songs_at_once_both_get_done(server: Server, visit: OpenVisit, songs: dict[str, Path]) -> None:
    page = visit(server.address).page
    page.get_by_label("Take out stems").select_option("all")
    pick(page, songs["short"], songs["other"])
    for song, length in ((songs["short"], "0:12"), (songs["other"], "0:20")):
        wait_until_done(page, song)
        expect(card(page, song)).to_contain_text("4 stems")
        expect(card(page, song)).to_contain_text(length)


def test_a_film_comes_back_with_the_accompaniment_as_its_sound(
    server: Server, visit: OpenVisit, songs: dict[str, Path], tmp_path: Path
) -> None:
    kind = next(kind for kind in KINDS if kind.name == "mp4-aac")
    film = write(tmp_path / "A film.mp4", bursts(44100, 2, 88200), 44100, kind)
    page = visit(server.address).page
    page.get_by_role("checkbox", name="From videos").check()
    pick(page, film, songs["other"])
    with page.expect_download() as download:
        open_song(page, film).get_by_role("link", name="no_vocals.mp4").click()
    with av.open(str(download.value.path())) as opened:
        assert [stream.type for stream in opened.streams] == ["video", "audio"]
    assert open_song(page, songs["other"]).get_by_role("link", name="mp4").count() == 0


def test_a_broken_file_is_told_in_plain_words_and_can_be_removed(
    server: Server, visit: OpenVisit, songs: dict[str, Path]
) -> None:
    page = visit(server.address).page
    pick(page, songs["broken"])
    broken = card(page, songs["broken"])
    expect(broken).to_contain_text("damaged or not an audio file")
    broken.get_by_role("button", name="Remove Broken").click()
    expect(broken).to_have_count(0)
    page.reload()
    expect(page.get_by_role("heading", name="Take a song apart.")).to_be_visible()
    expect(broken).to_have_count(0)


def test_an_empty_file_is_refused_before_it_is_sent(server: Server, visit: OpenVisit, tmp_path: Path) -> None:
    page = visit(server.address).page
    empty = tmp_path / "Nothing.mp3"
    empty.touch()
    pick(page, empty)
    expect(page.get_by_role("alert")).to_contain_text("nothing in it")


def test_what_is_no_sound_is_refused_in_plain_words(server: Server, visit: OpenVisit, tmp_path: Path) -> None:
    page = visit(server.address).page
    paper = tmp_path / "Paper.pdf"
    paper.write_bytes(b"%PDF-1.7\n" + b"0" * 2000)
    pick(page, paper)
    expect(card(page, paper).get_by_role("button", name="Remove Paper")).to_be_visible()
    expect(card(page, paper)).not_to_contain_text("went wrong")


def test_deleting_a_song_leaves_nothing_on_the_server(
    server: Server, visit: OpenVisit, songs: dict[str, Path]
) -> None:
    before = server.songs_on_disk()
    page = visit(server.address).page
    pick(page, songs["other"])
    song = open_song(page, songs["other"])
    assert server.songs_on_disk() != before
    song.get_by_role("button", name="Delete now").click()
    page.get_by_role("button", name="Delete it").click()
    expect(song).to_have_count(0)
    assert server.songs_on_disk() == before
