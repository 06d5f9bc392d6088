"""The page in Debian's Chromium, with `unbraid serve` behind it, and nothing that stands in for either."""

from __future__ import annotations

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
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.conftest import WriteWave
from tests.e2e.browser.serving import Server
from tests.e2e.browser.sound import EARS

ROOT = Path(__file__).parents[3]
BUILT = ROOT / "src" / "unbraid" / "web" / "static" / "index.html"
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 60_000  # for what depends on how busy the machine is

expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Visit:
    """Somebody's browser: its own storage, and what went wrong in it."""

    page: Page
    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)


OpenVisit = Callable[..., Visit]


def build() -> None:
    """Build the page, or skip."""
    subprocess.run([ROOT / "requirements" / "frontend.sh"], check=True)
    if not BUILT.is_file():
        pytest.skip("the page takes Node.js to build (requirements/frontend.sh)")


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """A browser, with an event loop that ends with it: whatever comes later couldn't run one of its own."""
    if not CHROMIUM.exists():
        pytest.skip("Debian's chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def built() -> None:
    """The page is built, which takes Node.js."""
    build()


@pytest.fixture(scope="package")
def chromium(built: None) -> Iterator[Browser]:
    """One browser; visits are apart from each other."""
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that all tests share, each with songs of its own."""
    server = Server(tmp_path_factory.mktemp("served") / "data")
    yield server
    server.stop()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[OpenVisit]:
    """Opens the page as somebody new, and waits for the words of `ready`. Options are those of a browser context."""
    contexts = []

    def open_page(address: str, ready: str = "a minute.", **options: Any) -> Visit:
        context = chromium.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(EARS)
        contexts.append(context)
        visit = Visit(context.new_page())
        context.on("request", lambda request: visit.hosts.add(request.url.split("/")[2]))
        visit.page.on(
            "console",
            lambda message: visit.complaints.append(message.text) if message.type == "error" else None,
        )
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        visit.page.goto(address)
        expect(visit.page.locator("main")).to_contain_text(ready)
        return visit

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="package")
def songs(tmp_path_factory: pytest.TempPathFactory, write_wave: WriteWave) -> dict[str, Path]:
    """A short song, two that take their time, and a file that only calls itself one."""
    folder = tmp_path_factory.mktemp("songs")
    made = {
        "short": write_wave(folder / "A short song.wav", seconds=12.5),
        "long": write_wave(folder / "A long song.wav", seconds=90, sample_rate=8000, channels=1),
        "other": write_wave(folder / "Another song.wav", seconds=20, sample_rate=22050, channels=1),
        "broken": folder / "Broken.mp3",
    }
    made["broken"].write_bytes(b"ID3\x04" + b"\0" * 20_000)
    return made


@pytest.fixture(scope="package")
def by_command_line(songs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stems of the short song as `unbraid separate` writes them."""
    folder = tmp_path_factory.mktemp("separated")
    subprocess.run(
        [sys.executable, "-m", "unbraid", "separate", "-q", "-m", "lite", "-o", folder, songs["short"]],
        check=True,
    )
    return folder / songs["short"].stem


@pytest.fixture(scope="package")
def separated(server: Server, songs: dict[str, Path]) -> str:
    """The id of the short song's session, once the server has taken it apart."""
    with httpx.Client(base_url=server.address) as client:
        upload = client.post(
            "/upload", json={"fileName": songs["short"].name, "fileType": "audio/wav"}
        ).json()
        client.put(
            upload["uploadUrl"], content=songs["short"].read_bytes(), headers={"Content-Type": "audio/wav"}
        )
        session: str = upload["sessionId"]
        client.post("/process", json={"sessionId": session, "s3Key": upload["s3Key"], "model": "lite"})
        for _ in range(600):
            if client.get(f"/status/{session}").json()["status"] == "COMPLETED":
                return session
            time.sleep(0.2)
    raise AssertionError("the song was not taken apart")
