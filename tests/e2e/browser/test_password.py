"""The password that all users share: the form, the way back, and a password that changes during an upload."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.conftest import WriteWave
from tests.e2e.browser import audio_probe
from tests.e2e.browser.conftest import OpenVisit
from tests.e2e.browser.server import Server
from tests.e2e.browser.steps import card, open_song, pick
from tests.e2e.browser.test_accessibility import findings
from tests.e2e.browser.test_library import PHONE, choose_lite, picture
from tests.e2e.browser.test_resumed_uploads import PART_BYTES, SLOW, Parts, slowed

FIRST, SECOND = "correct horse battery", "staple horse battery"


def sign_in(form: Page, password: str) -> None:
    """Fill in the form and send it."""
    form.get_by_label("Password").fill(password)
    form.get_by_role("button", name="Sign in").click()


def test_the_form_leads_back_and_an_upload_survives_a_new_password(
    visit: OpenVisit, tmp_path: Path, write_wave: WriteWave, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = write_wave(tmp_path / "A large song.wav", seconds=20, sample_rate=22050, channels=1)
    monkeypatch.setenv("UNBRAID_PART_BYTES", str(PART_BYTES))
    monkeypatch.setenv("UNBRAID_TOKEN", FIRST)
    server = Server(tmp_path / "data", "--workers", "0")
    try:
        user = visit(f"{server.address}#/s/{'x' * 32}", ready="Password")
        page = user.page
        sign_in(page, "something else")
        expect(page.get_by_role("alert")).to_contain_text("This password is wrong. Check capital letters")
        sign_in(page, FIRST)
        # The address of the song has survived both forms.
        expect(page.get_by_role("alert")).to_contain_text("The song of this link no longer exists")

        network, parts = slowed(page), Parts(page)
        pick(page, song)
        parts.wait(2)
        server.kill()
        monkeypatch.setenv("UNBRAID_TOKEN", SECOND)
        server.start()
        banner = page.get_by_role("alert").filter(has_text="You are signed out.")
        expect(banner).to_be_visible()
        with page.context.expect_page() as opened:
            banner.get_by_role("link", name="Sign in").click()
        sign_in(opened.value, SECOND)
        expect(banner).to_be_hidden()
        network.send("Network.emulateNetworkConditions", {**SLOW, "uploadThroughput": -1})
        expect(card(page, song)).to_contain_text("Next in the queue")
        (stored,) = [name for name in server.songs_on_disk() if "/.part-" not in name]
        assert (server.data / "objects" / stored).read_bytes() == song.read_bytes()

        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Password")).to_be_visible()
        page.goto(server.address)
        expect(page.get_by_label("Password")).to_be_visible()
        # Chromium logs refused requests: one for the wrong password, some after the new one.
        assert [error for error in user.errors if "status of 401" not in error and "ERR_" not in error] == []
    finally:
        server.stop()


def test_links_on_other_sites_open_the_app_and_it_can_be_installed(
    visit: OpenVisit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNBRAID_TOKEN", FIRST)
    server = Server(tmp_path / "data", "--workers", "0")
    try:
        page = visit(server.address, ready="Password").page
        sign_in(page, FIRST)
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        manifest = page.context.new_cdp_session(page).send("Page.getAppManifest")
        assert manifest["errors"] == [] and json.loads(manifest["data"])["name"] == "Unbraid"

        page.goto(f"data:text/html,<a href='{server.address}'>A song</a>")  # a site of its own
        page.get_by_role("link", name="A song").click()
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    finally:
        server.stop()


def test_a_guest_without_the_password_hears_a_shared_song_and_nothing_else(
    visit: OpenVisit, songs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNBRAID_TOKEN", FIRST)
    server = Server(tmp_path / "data")
    try:
        page = visit(server.address, ready="Password").page
        sign_in(page, FIRST)
        choose_lite(page, "vocals")
        pick(page, songs["short"])
        open_song(page, songs["short"])
        page.get_by_role("button", name="More for A short song").click()
        menu = page.get_by_role("dialog")
        menu.get_by_role("button", name="Share a link").click()
        link = menu.get_by_label("Link to share").input_value()
        assert link.startswith(f"{server.address}listen#/l/")

        guest = visit(link, ready="shared with you", color_scheme="dark", **PHONE)
        expect(guest.page.get_by_role("heading", name="A short song")).to_be_visible()
        guest.page.get_by_role("button", name="Play", exact=True).click()
        audio_probe.wait_until_heard(guest.page)
        guest.page.get_by_label("Format of the mix").select_option("flac")
        with guest.page.expect_download() as download:
            guest.page.get_by_role("button", name="This mix").click()
        assert download.value.suggested_filename == "A short song - mix.flac"
        for name in ("Delete", "Split", "More for", "Rename"):
            expect(guest.page.get_by_role("button", name=name)).to_have_count(0)
        assert findings(guest.page) == []
        picture(guest.page, "shared-without-the-password-phone-dark")
        assert guest.errors == []

        # Everything else is behind the password: the app, also from the link's page, and the owner's song.
        guest.page.get_by_role("link", name="Unbraid").click()
        expect(guest.page.get_by_label("Password")).to_be_visible()
        guest.page.goto(f"{server.address}listen")
        expect(guest.page.get_by_label("Password")).to_be_visible()
        guest.page.goto(link)
        expect(guest.page.get_by_role("heading", name="A short song")).to_be_visible()
        menu.get_by_role("button", name="Stop sharing").click()
        expect(menu.get_by_role("button", name="Share a link")).to_be_visible()
        guest.page.reload()
        expect(guest.page.get_by_role("alert")).to_contain_text("no longer works")
    finally:
        server.stop()
