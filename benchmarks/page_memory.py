"""Measure the memory of the page's tab while a long song with six or seven stems plays, in Chromium.

    .venv-test/bin/python benchmarks/page_memory.py [--stems 6] [--seconds 300] [--play 60] [--at-most-mb N] [--details]

It needs the packages of the tests (CONTRIBUTING.md), Chromium and Node.js. It generates a song, separates it into four
stems with `lite`, and one of them again into four parts, so that seven stems sound. With `--stems 6` it separates the
song into six stems with `htdemucs_6s`, whose weights are seeded (`seeded_models.py`; needs PyTorch). Then it opens the
song, plays it while the browser keeps it for offline, jumps through it, and changes its key. Prints a table with the
largest memory of each step: of the tab's process, and of all processes of the browser. Memory is in MB, and doesn't
count what a process shares with others. Fails if the tab's process has more than `--at-most-mb` at any time.
`--details` also prints what the tab's process allocates after each step, as Chromium's tracing counts it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.songs import write_song  # noqa: E402
from tests.e2e.browser.conftest import CHROMIUM, FLAGS, build  # noqa: E402
from tests.e2e.browser.server import running_server  # noqa: E402

SIX_STEMS = "htdemucs_6s"
# By how many stems sound. Seven: three stems, and four parts of the stem that was split, which is shown too.
LANES = {6: 6, 7: 8}
JUMPS = 12
# Chromium's names for the samples of decoded audio and other buffers, objects of the page (styles, layout, nodes),
# JavaScript's objects, and the rest.
ALLOCATORS = ["partition_alloc/partitions/array_buffer", "blink_gc/main", "v8/main", "malloc", "cc", "canvas"]
KEPT = """async () => {
  const cache = await caches.open(`unbraid-songs ${location.origin}/ `);
  const [status] = (await cache.keys()).filter(({ url }) => url.includes('/offline/'));
  return status !== undefined && (await (await cache.match(status)).json()).complete;
}"""


def main() -> None:
    """Print the table, and check the limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--stems", type=int, choices=LANES, default=7, help="how many stems sound (default 7)"
    )
    parser.add_argument("--seconds", type=float, default=300, help="length of the song")
    parser.add_argument("--play", type=float, default=60, help="seconds to play it")
    parser.add_argument("--at-most-mb", type=float, default=400, help="limit for the tab (default 400)")
    parser.add_argument("--details", action="store_true", help="print what the tab allocates")
    options = parser.parse_args()
    build()
    with tempfile.TemporaryDirectory() as folder:
        song = write_song(Path(folder, "song.wav"), options.seconds, seed=1)
        if options.stems == 6:
            from seeded_models import install

            install(SIX_STEMS, Path(folder, "models"))
        with running_server(Path(folder, "data")) as server, sync_playwright() as playwright:
            session = separate(server.address, song, options.stems)
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            url = f"{server.address}#/s/{session}"
            largest = measure(browser, url, LANES[options.stems], options.play, options.details)
            browser.close()
    if largest > options.at_most_mb:
        raise SystemExit(f"page_memory.py: the tab had {largest:.0f} MB, more than {options.at_most_mb:.0f}")


def separate(address: str, song: Path, stems: int) -> str:
    """Separate the song into six stems, or into four and one of them into four parts. Returns the session id."""
    with httpx.Client(base_url=address, timeout=60) as client:

        def wait(session: str) -> None:
            while (status := client.get(f"/status/{session}").json())["status"] != "COMPLETED":
                if status["status"] == "FAILED":
                    raise SystemExit(f"page_memory.py: {status}")
                time.sleep(1)

        upload = client.post("/upload", json={"fileName": song.name, "fileType": "audio/wav"}).json()
        content = song.read_bytes()
        client.put(
            upload["uploadUrl"], content=content, headers={"Content-Type": "audio/wav"}
        ).raise_for_status()
        session: str = upload["sessionId"]
        body = {
            "sessionId": session,
            "s3Key": upload["s3Key"],
            "model": SIX_STEMS if stems == 6 else "lite",
            "stems": "all",
            "format": "flac",
        }
        client.post("/process", json=body).raise_for_status()
        wait(session)
        if stems != 6:
            parts = client.post("/process", json={"sessionId": session, "from": "other", "model": "lite"})
            wait(parts.raise_for_status().json()["sessionId"])
        return session


