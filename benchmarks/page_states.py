"""The states of the page, each reached as a user reaches it: what `page_pictures.py` takes pictures of."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.page_place import PASSWORD, Place
from playwright.sync_api import Browser, Locator, Page, expect
from tests.e2e.browser.conftest import separate
from tests.e2e.browser.steps import card, open_song, pick, wait_until_done

SLOW = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 300_000}
DRAG = """kind => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File(['x'], 'Song.wav', { type: 'audio/wav' }));
  window.dispatchEvent(new DragEvent(kind, { dataTransfer }));
}"""
TEACHING_MS = 600_000  # long, as the machine may be busy


class Album(Protocol):
    """Takes the pictures; see `page_pictures.py`."""

    options: dict[str, Any]

    def opened(self, browser: Browser, **options: Any) -> Any: ...

    def take(self, page: Page, state: str) -> None: ...


@dataclass(frozen=True)
class Visit:
    """A user on one device."""

    browser: Browser
    album: Album
    place: Place

    @contextmanager
    def page(self, address: str, ready: str = "per minute") -> Iterator[Page]:
        """Open the page as a new user who chooses `lite`, and wait for the text `ready`."""
        with self.album.opened(self.browser) as page:
            page.goto(address)
            expect(page.locator("main")).to_contain_text(ready)
            if ready == "per minute":
                page.get_by_label("With model").select_option("lite")
            yield page


def button(where: Page | Locator, name: str | re.Pattern[str]) -> Locator:
    return where.get_by_role("button", name=name, exact=True)


def beginning(visit: Visit) -> None:
    """The empty page, choices, uploads, and songs that can't be separated."""
    take, place = visit.album.take, visit.place
    empty = place.file("Nothing.wav", b"")
    broken = [
        place.file("Damaged.mp3", b"ID3\x04" + b"\0" * 20_000),
        place.file("Lyrics.txt", b"La la la.\n" * 500),
    ]
    with visit.page(place.open.address) as page:
        take(page, "empty")
        page.get_by_label("Start of the part").fill("soon")
        expect(page.get_by_role("alert")).to_be_visible()
        take(page, "wrong-time")
        page.get_by_label("Start of the part").fill("")
        page.evaluate(DRAG, "dragenter")
        take(page, "dragging")
        page.evaluate(DRAG, "dragleave")
        pick(page, empty)
        expect(page.get_by_role("alert")).to_contain_text("is empty")
        take(page, "empty-file")
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        network.send("Network.emulateNetworkConditions", SLOW)
        pick(page, place.song, place.short[1])
        expect(card(page, place.song)).to_contain_text("Uploading")
        page.wait_for_timeout(1500)
        take(page, "uploading")
        page.reload()
        expect(card(page, place.song)).to_contain_text("interrupted")
        take(page, "interrupted")
        for song in (place.song, place.short[1]):
            button(page, f"Remove {song.stem}").click()
        network.send("Network.emulateNetworkConditions", {**SLOW, "uploadThroughput": -1})
        pick(page, *broken)
        for song in broken:
            expect(button(page, f"Remove {song.stem}")).to_be_visible()
        page.get_by_text("Change").click()
        take(page, "failed")
        page.get_by_text("Change").click()
        page.route("**/upload", lambda route: route.fulfill(status=507))
        pick(page, place.short[0])
        expect(card(page, place.short[0])).to_contain_text("too little free space")
        take(page, "upload-failed")


def queue(visit: Visit) -> None:
    """A song that is heard while it is separated, songs that wait, and the list of all."""
    take, place, short = visit.album.take, visit.place, visit.place.short
    with visit.page(place.open.address) as page:
        pick(page, place.long, *short)
        song = card(page, place.long)
        expect(button(song, "Karaoke")).to_be_visible()
        take(page, "separating")
        place.open.kill()
        expect(page.locator(".banner")).to_be_visible()
        take(page, "unreachable")
        place.open.start()
        expect(page.locator(".banner")).to_have_count(0)
        button(page, f"Cancel {place.long.stem}").click()
        expect(song).to_contain_text("Cancelled")
        take(page, "cancelled")
        for one in short:
            wait_until_done(page, one)
        take(page, "library")
        page.get_by_label("Search songs").fill("harbour")
        take(page, "search")
        page.get_by_label("Search songs").fill("no such song")
        take(page, "nothing-found")


