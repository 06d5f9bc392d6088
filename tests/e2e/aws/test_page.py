"""The page in a browser, served from its own host, against the deployed application."""

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
from tests.e2e.aws.waiting import wait_until
from tests.e2e.browser import audio_probe
from tests.e2e.browser.conftest import BUILT, OpenVisit, build, running_chromium, visit
from tests.e2e.browser.steps import open_song, pick
from tests.separation.conftest import level_db, read
from tests.simulators.aws_account import AwsAccount

__all__ = ["visit"]


@pytest.fixture(scope="module")
def built() -> None:
    build()


@pytest.fixture(scope="module")
def chromium(built: None) -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def page_host(built: None, aws_account: AwsAccount, tmp_path: Path) -> Iterator[str]:
    """URL of a host that serves only the page's files and a `config.json` with the API's URL."""
    folder = tmp_path / "host"
    shutil.copytree(BUILT.parent, folder)
    (folder / "config.json").write_text(json.dumps({"apiUrl": aws_account.api_url}))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    port = urlsplit(aws_account.page_origin).port or 0
    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as host:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        yield aws_account.page_origin
        host.shutdown()


def test_uploads_plays_downloads_and_deletes_a_song(
    aws_account: AwsAccount, page_host: str, visit: OpenVisit, song: Path, command_line_stems: Path
) -> None:
    visitor = visit(f"{page_host}/")
    page = visitor.page
    pick(page, song)
    player = open_song(page, song)
    player.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function("() => window.audioProbe.context?.currentTime > 0.5")
    wait_until(lambda: audio_probe.loudness(page) > 0.01)
    for stem in ("vocals", "no_vocals"):
        with page.expect_download() as download:
            player.get_by_role("link", name=f"Download {stem}.wav").click()
        assert download.value.suggested_filename == f"song - {stem}.wav"
        assert download.value.path().read_bytes() == (command_line_stems / f"{stem}.wav").read_bytes()
    # The AWS application cannot make mixes, so the page makes them: two stems that add up to the song.
    with page.expect_download() as download:
        player.get_by_role("button", name="This mix").click()
    assert download.value.suggested_filename == "song - mix.wav"
    assert level_db(read(download.value.path()) - read(song), read(song)) < -60
    page.reload()
    player = open_song(page, song)
    player.get_by_role("button", name="Delete now").click()
    page.get_by_role("button", name="Delete it").click()
    expect(player).to_have_count(0)
    assert visitor.errors == []
    hosts = {
        urlsplit(address).netloc for address in (page_host, aws_account.api_url, aws_account.gateway_url)
    }
    assert visitor.hosts - {urlsplit(aws_account.websocket_url).netloc} == hosts
