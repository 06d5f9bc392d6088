"""What users see when the page, or a part of it, can't be loaded."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, Page, Route, expect
from tests.e2e.browser.conftest import BUILT, OpenVisit
from tests.e2e.browser.server import Server
from tests.e2e.browser.steps import open_song


def abort(route: Route) -> None:
    route.abort()


def assert_reload_works(page: Page) -> None:
    """Press "Reload" once the parts can be loaded again."""
    page.unroute("**/*.js")
    page.get_by_role("link", name="Reload").or_(page.get_by_role("button", name="Reload")).click()
    expect(page.get_by_role("button", name="songs")).to_be_visible()


def test_a_missing_script_leaves_a_page_that_says_so(server: Server, chromium: Browser) -> None:
    page = chromium.new_page(service_workers="block")
    page.route("**/*.js", abort)
    page.goto(server.address)
    expect(page.get_by_text("The page has not loaded completely")).to_be_visible()
    assert_reload_works(page)
    page.close()


def test_a_part_that_is_missing_on_demand_says_so_and_the_rest_works(
    server: Server, visit: OpenVisit, songs: dict[str, Path], separated: str
) -> None:
    page = visit(f"{server.address}#/s/{separated}", service_workers="block").page
    song = open_song(page, songs["short"])
    page.route("**/*.js", abort)
    song.get_by_role("button", name="Tempo: less").click()
    expect(page.get_by_text("A part of this page could not be loaded")).to_be_visible()
    expect(song.get_by_role("button", name="Play", exact=True)).to_be_enabled()
    assert_reload_works(page)


def test_a_page_without_javascript_says_what_is_missing(built: None) -> None:
    page = BUILT.read_text("utf-8")
    assert "Turn on JavaScript in your browser" in page.split("<noscript>")[1].split("</noscript>")[0]
