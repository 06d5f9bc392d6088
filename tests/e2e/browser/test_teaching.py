"""Teach a model in the page, with a tiny network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect
from tests.conftest import WriteWave
from tests.e2e.browser.conftest import OpenVisit
from tests.e2e.browser.server import Server
from tests.e2e.browser.steps import open_song, pick
from tests.e2e.browser.test_accessibility import findings
from tests.finetuning.synthetic import write_songs, write_tiny_model

from unbraid.finetuning.check import check_songs
from unbraid.finetuning.clips import write_clips
from unbraid.local.teaching import CLIPS, MODELS, RESULT, RUN, Teaching, Wanted
from unbraid.models import find_model

MINUTES = 0.1  # to learn, in place of an hour
TEACHING_MS = 900_000  # long: learning has the lowest priority of a busy machine


@pytest.fixture
def teaching_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: None) -> Iterator[Server]:
    """A server with a tiny model of the user's own, to begin with. It has one of the stems of the songs."""
    pytest.importorskip("torch")
    monkeypatch.setenv("UNBRAID_OWN_MODELS", str(tmp_path / "own"))
    monkeypatch.setenv("UNBRAID_NICE", "0")  # other tests would leave it no processor time
    write_tiny_model(tmp_path / "own" / "tiny", ("low", "other"))
    server = Server(tmp_path / "data")
    yield server
    server.stop()


def shorten(route: Route) -> None:
    """Pass a start on with less time to learn."""
    route.continue_(post_data=json.dumps({**route.request.post_data_json, "minutes": MINUTES}))


def drop_folder(page: Page, folder: Path) -> None:
    """Drag a folder from the desktop to the panel, and drop it there."""
    area = page.locator(".teach-drop")
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box is not None
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send(
            "Input.dispatchDragEvent",
            {
                "type": kind,
                "x": box["x"] + box["width"] / 2,
                "y": box["y"] + box["height"] / 2,
                "data": {"items": [], "files": [str(folder)], "dragOperationsMask": 1},
            },
        )


def start_to_teach(page: Page, name: str) -> None:
    """Fill in the form, and start."""
    page.get_by_label("Name of the new model").fill(name)
    page.get_by_label("Begin with").fill("tiny")
    page.get_by_role("button", name="Start").click()


