"""The page in a browser, on a host of its own, against the deployed application."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect
from tests.e2e.aws.world import World
from tests.e2e.browser import sound
from tests.e2e.browser.conftest import BUILT, OpenVisit, build, running_chromium, visit
from tests.e2e.browser.steps import open_song, pick

__all__ = ["visit"]


@pytest.fixture(scope="module")
def built() -> None:
    build()


@pytest.fixture(scope="module")
def chromium(built: None) -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def page_host(built: None, world: World, tmp_path: Path) -> Iterator[str]:
    """Address of a host that gives the page's files, with the API's address beside them, and knows nothing else."""
    folder = tmp_path / "host"
    shutil.copytree(BUILT.parent, folder)
    (folder / "config.json").write_text(json.dumps({"apiUrl": world.address}))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    port = urlsplit(world.site).port or 0
    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as host:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        yield world.site
        host.shutdown()


def test_a_song_is_brought_and_heard_on_the_page(
    world: World, page_host: str, visit: OpenVisit, song: Path, by_command_line: Path
) -> None:
    someone = visit(f"{page_host}/")
    page = someone.page
    pick(page, song)
    player = open_song(page, song)
    player.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function("() => window.ears.context?.currentTime > 0.5")
    assert sound.loudness(page) > 0.01
    for stem in ("vocals", "no_vocals"):
        with page.expect_download() as download:
            player.get_by_role("link", name=f"Download {stem}.wav").click()
        assert download.value.suggested_filename == f"song - {stem}.wav"
        assert download.value.path().read_bytes() == (by_command_line / f"{stem}.wav").read_bytes()
    # Nothing in AWS makes mixes of one's own, so the page has none to offer.
    assert player.get_by_role("button", name="This mix").count() == 0
    page.reload()
    player = open_song(page, song)
    player.get_by_role("button", name="Delete now").click()
    page.get_by_role("button", name="Delete it").click()
    expect(player).to_have_count(0)
    assert someone.complaints == []
    hosts = {urlsplit(address).netloc for address in (page_host, world.address, world.door_address)}
    assert someone.hosts - {urlsplit(world.sockets_address).netloc} == hosts
