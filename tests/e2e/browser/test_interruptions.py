"""Reloads, lost connections, server crashes: the song gets done, or its card shows why not."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect
from tests.e2e.browser.conftest import OpenVisit
from tests.e2e.browser.server import Server
from tests.e2e.browser.steps import card, pick, wait_until_done, wait_until_separating


def test_reload_and_second_tab_show_the_same_songs(
    server: Server, visit: OpenVisit, songs: dict[str, Path]
) -> None:
    page = visit(server.address).page
    pick(page, songs["long"])
    wait_until_separating(page, songs["long"])
    page.reload()
    second = page.context.new_page()
    second.goto(server.address)
    for tab in (page, second):
        expect(card(tab, songs["long"])).to_be_visible()
        wait_until_done(tab, songs["long"])


def test_song_deleted_in_one_tab_disappears_in_the_other(
    server: Server, visit: OpenVisit, songs: dict[str, Path]
) -> None:
    page = visit(server.address).page
    pick(page, songs["broken"])
    second = page.context.new_page()
    second.goto(server.address)
    expect(card(second, songs["broken"])).to_contain_text("damaged")
    card(page, songs["broken"]).get_by_role("button", name="Remove Broken").click()
    expect(card(second, songs["broken"])).to_have_count(0)


def test_cancels_and_retries_a_song(server: Server, visit: OpenVisit, songs: dict[str, Path]) -> None:
    page = visit(server.address).page
    pick(page, songs["long"])
    wait_until_separating(page, songs["long"])
    song = card(page, songs["long"])
    song.get_by_role("button", name="Cancel A long song").click()
    expect(song).to_contain_text("Cancelled.")
    song.get_by_role("button", name="Try again: A long song").click()
    wait_until_done(page, songs["long"])


def test_reload_during_an_upload_asks_for_the_file_again(
    server: Server, visit: OpenVisit, songs: dict[str, Path]
) -> None:
    page = visit(server.address).page
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 100_000}
    network.send("Network.emulateNetworkConditions", slow)
    pick(page, songs["long"])
    song = card(page, songs["long"])
    expect(song).to_contain_text("Uploading")
    second = page.context.new_page()
    second.goto(server.address)
    expect(card(second, songs["long"])).to_contain_text("Uploading in another tab")
    second.close()
    page.wait_for_timeout(500)
    page.reload()
    network.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
    expect(song).to_contain_text("The upload was interrupted")
    with page.expect_file_chooser() as chooser:
        song.get_by_role("button", name="Choose the file of A long song").click()
    chooser.value.set_files(songs["long"])
    wait_until_done(page, songs["long"])
    expect(page.get_by_role("article")).to_have_count(1)


def test_polls_the_server_where_websockets_fail(
    server: Server, visit: OpenVisit, songs: dict[str, Path]
) -> None:
    page = visit(server.address).page
    page.route_web_socket(re.compile("/events"), lambda socket: socket.close())
    pick(page, songs["other"])
    wait_until_done(page, songs["other"])


def test_killed_and_restarted_server_finishes_the_song(
    visit: OpenVisit, songs: dict[str, Path], tmp_path: Path
) -> None:
    server = Server(tmp_path / "data")
    try:
        page = visit(server.address).page
        pick(page, songs["long"])
        wait_until_separating(page, songs["long"])
        server.kill()
        expect(page.get_by_role("alert")).to_contain_text("The server can’t be reached")
        server.start()
        expect(page.get_by_role("alert")).to_have_count(0)
        wait_until_done(page, songs["long"])
    finally:
        server.stop()


def test_upload_continues_when_the_server_is_back(
    visit: OpenVisit, songs: dict[str, Path], tmp_path: Path
) -> None:
    server = Server(tmp_path / "data")
    try:
        page = visit(server.address).page
        server.kill()
        pick(page, songs["other"])
        expect(page.get_by_role("alert")).to_contain_text("The server can’t be reached")
        server.start()
        wait_until_done(page, songs["other"])
        expect(page.get_by_role("article")).to_have_count(1)
    finally:
        server.stop()