def playing(visit: Visit) -> None:
    """The player with its tools, the parts of a stem, and another model on a part of the song."""
    take, place = visit.album.take, visit.place
    session = separate(place.open, place.song)
    with visit.page(f"{place.open.address}#/s/{session}", "On the Run") as page:
        open_song(page, place.song)
        take(page, "player")
        button(page, "Original").click()
        button(page, "Play").click()
        expect(button(page, "Pause")).to_be_visible()
        take(page, "playing-the-original")
        button(page, "Pause").click()
        button(page, "Karaoke").click()
        button(page, "Loop").click()
        button(page, "Keep this loop").click()
        name = page.get_by_role("textbox", name="Name of this loop")
        name.fill("The second half of the chorus")
        name.press("Enter")
        button(page, "Tempo: less").click()
        button(page, "Key: more").click()
        button(page, "Mute Click").click()
        button(page, "Zoom in").click()
        take(page, "practising")
        button(page, "Zoom out").click()
        button(page, "Reset").click()
        button(page, "Split Accompaniment further").click()
        take(page, "split-menu")
        page.get_by_role("dialog").get_by_role("button", name=re.compile(r"\blite ·")).click()
        expect(page.get_by_role("progressbar", name="Splitting Accompaniment")).to_be_visible()
        take(page, "splitting")
        expect(page.locator(".lane.part")).to_have_count(4)
        take(page, "parts")
        button(page, "Remove the parts of Accompaniment").click()
        expect(page.locator(".lane.part")).to_have_count(0)
        button(page, "Try another model on this part").click()
        take(page, "comparison-menu")
        menu = page.get_by_role("dialog")
        if (other := menu.get_by_role("button", name=re.compile(r"\bspleeter · about [^·]*$"))).count():
            other.first.click()  # installed
            expect(button(page, re.compile("^Play with"))).to_be_visible()
            take(page, "comparison")
        else:
            page.keyboard.press("Escape")
        button(page, "Delete now").click()
        take(page, "delete")
        page.keyboard.press("Escape")
        button(page, "Keyboard shortcuts").click()
        take(page, "shortcuts")


def sharing(visit: Visit) -> None:
    """The menu of a song, and the page of its link."""
    take, place = visit.album.take, visit.place
    song = place.short[1]
    with visit.page(place.open.address) as page:
        pick(page, song)  # only its owner can share it
        open_song(page, song)
        button(page, f"More for {song.stem}").click()
        take(page, "menu")
        menu = page.get_by_role("dialog")
        menu.get_by_role("button", name="Share a link").click()
        link = menu.get_by_label("Link to share").input_value()
        menu.get_by_label("Keep this song").click()
        expect(menu.get_by_label("Keep this song")).to_be_checked()
        take(page, "menu-shared")
        menu.get_by_role("button", name="Separate again with").click()
        menu.evaluate("dialog => dialog.scrollTo(0, dialog.scrollHeight)")
        take(page, "menu-again")
        with visit.page(link, "shared with you") as guest:
            expect(button(guest, "Play")).to_be_visible()
            take(guest, "shared")
            menu.get_by_role("button", name="Stop sharing").click()
            expect(menu.get_by_role("button", name="Share a link")).to_be_visible()
            guest.reload()
            expect(guest.get_by_role("alert")).to_be_visible()
            take(guest, "shared-gone")
        page.goto(f"{place.open.address}#/s/{'x' * 32}")
        page.reload()
        expect(page.get_by_role("alert")).to_contain_text("no longer exists")
        take(page, "link-gone")


def video(visit: Visit) -> None:
    """A video with its stems, and a new video of it."""
    take, clip = visit.album.take, visit.place.video
    with visit.page(visit.place.open.address) as page:
        page.get_by_label("For videos, also make a video").check()
        take(page, "video-chosen")
        pick(page, clip)
        open_song(page, clip)
        expect(page.get_by_label("Picture of Clip")).to_be_visible()
        page.get_by_label("Format of the mix").select_option("Video")
        take(page, "video")