def assert_accessible(page: Page) -> None:
    """Let axe look at the page in both colour schemes."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert findings(page) == []


def place_s(sound: Locator) -> float:
    """Return where the sound of the comparison is, in seconds."""
    seconds: float = sound.evaluate("player => player.currentTime")
    return seconds


def test_checks_dropped_stems(teaching_server: Server, visit: OpenVisit, tmp_path: Path) -> None:
    songs = write_songs(tmp_path / "songs", ("low", "high"))
    (songs / "song0" / "high.wav").write_bytes(b"")
    visited = visit(teaching_server.address)
    page = visited.page
    page.get_by_text("Teach it", exact=True).click()
    drop_folder(page, songs)
    check = page.get_by_role("region", name="Check of the songs")
    expect(check).to_contain_text("3 of 4 songs can be used: 0:48")
    expect(check).to_contain_text("✗ song0: high.wav is empty (0 bytes). Copy or download it again.")
    expect(check).to_contain_text("All songs together are shorter than a minute. Add more songs.")
    assert_accessible(page)

    # The corrected song is enough.
    write_songs(tmp_path / "again", ("low", "high"), songs=1)
    page.get_by_label("Folder of songs").set_input_files(tmp_path / "again")
    expect(check).to_contain_text("4 of 4 songs can be used: 1:04")
    expect(check).to_contain_text("kept aside, to test what was learnt")
    assert_accessible(page)
    assert visited.errors == []


def test_compares_before_and_after_and_keeps_the_model(
    teaching_server: Server, visit: OpenVisit, tmp_path: Path, write_wave: WriteWave
) -> None:
    """The run has ended: its files are what the worker writes, with another tiny network as the result."""
    songs = write_songs(tmp_path / "songs", ("low", "high"))
    visited = visit(teaching_server.address)
    page = visited.page
    page.get_by_text("Teach it", exact=True).click()
    drop_folder(page, songs)
    expect(page.get_by_role("region", name="Check of the songs")).to_contain_text("4 of 4 songs can be used")
    end_run(Teaching(tmp_path / "data"), songs, tmp_path / "own" / "tiny")
    page.reload()
    page.get_by_text("Teach it", exact=True).click()
    result = page.get_by_role("region", name="Result of my-band")
    expect(result).to_contain_text("my-band is ready")
    expect(result.get_by_role("row", name="High")).to_contain_text("–")
    assert_accessible(page)
    compare_by_ear(result)
    keep(page, tmp_path)
    separate_with_it(page, write_wave(tmp_path / "A new song.wav", seconds=3))
    assert visited.errors == []


def end_run(teaching: Teaching, songs: Path, base: Path) -> None:
    """Write the files of the end of a run."""
    run = teaching.run()
    assert run is not None
    taught = write_tiny_model(teaching.folder / MODELS / "my-band", seed=1)
    clips = write_clips(
        check_songs(songs), str(base), taught, find_model(base).sources, teaching.folder / CLIPS
    )
    scores = {"before": {"low": 2.0}, "after": {"low": 8.5, "high": 9.0}, "compared_with": "tiny"}
    for steps, mean in ((0, 2.0), (20, 4.1), (40, 7.9), (60, 8.7)):
        score = {"steps": steps, "minutes": steps / 10, "sdr_db": {"mean": mean}, "best": True, "left_s": 0}
        teaching.note({"event": "score", **score})
    teaching.write(RESULT, {"better": True, "sdr_db": scores, "base": "tiny", "clips": clips})
    teaching.write(RUN, {**asdict(run), "wanted": Wanted.TEACH, "name": "my-band"})


def keep(page: Page, folder: Path) -> None:
    """Keep the model. Nothing else stays of the run."""
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_text("“my-band” is in the list of models now.")).to_be_visible()
    assert sorted(path.name for path in (folder / "own").iterdir()) == ["my-band", "tiny"]
    assert not (folder / "data" / "teaching").exists()


def separate_with_it(page: Page, song: Path) -> None:
    """Choose the model that was kept, and separate a song."""
    page.get_by_label("With model").select_option("my-band")
    pick(page, song)
    expect(open_song(page, song).get_by_role("button", name="Mute Low")).to_be_visible()


# 40 s of processor time: learning has no shorter form than its smallest number of steps.
@pytest.mark.long
def test_teaches_a_model_and_keeps_it(
    teaching_server: Server, visit: OpenVisit, tmp_path: Path, write_wave: WriteWave
) -> None:
    visited = visit(teaching_server.address)
    page = visited.page
    page.route("**/teaching/start", shorten)
    page.get_by_text("Teach it", exact=True).click()
    drop_folder(page, write_songs(tmp_path / "songs", ("low", "high")))
    start_to_teach(page, "my-band")
    teaching = page.get_by_role("region", name="Teaching my-band")
    expect(teaching.locator("svg circle").nth(1)).to_be_visible(timeout=TEACHING_MS)  # the curve has begun
    assert_accessible(page)

    result = page.get_by_role("region", name="Result of my-band")
    expect(result).to_contain_text("my-band is ready", timeout=TEACHING_MS)
    expect(result.get_by_role("row", name="Low")).to_be_visible()
    assert_accessible(page)
    compare_by_ear(result)

    keep(page, tmp_path)
    separate_with_it(page, write_wave(tmp_path / "A new song.wav", seconds=3))
    assert visited.errors == []


def compare_by_ear(result: Locator) -> None:
    """Listen to the same ten seconds before and after: switching goes on at the same place."""
    sound, before, after = (
        result.locator("audio"),
        result.get_by_role("button", name="Before"),
        result.get_by_role("button", name="After"),
    )
    result.get_by_label("Stem to hear").select_option("High")  # the first model didn't have it
    expect(before).to_be_hidden()
    other = sound.get_attribute("src")
    result.get_by_label("Stem to hear").select_option("Low")
    expect(after).to_have_attribute("aria-pressed", "true")
    expect(sound).not_to_have_attribute("src", other or "")
    expect(sound).to_have_js_property("duration", 10)
    taught = sound.get_attribute("src")
    sound.evaluate("player => { player.muted = true; player.currentTime = 4; return player.play() }")
    before.click()
    expect(before).to_have_attribute("aria-pressed", "true")
    expect(sound).not_to_have_attribute("src", taught or "")
    expect(sound).to_have_js_property("paused", False)
    assert 4 <= place_s(sound) < 9
    sound.evaluate("player => player.pause()")
    after.click()
    expect(sound).to_have_attribute("src", taught or "")


@pytest.mark.long
def test_goes_on_after_a_crash_and_discards_the_model(
    teaching_server: Server, visit: OpenVisit, tmp_path: Path
) -> None:
    page = visit(teaching_server.address).page
    page.route("**/teaching/start", shorten)
    page.get_by_text("Teach it", exact=True).click()
    page.get_by_label("Folder of songs").set_input_files(write_songs(tmp_path / "songs", ("low", "high")))
    start_to_teach(page, "my-band")
    expect(page.get_by_role("region", name="Teaching my-band")).to_be_visible()

    teaching_server.kill()
    teaching_server.start()
    page.reload()
    page.get_by_text("Teach it", exact=True).click()
    result = page.get_by_role("region", name="Result of my-band")
    expect(result).to_be_visible(timeout=TEACHING_MS)
    result.get_by_role("button", name="Discard it").click()
    expect(page.get_by_role("button", name="Choose a folder")).to_be_visible()
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["tiny"]
    assert not (tmp_path / "data" / "teaching").exists()
