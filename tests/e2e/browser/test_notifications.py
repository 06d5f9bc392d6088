"""Notifications of finished songs. The headless shell denies them, so these tests run in the whole browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from tests.e2e.browser.conftest import CHROMIUM, FLAGS, OpenVisit
from tests.e2e.browser.server import Server
from tests.e2e.browser.steps import card, pick
from tests.e2e.browser.test_trust import RECORD


@pytest.fixture(scope="module")
def chromium(chromium: Browser) -> Iterator[Browser]:
    """Start the whole browser."""
    if not CHROMIUM.exists():
        pytest.skip("Debian's chromium is not installed")
    browser = chromium.browser_type.launch(executable_path=CHROMIUM, args=FLAGS)
    yield browser
    browser.close()


def test_notifications_are_asked_for_by_a_switch_only(
    server: Server, visit: OpenVisit, songs: dict[str, Path]
) -> None:
    page = visit(server.address).page
    switch = page.get_by_role("switch", name="Notify me")
    expect(switch).not_to_be_checked()
    switch.click()  # a browser without a user at hand refuses
    expect(page.get_by_text("Your browser blocks notifications")).to_be_visible()
    expect(switch).not_to_be_checked()

    page.context.grant_permissions(["notifications"])
    page.add_init_script(RECORD)
    page.reload()
    page.evaluate("() => navigator.serviceWorker.ready")
    expect(switch).not_to_be_checked()
    switch.click()
    expect(switch).to_be_checked()
    page.evaluate("() => { document.hasFocus = () => false }")  # the user looks at another window
    pick(page, songs["broken"])
    expect(card(page, songs["broken"])).to_contain_text("damaged")
    page.wait_for_function("() => window.shown.length > 0")
    assert page.evaluate("() => window.shown") == ["“Broken” failed."]
