"""Many clients at once while songs are separated: how long a status takes, and what the web process costs.

    python benchmarks/load.py [--pollers 200] [--uploaders 20] [--workers 2] [--seconds 60] [--mbit 4] [--json FILE]

`unbraid serve` is started three times, each time until it has answered; the memory of its web process is read when
nobody asks it for anything. Then every poller asks `POST /status` once a second, and every uploader brings one song
of a minute after the other (10.6 MB each, `--mbit` a second) and has it separated with `lite`. Each client has an
address of its own (127.0.x.y), as the rate limit, which stays as it is, counts by address. Pollers and uploaders are
two processes, so that neither the server nor sending is in their way. Fails unless

- every answer is a good one, and no song fails;
- 95 % of the status calls take less than 50 ms;
- the web process needs less than 150 MB before the load, and every start less than 2 s.

Times are the clients' own, and with them for how much of the time their event loop was late by over 5 ms: that share
is in the figures. Needs Linux, a quiet machine, and the test dependencies.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from load_clients import Polled, Uploaded, poll, upload
from serving import Served, cpu_s, memory
from songs import write_song

STARTS = 3
REST_S = 5.0  # after a start, before memory is read
SONG_S = 60.0
MANY = 100  # sessions in one call
STATUS_MS, SHARE = 50.0, 0.95
MEMORY_BYTES = 150e6
START_S = 2.0


def main() -> int:
    """Measure, print, and say whether the promise holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pollers", type=int, default=200)
    parser.add_argument("--uploaders", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--mbit", type=float, default=4, help="a second that each uploader sends")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        song = write_song(place / "song.wav", SONG_S, 0)
        with Served(place / "house", "--workers", str(options.workers), keep_free_bytes=0) as server:
            starts = []
            for _ in range(STARTS - 1):
                starts.append(server.start())
                server.stop()
            starts.append(server.start())
            idle = idle_memory(server)
            print(f"starts: {', '.join(f'{seconds:.2f} s' for seconds in starts)}")
            print(f"memory of the web process when idle: {shown(idle)}", flush=True)
            used, began = cpu_s(server.pid), time.monotonic()
            polled, uploaded, states = under_load(server, song, options)
            busy = (cpu_s(server.pid) - used) / (time.monotonic() - began)
            loaded = memory(server.pid)
            faults = server.faults()
    report = {
        "date": time.strftime("%Y-%m-%d"),
        "starts_s": [round(seconds, 2) for seconds in starts],
        "idle_bytes": idle,
        "loaded_bytes": loaded,
        "web_process_cores": round(busy, 2),
        "status_ms": {name: round(value, 1) for name, value in percentiles(polled.times_ms).items()},
        "status_calls": len(polled.times_ms),
        "uploads": len(uploaded.times_s),
        "upload_s": round(statistics.median(uploaded.times_s), 2) if uploaded.times_s else None,
        "sessions": states,
        "pollers_late": round(polled.late, 4),
        "uploaders_late": round(uploaded.late, 4),
        "errors": [*polled.errors, *uploaded.errors, *faults],
    }
    show(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    wrong = broken_promises(report)
    for line in wrong:
        print(f"  {line}")
    print("holds" if not wrong else "DOES NOT HOLD")
    return 1 if wrong else 0


def idle_memory(server: Served) -> dict[str, int]:
    """Of the web process, once it has answered a first page and rests."""
    for path in ("/models", "/config", "/openapi.json"):
        server.call("GET", path)
    time.sleep(REST_S)
    return memory(server.pid)


def under_load(
    server: Served, song: Path, options: argparse.Namespace
) -> tuple[Polled, Uploaded, dict[str, int]]:
    """What the clients saw, and where the songs stand in the end."""
    context = multiprocessing.get_context("spawn")
    tell, hear = context.Pipe()
    ours: list[Connection] = []
    processes = []
    for target, arguments in (
        (poll, (server.address, options.pollers, options.seconds, hear)),
        (upload, (server.address, options.uploaders, options.seconds, options.mbit * 1e6 / 8, song, tell)),
    ):
        mine, theirs = context.Pipe()
        ours.append(mine)
        processes.append(context.Process(target=target, args=(*arguments, theirs)))
        processes[-1].start()
    polled, uploaded = (one.recv() for one in ours)
    for process in processes:
        process.join()
    return polled, uploaded, dict(states_of(server, uploaded))


def states_of(server: Served, uploaded: Uploaded) -> Counter[str]:
    """Where the songs stand in the end; a failed one is an error."""
    states: Counter[str] = Counter()
    for start in range(0, len(uploaded.sessions), MANY):
        ids = uploaded.sessions[start : start + MANY]
        _, told = server.call("POST", "/batch/status", {"session_ids": ids})
        states.update(one["status"] for one in told["sessions"])
    if set(states) - {"PENDING", "IN_PROGRESS", "COMPLETED"}:
        uploaded.errors.append(f"in the end: {dict(states)}")
    return states


def percentiles(times_ms: list[float]) -> dict[str, float]:
    """Half, 90, 95, 99 % and all of the calls took at most so long."""
    if len(times_ms) < 2:
        return {}
    cuts = statistics.quantiles(times_ms, n=100, method="inclusive")
    return {"50": cuts[49], "90": cuts[89], "95": cuts[94], "99": cuts[98], "all": max(times_ms)}


def show(report: dict[str, Any]) -> None:
    """In lines for people."""
    times = ", ".join(f"{name} % {value:g} ms" for name, value in report["status_ms"].items())
    print(f"{report['status_calls']} status calls: {times}")
    print(
        f"{report['uploads']} songs were sent, each in {report['upload_s']} s; in the end {report['sessions']}"
    )
    print(
        f"event loops late: pollers {report['pollers_late']:.1%}, uploaders {report['uploaders_late']:.1%} of the time"
    )
    print(
        f"the web process used {report['web_process_cores']:g} cores; its memory then: {shown(report['loaded_bytes'])}"
    )


def shown(found: dict[str, int]) -> str:
    """In MB."""
    return ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in found.items())


def broken_promises(report: dict[str, Any]) -> list[str]:
    """A line for each."""
    wrong = [f"error: {error}" for error in report["errors"][:20]]
    if report["status_ms"].get("95", STATUS_MS) >= STATUS_MS:
        wrong.append(f"{SHARE:.0%} of the status calls take more than {STATUS_MS:g} ms")
    if report["idle_bytes"]["Rss"] >= MEMORY_BYTES:
        wrong.append("the web process is too large")
    if max(report["starts_s"]) >= START_S:
        wrong.append(f"a start takes more than {START_S:g} s")
    if not report["sessions"].get("COMPLETED"):
        wrong.append("nothing was separated meanwhile")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
