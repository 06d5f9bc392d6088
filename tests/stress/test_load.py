"""Many clients poll and upload while workers separate songs: every call is answered, quickly and in little memory.

Every poller calls `POST /status` once a second. Every uploader uploads one song after the other and has it separated
with `lite`. Each client has its own address (127.0.x.y), because the rate limit, which stays on, counts by address.
Pollers and uploaders are two processes, so that neither slows the other.

The short form checks errors and memory. The long form (`./test -m stress tests/stress/test_load.py -s`) also checks
times, so it needs a quiet machine: 95 % of the status calls take less than 50 ms, and a start less than 2 s. Clients
measure the times, and the report says for how much of the time their event loops were late by over 5 ms.
STRESS_POLLERS, STRESS_UPLOADERS, STRESS_WORKERS, STRESS_SECONDS and STRESS_MBIT change it; STRESS_REPORT names a file
for the figures in JSON. Needs Linux.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from benchmarks.songs import write_song
from tests.stress.load_clients import PollResult, UploadResult, poll, upload
from tests.stress.local_server import PATIENCE_S, LocalServer, cpu_s, memory
from tests.stress.run_options import option

SESSIONS_PER_CALL = 100
MAX_STATUS_MS = 50.0  # for 95 % of the status calls
MAX_IDLE_BYTES = 150e6
MAX_START_S = 2.0


@dataclass(frozen=True)
class Load:
    """Size of a run. `mbit`: upload rate of each client in Mbit/s. `timed`: check times too."""

    pollers: int
    uploaders: int
    workers: int
    seconds: float
    mbit: float
    song_s: float
    starts: int
    rest_s: float
    """Pause after a start, before memory is read."""
    timed: bool


LOADS = [
    pytest.param(Load(20, 2, 1, 4, 8, 5, starts=1, rest_s=0.5, timed=False), id="short"),
    pytest.param(
        Load(
            int(option("POLLERS", 200)),
            int(option("UPLOADERS", 20)),
            int(option("WORKERS", 2)),
            option("SECONDS", 60),
            option("MBIT", 4),
            60,
            starts=3,
            rest_s=5,
            timed=True,
        ),
        id="long",
        marks=pytest.mark.stress,
    ),
]

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="reads memory from /proc, which only Linux has"
)


@pytest.mark.parametrize("load", LOADS)
def test_answers_every_call_under_load(load: Load, tmp_path: Path) -> None:
    song = write_song(tmp_path / "song.wav", load.song_s, 0)
    with LocalServer(tmp_path / "server", "--workers", str(load.workers), keep_free_bytes=0) as server:
        starts = []
        for _ in range(load.starts - 1):
            starts.append(server.start())
            server.stop()
        starts.append(server.start())
        idle = idle_memory(server, load.rest_s)
        print(f"starts: {', '.join(f'{seconds:.2f} s' for seconds in starts)}")
        print(f"memory of the web process when idle: {in_mb(idle)}", flush=True)
        cpu_before, began = cpu_s(server.pid), time.monotonic()
        polled, uploaded = run_clients(server, song, load)
        busy = (cpu_s(server.pid) - cpu_before) / (time.monotonic() - began)
        states = wait_for_one_completed(server, uploaded)
        report = {
            "date": time.strftime("%Y-%m-%d"),
            "starts_s": [round(seconds, 2) for seconds in starts],
            "idle_bytes": idle,
            "loaded_bytes": memory(server.pid),
            "web_process_cores": round(busy, 2),
            "status_ms": {name: round(value, 1) for name, value in percentiles(polled.times_ms).items()},
            "status_calls": len(polled.times_ms),
            "uploads": len(uploaded.times_s),
            "upload_s": round(statistics.median(uploaded.times_s), 2) if uploaded.times_s else None,
            "sessions": dict(states),
            "pollers_late": round(polled.late, 4),
            "uploaders_late": round(uploaded.late, 4),
            "errors": [*polled.errors, *uploaded.errors, *server.logged_errors()],
        }
    show(report)
    if "STRESS_REPORT" in os.environ and load.timed:
        Path(os.environ["STRESS_REPORT"]).write_text(json.dumps(report, indent=2) + "\n")
    assert report["errors"] == []
    assert set(states) <= {"PENDING", "IN_PROGRESS", "COMPLETED"}
    assert states["COMPLETED"]
    assert idle["Rss"] < MAX_IDLE_BYTES
    if load.timed:
        assert report["status_ms"]["95"] < MAX_STATUS_MS
        assert max(starts) < MAX_START_S


def idle_memory(server: LocalServer, rest_s: float) -> dict[str, int]:
    """Memory of the web process after it has served a page and rested."""
    for path in ("/models", "/config", "/openapi.json"):
        server.call("GET", path)
    time.sleep(rest_s)
    return memory(server.pid)


def run_clients(server: LocalServer, song: Path, load: Load) -> tuple[PollResult, UploadResult]:
    """Run pollers and uploaders and return their results."""
    context = multiprocessing.get_context("spawn")
    new_sessions, sessions_to_poll = context.Pipe()
    results: list[Connection] = []
    processes = []
    rate = load.mbit * 1e6 / 8
    for target, arguments in (
        (poll, (server.url, load.pollers, load.seconds, sessions_to_poll)),
        (upload, (server.url, load.uploaders, load.seconds, rate, song, new_sessions)),
    ):
        ours, theirs = context.Pipe()
        results.append(ours)
        processes.append(context.Process(target=target, args=(*arguments, theirs)))
        processes[-1].start()
    polled, uploaded = (connection.recv() for connection in results)
    for process in processes:
        process.join()
    return polled, uploaded


def wait_for_one_completed(server: LocalServer, uploaded: UploadResult) -> Counter[str]:
    """Number of sessions in each state, as soon as one is completed."""
    until = time.monotonic() + PATIENCE_S
    while True:
        states: Counter[str] = Counter()
        for start in range(0, len(uploaded.sessions), SESSIONS_PER_CALL):
            ids = uploaded.sessions[start : start + SESSIONS_PER_CALL]
            _, answer = server.call("POST", "/batch/status", {"session_ids": ids})
            states.update(session["status"] for session in answer["sessions"])
        if states["COMPLETED"] or time.monotonic() > until:
            return states
        time.sleep(0.2)


def percentiles(times_ms: list[float]) -> dict[str, float]:
    """Times that 50, 90, 95, 99 and 100 % of the calls did not exceed."""
    cuts = statistics.quantiles(times_ms, n=100, method="inclusive")
    return {"50": cuts[49], "90": cuts[89], "95": cuts[94], "99": cuts[98], "all": max(times_ms)}


def show(report: dict[str, Any]) -> None:
    """Print the report."""
    times = ", ".join(f"{name} % in {value:g} ms" for name, value in report["status_ms"].items())
    print(f"{report['status_calls']} status calls: {times}")
    print(
        f"{report['uploads']} uploads, median {report['upload_s']} s; sessions at the end: {report['sessions']}"
    )
    print(
        f"late event loops: pollers {report['pollers_late']:.1%}, uploaders {report['uploaders_late']:.1%} of the time"
    )
    print(
        f"the web process used {report['web_process_cores']:g} cores;"
        f" its memory at the end: {in_mb(report['loaded_bytes'])}"
    )


def in_mb(sizes: dict[str, int]) -> str:
    """Sizes in MB."""
    return ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in sizes.items())
