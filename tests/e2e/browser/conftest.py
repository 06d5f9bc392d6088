"""Fixtures for tests of the page in Debian's Chromium, against a real `unbraid serve`."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from tests.conftest import WriteWave
from tests.e2e.browser import audio_probe
from tests.e2e.browser.server import Server

ROOT = Path(__file__).parents[3]
BUILT = ROOT / "src" / "unbraid" / "web" / "static" / "index.html"
CHROMIUM = Path("/usr/bin/chromium")
# The same browser without windows, menus and notifications. Opening the page takes half as much processor time.
HEADLESS_SHELL = Path("/usr/bin/chromium-headless-shell")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT_MS = 60_000  # long, as the machine may be busy

expect.set_options(timeout=TIMEOUT_MS)


@dataclass
class Visit:
    """One user's browser, with its own storage: its page, the hosts it contacts, and its console errors."""

    page: Page
    hosts: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)


OpenVisit = Callable[..., Visit]


def build() -> None:
    """Build the page, or skip the test."""
    subprocess.run([ROOT / "requirements" / "frontend.sh"], check=True)
    if not BUILT.is_file():
        pytest.skip("building the page needs Node.js (requirements/frontend.sh)")


def program() -> Path:
    """Debian's Chromium, or skip the test."""
    found = next((path for path in (HEADLESS_SHELL, CHROMIUM) if path.exists()), None)
    if found is None:
        pytest.skip("Debian's chromium is not installed")
    return found


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """A browser. Its event loop ends with it, as later tests could not start their own beside it."""
    executable = program()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def built() -> None:
    """Build the page once."""
    build()


@pytest.fixture(scope="package")
def chromium(built: None) -> Iterator[Browser]:
    """One browser; each visit has its own context."""
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that all tests share. Each visit sees only its own songs."""
    server = Server(tmp_path_factory.mktemp("served") / "data")
    yield server
    server.stop()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[OpenVisit]:
    """Open the page as a new user and wait for the text `ready`. Options are those of a browser context.

    `script` runs before those of the page.
    """
    contexts = []

    def open_page(
        address: str, ready: str = "per minute", script: str = audio_probe.SCRIPT, **options: Any
    ) -> Visit:
        context = chromium.new_context(**options)
        context.set_default_timeout(TIMEOUT_MS)
        context.add_init_script(script)
        contexts.append(context)
        visit = Visit(context.new_page())
        context.on("request", lambda request: visit.hosts.add(request.url.split("/")[2]))

        def keep_error(message: ConsoleMessage) -> None:
            url = message.location["url"]
            # Pieces are deleted when their song is done, and a comparison when it is closed. The page goes on without.
            is_deleted = "404" in message.text and re.search(r"/outputs/.*\.(play|peaks\.json)\b", url)
            if message.type == "error" and not is_deleted:
                visit.errors.append(f"{message.text} ({url})")

        visit.page.on("console", keep_error)
        visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
        visit.page.goto(address)
        expect(visit.page.locator("main")).to_contain_text(ready)
        return visit

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="package")
def songs(tmp_path_factory: pytest.TempPathFactory, write_wave: WriteWave) -> dict[str, Path]:
    """A short song, two longer ones, and a file that is not audio despite its extension."""
    folder = tmp_path_factory.mktemp("songs")
    files = {
        "short": write_wave(folder / "A short song.wav", seconds=12.5),
        "long": write_wave(folder / "A long song.wav", seconds=100, sample_rate=8000, channels=1),
        "other": write_wave(folder / "Another song.wav", seconds=20, sample_rate=22050, channels=1),
        "broken": folder / "Broken.mp3",
    }
    files["broken"].write_bytes(b"ID3\x04" + b"\0" * 20_000)
    return files


@pytest.fixture(scope="package")
def cli_stems(songs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the short song's stems from `unbraid separate`."""
    folder = tmp_path_factory.mktemp("separated")
    subprocess.run(
        [sys.executable, "-m", "unbraid", "separate", "-q", "-m", "lite", "-o", folder, songs["short"]],
        check=True,
    )
    return folder / songs["short"].stem


def separate(server: Server, song: Path) -> str:
    """Separate a song by the server; return its session id."""
    with httpx.Client(base_url=server.address) as client:
        upload = client.post("/upload", json={"fileName": song.name, "fileType": "audio/wav"}).json()
        client.put(upload["uploadUrl"], content=song.read_bytes(), headers={"Content-Type": "audio/wav"})
        session: str = upload["sessionId"]
        client.post("/process", json={"sessionId": session, "s3Key": upload["s3Key"], "model": "lite"})
        for _ in range(3000):  # ten minutes: a worker yields to all other programs
            if client.get(f"/status/{session}").json()["status"] == "COMPLETED":
                return session
            time.sleep(0.2)
    raise AssertionError("the song was not separated")


@pytest.fixture(scope="package")
def separated(server: Server, songs: dict[str, Path]) -> str:
    """Session id of the short song, separated by the server."""
    return separate(server, songs["short"])
