"""A large file is uploaded in parts. After an interruption, no part that has arrived is sent again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import CDPSession, Page, Request, Response, expect
from tests.conftest import WriteWave
from tests.e2e.browser.conftest import OpenVisit
from tests.e2e.browser.server import Server
from tests.e2e.browser.steps import card, pick

PART_BYTES, COUNT = 100_000, 9
SLOW = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 200_000}
_PART = re.compile(r"/part-\w+-(\d+)\?")


@dataclass
class Parts:
    """Numbers of the parts that a page begins to send, and of those that the server has received, in order."""

    page: Page
    begun: list[int] = field(default_factory=list)
    received: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", self._begin)
        self.page.on("response", self._receive)

    def _begin(self, request: Request) -> None:
        if found := _PART.search(request.url):
            self.begun.append(int(found[1]))

    def _receive(self, response: Response) -> None:
        if (found := _PART.search(response.url)) and response.status == 200:
            self.received.append(int(found[1]))

    def wait(self, count: int) -> list[int]:
        """Wait until the server has received `count` parts, and return their numbers."""
        while len(self.received) < count:
            self.page.wait_for_timeout(50)
        return list(self.received)

    def check(self, before: list[int], interruptions: int) -> None:
        """Check that each part has arrived, and that those from before an interruption were sent only once."""
        assert 0 < len(before) < COUNT
        assert sorted(set(self.received)) == list(range(1, COUNT + 1))
        assert [self.begun.count(number) for number in before] == [1] * len(before)
        # Two parts are sent at the same time, so an interruption hits at most two.
        assert len(self.begun) <= COUNT + 2 * interruptions


def check_on_disk(server: Server, song: Path) -> None:
    """Check that the server has the song and no parts."""
    (stored,) = [name for name in server.songs_on_disk() if "/.part-" not in name]
    assert (server.data / "objects" / stored).read_bytes() == song.read_bytes()


@pytest.fixture
def song(tmp_path: Path, write_wave: WriteWave) -> Path:
    """A song of nine parts."""
    song = write_wave(tmp_path / "A large song.wav", seconds=20, sample_rate=22050, channels=1)
    assert -(-song.stat().st_size // PART_BYTES) == COUNT
    return song


@pytest.fixture
def own_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that takes files above 100 KB in parts, and separates none."""
    monkeypatch.setenv("UNBRAID_PART_BYTES", str(PART_BYTES))
    server = Server(tmp_path / "data", "--workers", "0")
    yield server
    server.stop()


def slowed(page: Page) -> CDPSession:
    """Limit the page's uploads to 200 KB/s."""
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", SLOW)
    return network


def test_upload_goes_on_after_the_connection_and_the_server_are_lost(
    own_server: Server, visit: OpenVisit, song: Path
) -> None:
    page = visit(own_server.address).page
    network, parts = slowed(page), Parts(page)
    pick(page, song)
    parts.wait(2)
    network.send("Network.emulateNetworkConditions", {**SLOW, "offline": True})
    expect(page.get_by_role("alert")).to_contain_text("The server can’t be reached")
    before = parts.wait(2)
    network.send("Network.emulateNetworkConditions", SLOW)
    parts.wait(len(before) + 2)
    own_server.kill()
    expect(page.get_by_role("alert")).to_contain_text("The server can’t be reached")
    own_server.start()
    network.send("Network.emulateNetworkConditions", {**SLOW, "uploadThroughput": -1})
    expect(card(page, song)).to_contain_text("Next in the queue")
    parts.check(before, interruptions=2)
    check_on_disk(own_server, song)


def test_same_file_chosen_again_after_a_reload_goes_on(
    own_server: Server, visit: OpenVisit, song: Path
) -> None:
    page = visit(own_server.address).page
    network, parts = slowed(page), Parts(page)
    pick(page, song)
    before = parts.wait(2)
    page.reload()
    network.send("Network.emulateNetworkConditions", {**SLOW, "uploadThroughput": -1})
    expect(card(page, song)).to_contain_text(re.compile(r"The upload was interrupted at [1-9]\d?\s%"))
    pick(page, song)
    expect(card(page, song)).to_contain_text("Next in the queue")
    expect(page.get_by_role("article")).to_have_count(1)
    parts.check(before, interruptions=1)
    check_on_disk(own_server, song)
