"""Sign-in with an OpenID Connect provider."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.e2e.browser import provider
from tests.e2e.browser.conftest import OpenVisit
from tests.e2e.browser.server import Server
from tests.e2e.browser.steps import card, pick, wait_until_done


def test_failures_say_what_to_do(visit: OpenVisit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with provider.running() as identity_provider:
        monkeypatch.setenv("UNBRAID_OIDC_ISSUER", identity_provider.address)
        monkeypatch.setenv("UNBRAID_OIDC_CLIENT_ID", provider.CLIENT)
        server = Server(tmp_path / "data")
        try:
            page = visit(server.address, ready="Sign in").page
            button, alert = page.get_by_role("button", name="Sign in"), page.get_by_role("alert")

            identity_provider.error = "access_denied"
            button.click()
            expect(alert).to_contain_text("You did not finish signing in")
            identity_provider.error = None

            discovery = f"{identity_provider.address}/.well-known/**"
            page.route(discovery, lambda route: route.abort())
            page.reload()
            button.click()
            expect(alert).to_contain_text("The sign-in provider can’t be reached")
            page.unroute(discovery)

            page.goto(f"{server.address}?state=old&code=old")
            expect(alert).to_contain_text("took too long")
            assert "code=" not in page.url

            identity_provider.clock_offset_s = 3600
            button.click()
            expect(alert).to_contain_text("Set the clock of this device")
            identity_provider.clock_offset_s = 0

            identity_provider.lifetime_s, identity_provider.refresh_token = 2, "refused"
            button.click()
            expect(alert).to_contain_text("Your sign-in has expired. Sign in again")
            page.reload()
            expect(page.locator("main")).to_contain_text("Your sign-in has expired")

            identity_provider.lifetime_s = 600
            button.click()
            expect(page.get_by_text(provider.USER_EMAIL)).to_be_visible()
            expect(alert).to_have_count(0)
        finally:
            server.stop()


def test_signed_in_users_see_their_songs_on_another_device(
    visit: OpenVisit, songs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with provider.running() as identity_provider:
        monkeypatch.setenv("UNBRAID_OIDC_ISSUER", identity_provider.address)
        monkeypatch.setenv("UNBRAID_OIDC_CLIENT_ID", provider.CLIENT)
        server = Server(tmp_path / "data")
        try:
            user = visit(server.address, ready="Sign in")
            laptop = user.page
            laptop.get_by_role("button", name="Sign in").click()
            expect(laptop.get_by_text(provider.USER_EMAIL)).to_be_visible()
            assert "code=" not in laptop.url
            pick(laptop, songs["other"])
            wait_until_done(laptop, songs["other"])
            laptop.reload()
            expect(laptop.get_by_text(provider.USER_EMAIL)).to_be_visible()
            assert user.errors == []

            assert "anna" in laptop.evaluate("async () => (await caches.keys()).join()")

            phone = visit(server.address, ready="Sign in").page
            expect(card(phone, songs["other"])).to_have_count(0)
            phone.get_by_role("button", name="Sign in").click()
            wait_until_done(phone, songs["other"])
            phone.get_by_role("button", name="Sign out").click()
            expect(phone.get_by_role("button", name="Sign in")).to_be_visible()
            expect(card(phone, songs["other"])).to_have_count(0)
            assert "anna" not in phone.evaluate("async () => (await caches.keys()).join()")
        finally:
            server.stop()
