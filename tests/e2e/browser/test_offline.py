"""The page is installed in the browser: it opens without a connection, and songs that were opened play."""

from __future__ import annotations

import functools
import http.server
import json
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect
from tests.e2e.browser import audio_probe
from tests.e2e.browser.conftest import BUILT, OpenVisit
from tests.e2e.browser.server import Server
from tests.e2e.browser.steps import open_song

KEPT = """async () => {
  const names = await caches.keys();
  const keys = await Promise.all(names.map(async (name) => (await caches.open(name)).keys()));
  return Object.fromEntries(names.map((name, index) => [name, keys[index].map((request) => request.url)]));
}"""


def kept(page: Page) -> dict[str, list[str]]:
    """Addresses of all kept files, by the name of their storage."""
    found: dict[str, list[str]] = page.evaluate(KEPT)
    return found


def wait_until(page: Page, condition: str) -> None:
    """Wait until an async function of the page returns true. `wait_for_function` takes its promise for true."""
    while not page.evaluate(condition):
        page.wait_for_timeout(100)


def wait_until_kept(page: Page, session: str) -> None:
    """Wait until the page's files and the song are kept."""
    page.evaluate("() => navigator.serviceWorker.ready")
    wait_until(
        page,
        "async () => (await (await (await caches.open(`unbraid-songs ${location.origin}/ `))"
        f".match('/offline/{session}'))?.json())?.complete === true",
    )


def test_an_opened_song_plays_without_a_connection_and_goes_with_its_deletion(
    server: Server, visit: OpenVisit, songs: dict[str, Path], separated: str
) -> None:
    page = visit(f"{server.address}#/s/{separated}").page
    open_song(page, songs["short"])
    wait_until_kept(page, separated)
    for name, urls in kept(page).items():
        expected = (
            rf"/files/.*{separated}|/offline/{separated}$"
            if "songs" in name
            else (r"/(assets/.+|index\.html|favicon\.svg|icon-\d+\.png|manifest\.webmanifest|config\.json)$")
        )
        assert [url for url in urls if re.search(expected, url) is None] == []
        assert [url for url in urls if "sig" in url or "token" in url] == []

    page.context.set_offline(True)
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("The server can’t be reached")
    song = open_song(page, songs["short"])
    song.get_by_role("button", name="Play", exact=True).click()
    audio_probe.wait_until_played(page, 6)  # into the second piece
    assert audio_probe.loudness(page) > 0.01

    page.context.set_offline(False)
    expect(page.get_by_role("alert")).to_have_count(0)
    page.route("**/cleanup", lambda route: route.fulfill(json={"deleted": 1}))  # other tests use the song
    song.get_by_role("button", name="Delete now").click()
    page.get_by_role("button", name="Delete it").click()
    wait_until(page, f"async () => !JSON.stringify(await ({KEPT})()).includes('{separated}')")


def test_the_browser_offers_to_install_the_page(server: Server, visit: OpenVisit) -> None:
    page = visit(server.address).page
    session = page.context.new_cdp_session(page)
    manifest = session.send("Page.getAppManifest")
    assert manifest["errors"] == []
    assert json.loads(manifest["data"])["display"] == "standalone"
    assert session.send("Page.getInstallabilityErrors")["installabilityErrors"] in (
        [],
        [{"errorId": "in-incognito", "errorArguments": []}],  # as all contexts of a test are
    )


@contextmanager
def static_host(folder: Path) -> Iterator[str]:
    """Serve a folder. Yields its address."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as host:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{host.server_port}"
        host.shutdown()


def deploy_new_version(page_folder: Path) -> str:
    """Replace the page by one whose script has another name. Returns the name."""
    (entry,) = re.findall(
        r'src="\./(assets/index-[^"]+\.js)"', (page_folder / "index.html").read_text("utf-8")
    )
    renamed = "assets/index-new.js"
    (page_folder / entry).rename(page_folder / renamed)
    worker = page_folder / "sw.js"
    (version,) = re.findall(r'"([0-9a-f]{16})"', worker.read_text("utf-8"))
    worker.write_text(worker.read_text("utf-8").replace(entry, renamed).replace(version, "0123456789abcdef"))
    index = page_folder / "index.html"
    index.write_text(index.read_text("utf-8").replace(entry, renamed))
    return renamed


def test_a_new_version_replaces_the_old_one_at_once(built: None, chromium: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "music" / "unbraid"
    shutil.copytree(BUILT.parent, folder)
    script = "() => document.querySelector('script[type=module]').src"
    context = chromium.new_context()
    with static_host(tmp_path) as origin:
        page = context.new_page()
        page.goto(f"{origin}/music/unbraid/")
        page.evaluate("() => navigator.serviceWorker.ready")
        page.reload()
        assert page.evaluate("() => navigator.serviceWorker.controller.scriptURL").endswith(
            "/music/unbraid/sw.js"
        )
        old = page.evaluate(script)
        new = deploy_new_version(folder)
        page.reload()
        assert page.evaluate(script) == f"{origin}/music/unbraid/{new}" != old
        # The old version stays whole for pages that are open: its parts are gone from the server.
        assert page.evaluate(f"async () => (await fetch('{old}')).status") == 200
        wait_until(page, "async () => (await navigator.serviceWorker.getRegistration()).waiting !== null")
        page.close()
        page = context.new_page()
        page.goto(f"{origin}/music/unbraid/")
        wait_until(
            page, "async () => (await caches.keys()).filter((name) => name.includes('page')).length === 1"
        )
        assert list(kept(page)) == [f"unbraid-page {origin}/music/unbraid/ 0123456789abcdef"]
    context.set_offline(True)
    page.reload()
    assert page.evaluate(script).endswith(new)
    context.close()
