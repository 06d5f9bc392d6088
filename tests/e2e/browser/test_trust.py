"""What the page says about songs that end, where the focus goes, and how the system and a DAW take part."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.e2e.browser import audio_probe
from tests.e2e.browser.conftest import OpenVisit
from tests.e2e.browser.server import Server
from tests.e2e.browser.steps import card, open_song, pick

# Records what the page gives to the browser; both still work as before.
RECORD = """
window.shown = [];
const show = ServiceWorkerRegistration.prototype.showNotification;
ServiceWorkerRegistration.prototype.showNotification = function (title, options) {
  window.shown.push(options.body);
  return show.call(this, title, options);
};
window.mediaKeys = {};
const set = MediaSession.prototype.setActionHandler;
MediaSession.prototype.setActionHandler = function (action, handler) {
  window.mediaKeys[action] = handler;
  return set.call(this, action, handler);
};
"""


def focused(page: Page) -> str:
    """Name of the focused element, after the page has moved the focus."""
    page.wait_for_timeout(200)
    name: str = page.evaluate(
        "() => document.activeElement.ariaLabel ?? (document.activeElement === document.body ? '' "
        ": document.activeElement.textContent)"
    )
    return name


def test_focus_stays_in_the_page_and_ends_are_announced(
    server: Server, visit: OpenVisit, songs: dict[str, Path], tmp_path: Path
) -> None:
    page = visit(server.address).page
    broken = [tmp_path / f"Broken {name}.mp3" for name in ("one", "two")]
    for path in broken:
        path.write_bytes(songs["broken"].read_bytes())
    status = page.get_by_role("status").filter(has_text="“")
    pick(page, *broken)
    for path in broken:
        expect(card(page, path)).to_contain_text("damaged")
    expect(status).to_contain_text("” failed.")
    one, two = (card(page, path).get_by_role("button", name=re.compile("^Remove")) for path in broken)

    # The last song's button goes: the song before it has the focus. The only song's: the button for adding songs.
    two.focus()
    page.keyboard.press("Enter")
    expect(card(page, broken[1])).to_have_count(0)
    expect(status).to_have_text("“Broken two” was removed.")
    assert "Broken one" in focused(page)
    one.focus()
    page.keyboard.press("Enter")
    expect(card(page, broken[0])).to_have_count(0)
    assert focused(page) == "Choose songs"

    # "Cancel" goes when a song is done, and its title takes over.
    pick(page, songs["short"])
    cancel = card(page, songs["short"]).get_by_role("button", name=re.compile("^Cancel"))
    cancel.focus()
    expect(status).to_have_text("“A short song” is ready.")
    assert focused(page) == "A short song"

    # Dialogs hand the focus back, also when the button that opened them goes.
    song = open_song(page, songs["short"])
    song.get_by_role("button", name="Delete now").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    assert focused(page) == " Delete now"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(card(page, songs["short"])).to_have_count(0)
    assert focused(page) == "Choose songs"
    assert len(page.locator("[role=status]").filter(has_text="“").all()) == 1


def test_media_keys_and_the_lock_screen_control_the_song(
    server: Server, visit: OpenVisit, songs: dict[str, Path], separated: str
) -> None:
    page = visit(server.address).page
    page.add_init_script(RECORD)
    page.goto(f"{server.address}#/s/{separated}")
    page.reload()
    song = open_song(page, songs["short"])

    def press(action: str, details: str = "{}") -> None:
        page.evaluate(f"() => window.mediaKeys['{action}']({details})")

    assert page.evaluate("() => navigator.mediaSession.metadata.title") == "A short song"
    song.get_by_role("button", name="Play", exact=True).click()
    audio_probe.wait_until_played(page, 0.3)
    assert page.evaluate("() => navigator.mediaSession.playbackState") == "playing"
    press("pause")
    expect(song.get_by_role("button", name="Play", exact=True)).to_be_visible()
    assert page.evaluate("() => navigator.mediaSession.playbackState") == "paused"
    press("seekto", "{ seekTime: 2 }")
    press("seekforward", "{ seekOffset: 3 }")
    playhead = song.get_by_role("slider", name="Playhead")
    page.wait_for_timeout(400)
    assert float(playhead.get_attribute("aria-valuenow") or 0) == pytest.approx(5, abs=0.05)
    press("play")
    expect(song.get_by_role("button", name="Pause")).to_be_visible()
    # A song that was just dropped has the keys when it plays, and gives them back.
    page.route("**/upload", lambda _: None)  # never answered
    pick(page, songs["other"])
    dropped = card(page, songs["other"])
    dropped.get_by_role("button", name="Play", exact=True).click()
    expect(song.get_by_role("button", name="Play", exact=True)).to_be_visible()
    page.wait_for_function("() => navigator.mediaSession.metadata.title === 'Another song'")
    press("pause")
    expect(dropped.get_by_role("button", name="Play", exact=True)).to_be_visible()
    dropped.get_by_role("button", name="Cancel").click()
    page.wait_for_function("() => navigator.mediaSession.metadata.title === 'A short song'")
    song.get_by_role("button", name="A short song", exact=True).click()
    assert page.evaluate("() => navigator.mediaSession.metadata") is None


def test_a_stem_is_dragged_out_as_a_file(
    server: Server, visit: OpenVisit, songs: dict[str, Path], separated: str
) -> None:
    page = visit(f"{server.address}#/s/{separated}").page
    song = open_song(page, songs["short"])
    dragged: str = song.get_by_role("link", name="Download vocals.wav").evaluate(
        """(link) => {
          const dataTransfer = new DataTransfer();
          link.dispatchEvent(new DragEvent('dragstart', { dataTransfer, bubbles: true }));
          return dataTransfer.getData('DownloadURL');
        }"""
    )
    kind, name, url = dragged.split(":", 2)
    assert (kind, name) == ("audio/wav", "A short song - vocals.wav")
    assert httpx.get(url).content[:4] == b"RIFF"
