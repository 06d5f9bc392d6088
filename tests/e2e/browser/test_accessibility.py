"""Accessibility: axe, keyboard, dark mode, phones, reduced motion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.browser import audio_probe
from tests.e2e.browser.conftest import ROOT, OpenVisit
from tests.e2e.browser.server import Server
from tests.e2e.browser.steps import card, open_song, pick, wait_until_separating

AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def findings(page: Page) -> list[str]:
    """Violations that axe finds on the page."""
    if not AXE.is_file():
        pytest.skip("axe is not installed (requirements/frontend.sh --check)")
    # Evaluated through the DevTools protocol, as the Content-Security-Policy allows no other scripts in the page.
    page.evaluate(AXE.read_text("utf-8") + ";undefined")
    # Cards and dialogs appear slowly, and are pale until then.
    page.wait_for_function(
        "() => document.getAnimations().every((one) => one.effect.getTiming().iterations === Infinity || "
        "one.playState === 'finished')"
    )
    report: dict[str, Any] = page.evaluate("() => axe.run()")
    return [
        f"{one['id']}: {node['html']} ({node['failureSummary']})"
        for one in report["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_state(
    scheme: str, server: Server, visit: OpenVisit, songs: dict[str, Path], separated: str
) -> None:
    page = visit(server.address, color_scheme=scheme, reduced_motion="reduce").page
    assert findings(page) == []
    page.goto(f"{server.address}#/s/{separated}")
    page.reload()
    song = open_song(page, songs["short"])
    song.get_by_role("button", name="Loop", exact=True).click()
    song.get_by_role("button", name="Mute Vocals").click()
    pick(page, songs["broken"])
    expect(card(page, songs["broken"])).to_contain_text("damaged")
    pick(page, songs["long"])
    wait_until_separating(page, songs["long"])
    page.get_by_text("Change").click()
    assert findings(page) == []
    song.get_by_role("button", name="Delete now").click()
    assert findings(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Keyboard shortcuts").click()
    assert findings(page) == []


def test_everything_works_with_the_keyboard(
    server: Server, visit: OpenVisit, songs: dict[str, Path], separated: str
) -> None:
    page = visit(f"{server.address}#/s/{separated}").page
    page.on(
        "filechooser", lambda chooser: None
    )  # before the key press, as interception takes a moment to start
    song = open_song(page, songs["short"])

    def tab_to(name: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            focus = page.locator(":focus")
            label = focus.count() and (focus.get_attribute("aria-label") or focus.text_content() or "")
            if label and name in label:
                return
        raise AssertionError(f"Tab never reaches {name}")

    tab_to("Add songs")
    with page.expect_file_chooser():
        page.keyboard.press("Enter")
    tab_to("Play")
    page.keyboard.press("Enter")
    audio_probe.wait_until_played(page, 0.5)
    # First, as the song would end before the other keys on a busy machine.
    tab_to("Playhead")
    page.keyboard.press("Space")
    expect(song.get_by_role("button", name="Play", exact=True)).to_be_visible()
    page.keyboard.press("1")
    expect(song.get_by_role("button", name="Mute Vocals")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Shift+Digit2")
    expect(song.get_by_role("button", name="Solo Accompaniment")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("[")
    expect(song.get_by_role("slider", name="Loop start")).to_be_visible()
    page.keyboard.press("l")
    expect(song.get_by_role("slider", name="Loop start")).to_have_count(0)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.get_by_role("checkbox", name="Use these shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    expect(song.get_by_role("button", name="Mute Vocals")).to_have_attribute("aria-pressed", "true")
    tab_to("Download vocals.wav")
    with page.expect_download():
        page.keyboard.press("Enter")
    tab_to("Delete now")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(song).to_be_visible()


def test_nothing_moves_with_reduced_motion(server: Server, visit: OpenVisit, songs: dict[str, Path]) -> None:
    page = visit(server.address, reduced_motion="reduce").page
    pick(page, songs["long"])
    wait_until_separating(page, songs["long"])
    assert page.evaluate("() => document.getAnimations().length") == 0
    same = page.evaluate(
        """async () => {
          const bar = document.querySelector('[role=progressbar]');
          const canvas = bar.querySelector('canvas');
          const frame = () => new Promise(requestAnimationFrame);
          // Progress moves the picture now and then, an animation moves it in each of these intervals.
          for (let interval = 0; bar.isConnected && interval < 40; interval += 1) {
            const picture = canvas.toDataURL();
            for (let frames = 0; frames < 12; frames += 1) await frame();
            if (canvas.toDataURL() === picture) return bar.isConnected || null;
          }
          return false;
        }"""
    )
    assert same is True


def test_fits_on_a_phone_without_horizontal_scrolling(
    server: Server, visit: OpenVisit, songs: dict[str, Path], separated: str
) -> None:
    page = visit(f"{server.address}#/s/{separated}", **PHONE).page
    song = open_song(page, songs["short"])
    song.get_by_role("button", name="Play", exact=True).tap()
    audio_probe.wait_until_played(page, 0.5)
    assert audio_probe.context(page)["state"] == "running"
    pick(page, songs["broken"])
    expect(card(page, songs["broken"])).to_contain_text("damaged")
    page.get_by_text("Change").tap()
    assert page.evaluate("() => document.documentElement.scrollWidth") == 360
    small = page.evaluate(
        """() => [...document.querySelectorAll('button, a, select, input:not([hidden])')]
          .filter((element) => element.checkVisibility())
          .map((element) => [element.ariaLabel ?? element.textContent, element.closest('label') ?? element])
          .map(([name, element]) => [name, element.getBoundingClientRect()])
          .filter(([, box]) => box.width < 24 || box.height < 24)
          .map(([name]) => name)"""
    )
    assert small == []  # WCAG 2.2, 2.5.8
