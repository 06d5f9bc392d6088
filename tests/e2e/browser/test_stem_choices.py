"""A musician's choices on the page: a backing track without one instrument, and a part of the song."""

from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np
from playwright.sync_api import Route, expect
from tests.e2e.browser import audio_probe
from tests.e2e.browser.conftest import OpenVisit, separate
from tests.e2e.browser.server import Server
from tests.e2e.browser.steps import card, open_song, pick, wait_until_done
from tests.e2e.browser.test_accessibility import findings
from tests.separation.conftest import read

from unbraid import Separator


def test_makes_the_backing_track_of_a_part_of_the_song(
    server: Server, visit: OpenVisit, songs: dict[str, Path], tmp_path: Path
) -> None:
    user = visit(server.address)
    page, song = user.page, songs["short"]
    page.get_by_label("With model").select_option("lite")
    stems = page.get_by_label("Split into stems")
    expect(stems.locator("optgroup option")).to_have_text(
        ["the song without vocals", "the song without drums", "the song without bass"]
    )
    stems.select_option("no_bass")
    page.get_by_label("End of the part").fill("noon")
    expect(page.get_by_role("alert")).to_have_text(
        "This is not a time, and is not used: noon. Write 1:05 for 1 minute, 5 seconds."
    )
    page.get_by_label("Start of the part").fill("0:02")
    page.get_by_label("End of the part").fill("5.5")
    expect(page.get_by_role("alert")).to_have_count(0)
    assert findings(page) == []
    pick(page, song)
    wait_until_done(page, song)
    expect(card(page, song)).to_contain_text("from 0:02 to 0:05")
    open_song(page, song)
    assert page.locator(".lane:not(.click) .stem-name").all_text_contents() == ["Without bass"]
    (link,) = page.locator('a[href*="no_bass.wav"]').all()[:1]
    content = httpx.get(httpx.URL(server.address).join(link.get_attribute("href") or "")).content
    (tmp_path / "page.wav").write_bytes(content)
    expected = Separator("lite").separate_to_files(song, tmp_path, stems="no_bass", start=2, end=5.5)
    assert np.array_equal(read(tmp_path / "page.wav"), read(expected.files["no_bass"]))
    assert user.errors == []
    # The next visit has the stems, and no part, which fits one song.
    page.goto("about:blank")
    page.goto(server.address)
    expect(page.get_by_label("Split into stems")).to_have_value("no_bass")
    expect(page.get_by_label("Start of the part")).to_have_value("")


def made_by_another_model(route: Route) -> None:
    """Answer with a status that names another model for the song: the server of the tests has only one."""
    answer = route.fetch()
    route.fulfill(response=answer, body=answer.text().replace('"model":"lite"', '"model":"earlier"', 1))


def test_compares_another_model_on_the_looped_part(
    server: Server, visit: OpenVisit, songs: dict[str, Path], tmp_path: Path
) -> None:
    song = songs["short"]
    user = visit(f"{server.address}#/s/{separate(server, song)}")
    page = user.page
    page.route("**/batch/status", made_by_another_model)
    page.reload()
    open_song(page, song)
    start = page.get_by_role("button", name="Try another model on this part")
    expect(start).to_have_count(0)
    page.get_by_role("button", name="Snap to beats").click()
    page.get_by_role("button", name="Loop", exact=True).click()  # 8 seconds from the playhead
    start.click()
    page.get_by_role("dialog").get_by_role("button", name="lite ·").click()
    compared = page.get_by_role("region", name="With lite, from 0:00 to 0:08")
    lanes = compared.locator(".lane .stem-name")
    expect(lanes.nth(3)).to_be_visible()
    assert lanes.all_text_contents()[:4] == ["Vocals", "Drums", "Bass", "Other"]
    assert findings(page) == []
    # The song keeps its own stems, and only one of both models plays.
    play, other = (
        page.get_by_role("button", name="Play", exact=True),
        compared.get_by_role("button", name="lite"),
    )
    play.click()
    audio_probe.wait_until_played(page, 0.3)
    expect(other).to_have_text("Play with lite")
    other.click()
    expect(other).to_have_text("Pause with lite")
    expect(play).to_be_visible()
    audio_probe.wait_until_heard(page)
    play.click()
    expect(other).to_have_text("Play with lite")
    # Nor does it play together with another song.
    other.click()
    expect(other).to_have_text("Pause with lite")
    page.route("**/upload", lambda _: None)  # never answered
    pick(page, songs["other"])
    card(page, songs["other"]).get_by_role("button", name="Play", exact=True).click()
    expect(other).to_have_text("Play with lite")
    card(page, songs["other"]).get_by_role("button", name="Cancel").click()
    link = compared.get_by_role("link", name="Download mix.drums.wav").get_attribute("href")
    (tmp_path / "page.wav").write_bytes(httpx.get(httpx.URL(server.address).join(link or "")).content)
    expected = Separator("lite").separate_to_files(song, tmp_path, stems="all", start=0, end=8).files
    assert np.array_equal(read(tmp_path / "page.wav"), read(expected["drums"]))
    compared.get_by_role("button", name="Remove the comparison").click()
    expect(compared).to_have_count(0)
    expect(start).to_be_visible()
    assert user.errors == []
