"""Measure the memory of the page's tab while a long song with many stems plays, in Chromium.

    python benchmarks/page_memory.py [--seconds 300] [--play 60] [--chromium /usr/bin/chromium]

Generates a song, separates it into four stems with `lite`, and one of them again into four parts, so that seven stems
sound. Then it plays the song, jumps through it, changes its key, and prints the largest memory of the tab's process.
Needs playwright.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.songs import write_song

FLAGS = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
JUMPS = 12


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=300, help="length of the song")
    parser.add_argument("--play", type=float, default=60, help="seconds to play it")
    parser.add_argument("--chromium", type=Path, default=Path("/usr/bin/chromium"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        song = write_song(Path(folder) / "song.wav", options.seconds, seed=1)
        command = [sys.executable, "-m", "unbraid", "serve", "--port", "0", "--data", f"{folder}/data"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                address = server.stdout.readline().strip()
                session = separate(address, song)
                with sync_playwright() as playwright:
                    browser = playwright.chromium.launch(executable_path=options.chromium, args=FLAGS)
                    print(json.dumps(measure(browser, f"{address}#/s/{session}", options.play)))
                    browser.close()
            finally:
                server.terminate()


def separate(address: str, song: Path) -> str:
    """Separate the song into four stems and the parts of one of them. Returns the session id."""
    with httpx.Client(base_url=address, timeout=60) as client:

        def wait(session: str) -> None:
            while client.get(f"/status/{session}").json()["status"] != "COMPLETED":
                time.sleep(1)

        upload = client.post("/upload", json={"fileName": song.name, "fileType": "audio/wav"}).json()
        content = song.read_bytes()
        client.put(
            upload["uploadUrl"], content=content, headers={"Content-Type": "audio/wav"}
        ).raise_for_status()
        session: str = upload["sessionId"]
        choices = {"model": "lite", "stems": "all", "format": "flac"}
        body = {"sessionId": session, "s3Key": upload["s3Key"], **choices}
        client.post("/process", json=body).raise_for_status()
        wait(session)
        parts = client.post("/process", json={"sessionId": session, "from": "other", "model": "lite"})
        wait(parts.raise_for_status().json()["sessionId"])
        return session


def measure(browser: Browser, url: str, play_s: float) -> dict[str, float]:
    """Open the song, play it and jump. Memory in MB: that of the tab's process that no other process shares."""
    page = browser.new_page()
    page.goto(url)
    page.get_by_role("button", name="Play", exact=True).wait_for(timeout=60_000)
    tab = process_of(browser, page)
    loaded = private_mb(tab)
    stems = page.locator(".lanes .volume").count()
    page.get_by_role("button", name="Play", exact=True).click()
    peak = largest(page, tab, play_s)
    playhead = page.get_by_role("slider", name="Playhead")
    for jump in range(JUMPS):
        playhead.evaluate("(slider) => slider.focus()")
        page.keyboard.press("Home" if jump % 4 == 3 else "Shift+ArrowRight")
        peak = max(peak, largest(page, tab, 3))
    page.get_by_role("button", name="Key: more").click()
    peak = max(peak, largest(page, tab, 10))
    return {
        "stems": stems,
        "loaded_mb": round(loaded),
        "peak_mb": round(peak),
        "heap_mb": round(heap_mb(page)),
    }


def process_of(browser: Browser, page: Page) -> int:
    """Id of the process that renders the page: the one whose processor time grows while the page computes."""
    session = browser.new_browser_cdp_session()

    def times() -> dict[int, float]:
        processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
        return {each["id"]: each["cpuTime"] for each in processes if each["type"] == "renderer"}

    before = times()
    page.evaluate("() => { const end = performance.now() + 1500; while (performance.now() < end); }")
    return max((used - before.get(pid, used), pid) for pid, used in times().items())[1]


def largest(page: Page, pid: int, seconds: float) -> float:
    """The largest memory of a process within this time, in MB."""
    peak, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        peak = max(peak, private_mb(pid))
        page.wait_for_timeout(250)
    return peak


def private_mb(pid: int) -> float:
    """Memory of a process that it shares with no other, in MB, as Chromium's task manager counts."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    private = [line.split() for line in lines if line.startswith("Private_")]
    return sum(int(size) for _, size, _ in private) * 1024 / 1e6


def heap_mb(page: Page) -> float:
    """JavaScript's part of the memory, in MB."""
    session = page.context.new_cdp_session(page)
    return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1e6


if __name__ == "__main__":
    main()
