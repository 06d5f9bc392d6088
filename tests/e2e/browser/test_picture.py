"""The picture of a video: shown in step with the stems, and saved with a mix as its sound."""

from __future__ import annotations

from pathlib import Path

import av
import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.e2e.browser import audio_probe
from tests.e2e.browser.conftest import OpenVisit
from tests.e2e.browser.server import Server
from tests.e2e.browser.sounds import write_clip
from tests.e2e.browser.steps import open_song, pick, wait_until_done
from tests.e2e.browser.test_accessibility import findings
from tests.e2e.browser.test_library import picture

SECONDS = 24
# A shown frame lasts 40 ms, the page corrects every 100 ms, and a picture that is less than 40 ms off is left alone.
STEP_S = 0.15


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A video whose pictures become brighter with time, with noise as its sound."""
    return write_clip(tmp_path / "Clip.webm", SECONDS)


def off_s(page: Page) -> float:
    """Seconds between the picture and the playhead of the stems."""
    times: list[float] = page.evaluate(
        """() => {
          const line = document.querySelector('.lanes .playhead')
          const share = parseFloat(line.style.getPropertyValue('--playhead'))
          return [document.querySelector('video').currentTime, share]
        }"""
    )
    return abs(times[0] - times[1] * SECONDS)


def assert_in_step(page: Page, samples: int = 5) -> None:
    """The median of several moments: a busy machine may delay one of them."""
    found = []
    for _ in range(samples):
        page.wait_for_timeout(150)
        found.append(off_s(page))
    assert sorted(found)[samples // 2] < STEP_S, found


def test_the_picture_follows_the_stems_and_is_saved_with_the_mix(
    server: Server, visit: OpenVisit, clip: Path, tmp_path: Path
) -> None:
    user = visit(server.address)
    page = user.page
    page.get_by_label("With model").select_option("lite")
    pick(page, clip)
    wait_until_done(page, clip)
    song = open_song(page, clip)
    shown = page.get_by_label("Picture of Clip")
    expect(shown).to_be_visible()
    assert shown.evaluate("video => video.muted && video.videoWidth") == 160
    song.get_by_role("button", name="Play", exact=True).click()
    audio_probe.wait_until_played(page, 1.5)
    assert_in_step(page)
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(1000)
    assert_in_step(page)
    for _ in range(4):
        page.get_by_role("button", name="Tempo: less").click()
    page.wait_for_timeout(2500)
    assert_in_step(page)
    song.get_by_role("button", name="Pause", exact=True).click()
    page.keyboard.press("Home")
    expect(shown).to_have_js_property("paused", True)
    page.wait_for_timeout(500)
    assert off_s(page) < 0.05
    assert findings(page) == []
    picture(page, "video")

    song.get_by_role("button", name="Reset", exact=True).click()  # a video has its own tempo
    song.get_by_role("button", name="Mute Vocals").click()
    page.get_by_label("Format of the mix").select_option("Video")
    with page.expect_download() as download:
        page.get_by_role("button", name="This mix").click()
    assert download.value.suggested_filename == "Clip - mix.webm"
    with av.open(str(download.value.path())) as made, av.open(str(clip)) as before:
        new, old = ([bytes(p) for p in one.demux(video=0) if p.size] for one in (made, before))
        assert new == old  # pictures are copied unchanged
        assert [stream.type for stream in made.streams] == ["video", "audio"]
    assert user.errors == []


def test_a_song_without_pictures_is_not_saved_as_video(server: Server, separated: str) -> None:
    answer = httpx.post(
        f"{server.address}mix", json={"session_id": separated, "gains": {"vocals": 1}, "format": "video"}
    )
    assert (answer.status_code, answer.json()["detail"]) == (
        422,
        "This song has no video. Choose an audio format.",
    )