def teaching(visit: Visit) -> None:
    """All steps of "Teach it", with a tiny network. Needs PyTorch."""
    if importlib.util.find_spec("torch") is None:
        return
    from tests.e2e.browser.test_teaching import shorten, start_to_teach
    from tests.finetuning.synthetic import write_songs, write_tiny_model

    take, place = visit.album.take, visit.place
    if not (tiny := place.folder / "own" / "tiny").exists():
        write_tiny_model(tiny, ("low", "other"))
    width = visit.album.options["viewport"]["width"]
    songs = write_songs(place.folder / f"stems-{width}", ("low", "high"))
    whole = (songs / "song0" / "high.wav").read_bytes()
    (songs / "song0" / "high.wav").write_bytes(b"")
    with visit.page(place.open.address) as page:
        page.route("**/teaching/start", shorten)
        page.get_by_text("Teach it", exact=True).click()
        expect(button(page, "Choose a folder")).to_be_visible()
        take(page, "teach")
        page.get_by_label("Folder of songs").set_input_files(songs)
        check = page.get_by_role("region", name="Check of the songs")
        expect(check).to_contain_text("is empty")
        take(page, "teach-bad-songs")
        (songs / "song0" / "high.wav").write_bytes(whole)
        page.get_by_label("Folder of songs").set_input_files(songs)
        expect(check).to_contain_text("4 of 4 songs can be used")
        take(page, "teach-form")
        start_to_teach(page, f"my-band-{width}")
        run = page.get_by_role("region", name="Teaching my-band")
        expect(run).to_be_visible()
        take(page, "teach-begun")
        with visit.page(place.open.address) as other:
            other.get_by_text("Teach it", exact=True).click()
            expect(other.locator(".teach-panel")).to_contain_text("Another person")
            take(other, "teach-busy")
        expect(run.locator("svg circle").nth(1)).to_be_visible(timeout=TEACHING_MS)
        take(page, "teach-curve")
        result = page.get_by_role("region", name="Result of my-band")
        expect(result.locator("audio")).to_be_visible(timeout=TEACHING_MS)
        take(page, "teach-result")
        button(page, "Keep it").click()
        expect(page.get_by_text("is in the list of models now")).to_be_visible()
        take(page, "teach-kept")


def password(visit: Visit) -> None:
    """The form of a server with a password."""
    take = visit.album.take
    with visit.page(visit.place.password.address, "Password") as page:
        take(page, "password")
        page.get_by_label("Password").fill("something else")
        button(page, "Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("wrong")
        take(page, "password-wrong")
        page.get_by_label("Password").fill(PASSWORD)
        button(page, "Sign in").click()
        expect(page.locator("main")).to_contain_text("per minute")
        page.context.clear_cookies()
        pick(page, visit.place.short[0])
        expect(page.locator(".banner")).to_contain_text("signed out")
        take(page, "signed-out")


def sign_in(visit: Visit) -> None:
    """The page of a server with sign-in."""
    take, address = visit.album.take, visit.place.sign_in.address
    with visit.page(address, "Sign in") as page:
        take(page, "welcome")
        page.goto(f"{address}?state=old&code=old")
        expect(page.get_by_role("alert")).to_contain_text("took too long")
        take(page, "sign-in-failed")
        button(page, "Sign in").click()
        expect(page.locator("main")).to_contain_text("per minute")
        take(page, "signed-in")


def failures(visit: Visit) -> None:
    """Parts of the page that can't be loaded, and a start without a connection."""
    take, address = visit.album.take, visit.place.open.address
    with visit.page(address) as page:
        page.evaluate("() => navigator.serviceWorker.ready.then(() => undefined)")
        page.evaluate("() => window.dispatchEvent(new Event('vite:preloadError'))")
        expect(button(page, "Reload")).to_be_visible()
        take(page, "missing-part")
        page.context.set_offline(True)
        page.reload()
        expect(page.locator(".banner, [role=alert]").first).to_be_visible()
        take(page, "begun-offline")
    with visit.album.opened(visit.browser, service_workers="block") as page:
        page.route("**/assets/*.js", lambda route: route.abort())
        page.goto(address)
        expect(page.locator(".not-loaded")).to_be_visible()
        take(page, "not-loaded")


PARTS: Mapping[str, Callable[[Visit], None]] = {
    "beginning": beginning,
    "queue": queue,
    "playing": playing,
    "sharing": sharing,
    "video": video,
    "teaching": teaching,
    "password": password,
    "sign_in": sign_in,
    "failures": failures,
}
