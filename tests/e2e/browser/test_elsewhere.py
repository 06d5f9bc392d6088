"""The page on a host of its own, and the build that makes it."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.browser import sound
from tests.e2e.browser.conftest import BUILT, ROOT, OpenVisit
from tests.e2e.browser.serving import Server
from tests.e2e.browser.steps import open_song, pick

BUDGET = 150 * 1024  # bytes of script, gzipped


@pytest.fixture
def static_host(built: None, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder with a copy of the page, and an address that gives its files and knows nothing else."""
    folder = tmp_path / "host" / "music" / "unbraid"
    shutil.copytree(BUILT.parent, folder)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "host")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as host:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{host.server_port}"
        host.shutdown()


def test_any_static_host_can_serve_the_page(
    static_host: tuple[Path, str], visit: OpenVisit, songs: dict[str, Path], tmp_path: Path
) -> None:
    folder, origin = static_host
    server = Server(tmp_path / "data", "--origin", origin)
    try:
        (folder / "config.json").write_text(json.dumps({"apiUrl": server.address.rstrip("/")}))
        someone = visit(f"{origin}/music/unbraid/")
        page = someone.page
        pick(page, songs["other"])
        song = open_song(page, songs["other"])
        song.get_by_role("button", name="Play", exact=True).click()
        page.wait_for_function("() => window.ears.context?.currentTime > 1")
        assert sound.loudness(page) > 0.01
        with page.expect_download() as download:
            song.get_by_role("link", name="Download vocals.wav").click()
        assert download.value.suggested_filename == "Another song - vocals.wav"
        assert someone.complaints == []
        assert someone.hosts == {origin.split("/")[2], f"127.0.0.1:{server.port}"}
    finally:
        server.stop()


def test_the_scripts_keep_within_their_budget(built: None) -> None:
    scripts = sorted((BUILT.parent / "assets").glob("*.js"))
    gzipped = [
        subprocess.run(["gzip", "-9c", script], capture_output=True, check=True).stdout for script in scripts
    ]
    assert 0 < sum(map(len, gzipped)) < BUDGET


def test_without_node_the_server_still_starts_and_words_say_so(tmp_path: Path) -> None:
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


def test_the_lock_file_names_no_host() -> None:
    lock = json.loads((ROOT / "frontend" / "package-lock.json").read_text("utf-8"))
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
    assert all("integrity" in package for name, package in lock["packages"].items() if name)
