"""Separate songs on the page: upload, progress, playback, downloads, errors, deletion."""

from __future__ import annotations

from pathlib import Path

import av
from playwright.sync_api import expect
from tests.audio.sounds import KINDS, bursts, write
from tests.e2e.browser import audio_probe
from tests.e2e.browser.conftest import OpenVisit
from tests.e2e.browser.server import Server
from tests.e2e.browser.steps import card, drop, open_song, pick, wait_until_done, wait_until_separating


def test_plays_and_downloads_the_stems_of_a_dropped_song(
    server: Server, visit: OpenVisit, songs: dict[str, Path], cli_stems: Path
) -> None:
    user = visit(server.address)
    page = user.page
    page.get_by_label("With model").select_option("lite")
    drop(page, songs["short"])
    song = open_song(page, songs["short"])

    song.get_by_role("button", name="Play", exact=True).click()
    audio_probe.wait_until_heard(page)
    song.get_by_role("button", name="Mute Vocals").click()
    song.get_by_role("button", name="Mute Accompaniment").click()
    page.wait_for_timeout(500)
    assert audio_probe.loudness(page) < 1e-4

    for stem in ("vocals", "no_vocals"):
        with page.expect_download() as download:
            song.get_by_role("link", name=f"Download {stem}.wav").click()
        assert download.value.suggested_filename == f"A short song - {stem}.wav"
        assert download.value.path().read_bytes() == (cli_stems / f"{stem}.wav").read_bytes()

    assert user.errors == []  # would include violations of the Content-Security-Policy
    assert user.hosts == {f"127.0.0.1:{server.port}"}


def test_says_before_the_start_which_model_is_used_and_how_long_it_takes(
    server: Server, visit: OpenVisit, songs: dict[str, Path]
) -> None:
    page = visit(server.address).page
    form, menu = page.get_by_role("form", name="Separation options"), page.get_by_label("With model")
    choices = menu.locator("option").all_text_contents()
    assert [choice.split(" · ")[0] for choice in choices] == [
        *("Fast", "Balanced", "Best"),
        *("Voice out", "Four stems"),  # the other purposes need a download
        "lite",
    ]
    # All are lite, as the server downloads nothing. After a first song, four stems may have another time.
    times = {choice.split(" · ")[1] for choice in choices if not choice.startswith("Four stems")}
    assert len(times) == 1
    expect(form).to_contain_text("The next song uses lite")
    expect(form).to_contain_text(f"A song of 4 minutes takes about {times.pop()}")
    expect(page.locator("main")).to_contain_text("htdemucs and spleeter are not installed")
    menu.select_option("fast")
    page.get_by_label("Split into stems").select_option("drums")
    expect(form).to_contain_text("The next song uses lite")
    pick(page, songs["other"])
    expect(page.locator("summary", has_text="Next songs")).to_contain_text(
        "drums and the rest, with Fast (lite, "
    )
    wait_until_done(page, songs["other"])


def test_shows_progress_during_separation(server: Server, visit: OpenVisit, songs: dict[str, Path]) -> None:
    page = visit(server.address).page
    pick(page, songs["long"])
    wait_until_separating(page, songs["long"])
    bar = card(page, songs["long"]).get_by_role("progressbar")
    seen = int(bar.get_attribute("aria-valuenow") or 0)
    page.wait_for_function(
        "([bar, seen]) => !bar.isConnected || Number(bar.ariaValueNow) > seen",
        arg=[bar.element_handle(), seen],
    )
    wait_until_done(page, songs["long"])


def test_separates_two_songs_at_once(server: Server, visit: OpenVisit, songs: dict[str, Path]) -> None:
    page = visit(server.address).page
    page.get_by_label("Split into stems").select_option("all")
    pick(page, songs["short"], songs["other"])
    for song, length in ((songs["short"], "0:12"), (songs["other"], "0:20")):
        wait_until_done(page, song)
        expect(card(page, song)).to_contain_text("4 stems")
        expect(card(page, song)).to_contain_text(length)


def test_makes_a_video_with_the_accompaniment(
    server: Server, visit: OpenVisit, songs: dict[str, Path], tmp_path: Path
) -> None:
    kind = next(kind for kind in KINDS if kind.name == "mp4-aac")
    video = write(tmp_path / "A video.mp4", bursts(44100, 2, 88200), 44100, kind)
    page = visit(server.address).page
    page.get_by_role("checkbox", name="For videos").check()
    pick(page, video, songs["other"])
    with page.expect_download() as download:
        open_song(page, video).get_by_role("link", name="Video: accompaniment").click()
    with av.open(str(download.value.path())) as opened:
        assert [stream.type for stream in opened.streams] == ["video", "audio"]
    assert open_song(page, songs["other"]).get_by_role("link", name="mp4").count() == 0


def test_reports_a_damaged_file_and_removes_it(
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


def test_rejects_an_empty_file_before_the_upload(server: Server, visit: OpenVisit, tmp_path: Path) -> None:
    page = visit(server.address).page
    empty = tmp_path / "Empty.mp3"
    empty.touch()
    pick(page, empty)
    expect(page.get_by_role("alert")).to_contain_text("“Empty.mp3” is empty. Choose another file.")


def test_rejects_a_file_that_is_not_audio(server: Server, visit: OpenVisit, tmp_path: Path) -> None:
    page = visit(server.address).page
    document = tmp_path / "Document.pdf"
    document.write_bytes(b"%PDF-1.7\n" + b"0" * 2000)
    pick(page, document)
    expect(card(page, document).get_by_role("button", name="Remove Document")).to_be_visible()
    expect(card(page, document)).not_to_contain_text("went wrong")


def test_deletes_a_song_and_its_files(server: Server, visit: OpenVisit, songs: dict[str, Path]) -> None:
    before = server.songs_on_disk()
    page = visit(server.address).page
    pick(page, songs["other"])
    song = open_song(page, songs["other"])
    assert server.songs_on_disk() != before
    song.get_by_role("button", name="Delete now").click()
    page.get_by_role("button", name="Delete it").click()
    expect(song).to_have_count(0)
    assert server.songs_on_disk() == before
