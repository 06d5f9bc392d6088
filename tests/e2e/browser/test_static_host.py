"""The page on another host than the API, and its build."""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.browser import audio_probe
from tests.e2e.browser.conftest import BUILT, ROOT, OpenVisit
from tests.e2e.browser.server import Server
from tests.e2e.browser.steps import open_song, pick

BUDGET = 150 * 1024  # bytes of the first view's scripts, gzipped


@pytest.fixture
def static_host(built: None, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder with a copy of the page, and the address of a static server for it."""
    folder = tmp_path / "host" / "music" / "unbraid"
    shutil.copytree(BUILT.parent, folder)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "host")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as host:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{host.server_port}"
        host.shutdown()


def test_page_works_on_a_static_host(
    static_host: tuple[Path, str], visit: OpenVisit, songs: dict[str, Path], tmp_path: Path
) -> None:
    folder, origin = static_host
    server = Server(tmp_path / "data", "--origin", origin)
    try:
        (folder / "config.json").write_text(json.dumps({"apiUrl": server.address.rstrip("/")}))
        user = visit(f"{origin}/music/unbraid/")
        page = user.page
        pick(page, songs["other"])
        song = open_song(page, songs["other"])
        song.get_by_role("button", name="Play", exact=True).click()
        audio_probe.wait_until_heard(page)
        with page.expect_download() as download:
            song.get_by_role("link", name="Download vocals.wav").click()
        assert download.value.suggested_filename == "Another song - vocals.wav"
        assert user.errors == []
        assert user.hosts == {origin.split("/")[2], f"127.0.0.1:{server.port}"}
    finally:
        server.stop()


def test_scripts_of_the_first_view_are_within_their_size_budget(built: None) -> None:
    names = re.findall(r'<script[^>]* src="\./(assets/[^"]+\.js)"', BUILT.read_text("utf-8"))
    scripts = [BUILT.parent / name for name in names]
    gzipped = [
        subprocess.run(["gzip", "-9c", script], capture_output=True, check=True).stdout for script in scripts
    ]
    assert 0 < sum(map(len, gzipped)) < BUDGET


def test_build_without_node_succeeds_with_a_message(tmp_path: Path) -> None:
    for part in ("frontend", "requirements"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("node_modules"))
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sh", "dirname", "find", "ls", "sort", "xargs", "cksum", "cat", "sed"):
        (tools / tool).symlink_to(shutil.which(tool) or "")
    ran = subprocess.run(
        [tmp_path / "requirements" / "frontend.sh"],
        env={**os.environ, "PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0
    assert (
        "Node.js 18.18 or newer with npm is missing, so there is no page: the API works without it"
        in ran.stderr
    )


def test_lock_file_names_no_host() -> None:
    lock = json.loads((ROOT / "frontend" / "package-lock.json").read_text("utf-8"))
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
    assert all("integrity" in package for name, package in lock["packages"].items() if name)