class Meter:
    """Measures the largest memory of the tab's process and of all processes of a browser, in MB."""

    def __init__(self, browser: Browser, page: Page, details: bool) -> None:
        self.inside = browser.new_browser_cdp_session()
        self.page, self.details = page, details
        self.tab = process_of(self.inside, page)
        self.largest = 0.0
        self._tab_mb: list[float] = []
        self._all_mb: list[float] = []

    def sample(self) -> None:
        """Measure now."""
        memory = private_mb(self.inside)
        self._tab_mb.append(memory[self.tab])
        self._all_mb.append(sum(memory.values()))

    def wait(self, seconds: float) -> None:
        """Measure several times a second."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.sample()
            self.page.wait_for_timeout(250)

    def report(self, step: str) -> None:
        """Print the row of a step, which ends now."""
        largest = max(self._tab_mb)
        self.largest = max(self.largest, largest)
        print(f"| {step} | {largest:.0f} | {self._tab_mb[-1]:.0f} | {max(self._all_mb):.0f} |", flush=True)
        if self.details:
            print(json.dumps({"after": step, **allocated_mb(self.inside, self.tab)}), flush=True)
        self._tab_mb, self._all_mb = [], []


def measure(browser: Browser, url: str, lanes: int, play_s: float, details: bool) -> float:
    """Open the song, play it, jump, and change its key. Returns the largest memory of the tab in MB."""
    page = browser.new_page()
    page.set_default_timeout(60_000)
    page.goto(url)
    play = page.get_by_role("button", name="Play", exact=True)
    play.wait_for()
    if page.locator(".lane:not(.click):not(.original-lane) .stem-name").count() != lanes:
        raise SystemExit("page_memory.py: the page doesn't show all stems")
    meter = Meter(browser, page, details)
    print("| step | largest of the tab | at the end | largest of all processes |")
    print("| --- | --- | --- | --- |")
    meter.wait(2)
    meter.report("opened")
    play.click()
    meter.wait(play_s)
    while not page.evaluate(KEPT):
        meter.wait(1)
    meter.report(f"played {play_s:.0f} s, and kept for offline")
    playhead = page.get_by_role("slider", name="Playhead")
    for jump in range(JUMPS):
        playhead.evaluate("(slider) => slider.focus()")
        page.keyboard.press("Home" if jump % 4 == 3 else "PageUp")
        meter.wait(3)
    meter.report(f"{JUMPS} jumps")
    page.get_by_role("button", name="Key: more").click()
    meter.wait(10)
    meter.report("key changed")
    return meter.largest


def process_of(inside: CDPSession, page: Page) -> int:
    """Id of the process that renders the page: the one whose processor time grows while the page computes."""

    def times() -> dict[int, float]:
        processes = inside.send("SystemInfo.getProcessInfo")["processInfo"]
        return {each["id"]: each["cpuTime"] for each in processes if each["type"] == "renderer"}

    before = times()
    page.evaluate("() => { const end = performance.now() + 1500; while (performance.now() < end); }")
    return max((used - before.get(pid, used), pid) for pid, used in times().items())[1]


def private_mb(inside: CDPSession) -> dict[int, float]:
    """Memory of each process of the browser that it shares with no other, as Chromium's task manager counts."""
    processes = inside.send("SystemInfo.getProcessInfo")["processInfo"]
    return {each["id"]: process_mb(each["id"]) for each in processes}


def process_mb(pid: int) -> float:
    """Memory of a process that it shares with no other, in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    private = [line.split() for line in lines if line.startswith("Private_")]
    return sum(int(size) for _, size, _ in private) * 1024 / 1e6


def allocated_mb(inside: CDPSession, pid: int) -> dict[str, float]:
    """What a process has allocated, by allocator, in MB."""
    events: list[dict[str, Any]] = []
    done: list[bool] = []
    inside.on("Tracing.dataCollected", lambda event: events.extend(event["value"]))
    inside.on("Tracing.tracingComplete", lambda _: done.append(True))
    categories = ["disabled-by-default-memory-infra"]
    inside.send(
        "Tracing.start", {"traceConfig": {"includedCategories": categories, "excludedCategories": ["*"]}}
    )
    inside.send("Tracing.requestMemoryDump", {"levelOfDetail": "detailed"})
    inside.send("Tracing.end")
    while not done:
        inside.send("Browser.getVersion")  # lets events arrive
    sizes: dict[str, float] = {}
    for event in events:
        if event.get("pid") != pid:
            continue
        for name, dump in event.get("args", {}).get("dumps", {}).get("allocators", {}).items():
            size = dump.get("attrs", {}).get("size")
            if size is not None and name in ALLOCATORS:
                sizes[name] = round(int(size["value"], 16) / 1e6)
    return dict(sorted(sizes.items()))


if __name__ == "__main__":
    main()
