"""Split a stem further on the page: menu, progress, sound of the parts, downloads, reload, removal."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, Route, expect
from tests.e2e.browser import audio_probe
from tests.e2e.browser.conftest import OpenVisit, separate
from tests.e2e.browser.server import Server
from tests.e2e.browser.steps import open_song
from tests.e2e.browser.test_accessibility import findings
from tests.e2e.browser.test_player import samples

LITE = re.compile(r"\blite ·")
PARTS = ["Vocals", "Drums", "Bass", "Other"]


@pytest.fixture
def song(server: Server, songs: dict[str, Path]) -> str:
    """Id of a song of its own, as its stems change."""
    return separate(server, songs["short"])


def split(page: Page, stem: str = "Accompaniment") -> None:
    """Choose the only model in the menu of a lane."""
    page.get_by_role("button", name=f"Split {stem} further").click()
    page.get_by_role("dialog").get_by_role("button", name=LITE).click()


def lane(page: Page, name: str) -> Locator:
    return page.get_by_role("group", name=name, exact=True)


def wait_for_parts(page: Page) -> None:
    expect(lane(page, "Accompaniment: Drums")).to_be_visible()


def test_parts_sound_instead_of_their_stem_until_they_are_removed(
    server: Server, visit: OpenVisit, song: str, songs: dict[str, Path], cli_stems: Path
) -> None:
    user = visit(f"{server.address}#/s/{song}")
    page = user.page
    open_song(page, songs["short"])
    page.get_by_role("button", name="Play", exact=True).click()
    audio_probe.wait_until_played(page, 0.5)
    expect(page.get_by_role("button", name="Split Vocals further")).to_have_count(0)  # no model for a voice
    split(page)
    wait_for_parts(page)
    names = page.locator(".lane:not(.click) .stem-name").all_text_contents()
    assert names == ["Vocals", "Accompaniment", *PARTS]
    if page.get_by_role("button", name="Play", exact=True).count():  # the song has ended meanwhile
        page.get_by_role("button", name="Play", exact=True).click()
    page.get_by_role("button", name="Loop", exact=True).click()
    audio_probe.wait_until_heard(page)
    for change, heard in (
        ("Mute Vocals", True),
        ("Mute Accompaniment", False),
        ("Mute Accompaniment", True),
        ("Solo Accompaniment: Drums", True),
        ("Mute Accompaniment: Drums", False),
        ("Solo Accompaniment: Drums", True),
        ("Mute Accompaniment: Drums", True),
    ):
        page.get_by_role("button", name=change, exact=True).click()
        page.wait_for_timeout(400)
        assert (audio_probe.loudness(page) > 1e-4) == heard, change

    # Each of the four parts is rounded to 16 bits.
    with page.expect_download() as download:
        page.get_by_role("button", name="This mix").click()
    mixed, whole = samples(download.value.path()), samples(cli_stems / "no_vocals.wav")
    assert np.abs(mixed.astype(int) - whole).max() <= 3

    page.reload()
    open_song(page, songs["short"])
    wait_for_parts(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="All as ZIP").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        files = [Path(name).name for name in archive.namelist()]
    parts = [f"no_vocals.{part}.wav" for part in ("drums", "bass", "other", "vocals")]
    assert files == ["vocals.wav", "no_vocals.wav", *parts]
    with page.expect_download() as download:
        page.get_by_role("link", name="Download no_vocals.drums.wav").click()
    assert download.value.suggested_filename == "A short song - no_vocals.drums.wav"

    page.get_by_role("button", name="Remove the parts of Accompaniment").click()
    expect(lane(page, "Accompaniment: Drums")).to_have_count(0)
    expect(page.get_by_role("button", name="Split Accompaniment further")).to_be_visible()
    assert user.errors == []


def with_unknown_licences(route: Route) -> None:
    response = route.fetch()
    answer = response.json()
    for model in answer["models"]:
        model["licence"] = "unknown"
    route.fulfill(response=response, json=answer)


def test_is_accessible_and_fits_a_narrow_phone(
    server: Server, visit: OpenVisit, song: str, songs: dict[str, Path]
) -> None:
    narrow = {"viewport": {"width": 320, "height": 640}, "reduced_motion": "reduce"}
    page = visit(f"{server.address}#/s/{song}", **narrow).page
    page.route("**/models", with_unknown_licences)  # which make the longest lines of the menu
    page.reload()
    open_song(page, songs["short"])
    page.get_by_role("button", name="Split Accompaniment further").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert findings(page) == []
    assert page.evaluate("() => document.querySelector('dialog[open]').scrollWidth") <= 320
    page.get_by_role("dialog").get_by_role("button", name=LITE).press("Enter")
    expect(page.get_by_role("progressbar", name="Splitting Accompaniment")).to_be_visible()
    expect(page.get_by_role("button", name="Stop splitting Accompaniment")).to_be_focused()
    assert findings(page) == []
    wait_for_parts(page)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert findings(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 320
    widths = page.evaluate(
        "() => [...document.querySelectorAll('.player .wave')].map((wave) => wave.clientWidth)"
    )
    assert len(widths) >= 6 and min(widths) > 200  # of the stems and their parts
