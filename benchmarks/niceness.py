"""Measure what the app's workers get of the processor beside other programs, by `UNBRAID_NICE`. Needs Linux.

    python benchmarks/niceness.py [--nice 15 5 0] [--busy 2] [--rounds 3]

For each niceness the app separates one song with `lite`, beside programs that compute without a pause. `share` is the
worker's processor time while it works, divided by that of one such program. `health` is the time that `GET /healthz`
takes meanwhile. The rounds alternate, so that other load of the machine meets each niceness.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.songs import write_song

TICKS_HZ = os.sysconf("SC_CLK_TCK")
PAUSE_S = 0.02  # between two health checks


@dataclass(frozen=True, slots=True)
class Round:
    """Figures of one song."""

    wall_s: float
    share: float
    health_s: list[float]


def main() -> int:
    """Measure, and print one line of Markdown for each niceness."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nice", type=int, nargs="+", default=[15, 5, 0])
    parser.add_argument("--busy", type=int, default=2, help="number of other programs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=11.0, help="length of the song")
    options = parser.parse_args()
    rounds: dict[int, list[Round]] = {nice: [] for nice in options.nice}
    with tempfile.TemporaryDirectory() as folder:
        song = write_song(Path(folder) / "song.wav", options.seconds, seed=1)
        for number in range(options.rounds):
            for nice in options.nice:
                measured = measure(song, Path(folder) / f"data-{number}-{nice}", nice, options.busy)
                rounds[nice].append(measured)
                print(f"{nice}: {measured.wall_s:.1f} s, {measured.share:.2f}", file=sys.stderr)
    print("| niceness | song done after | share | health, median | 95 % | longest |")
    print("| --- | --- | --- | --- | --- | --- |")
    for nice, some in rounds.items():
        health = sorted(time_s for one in some for time_s in one.health_s)
        times = (statistics.median(health), health[int(0.95 * len(health))], health[-1])
        wall = ", ".join(f"{one.wall_s:.1f}" for one in some)
        share = statistics.median(one.share for one in some)
        print(
            f"| {nice} | {wall} s | {share:.2f} | " + " | ".join(f"{1000 * t:.0f} ms" for t in times) + " |"
        )
    return 0


def measure(song: Path, data: Path, nice: int, busy: int) -> Round:
    """Separate `song` in an app of its own beside `busy` programs."""
    with ExitStack() as stack:
        url = stack.enter_context(app(data, nice))
        programs = [
            stack.enter_context(started([sys.executable, "-c", "while True: pass"])) for _ in range(busy)
        ]
        began = time.monotonic()
        upload = call(url, "/upload", {"fileName": song.name, "fileType": "audio/wav"})
        request = urllib.request.Request(upload["uploadUrl"], song.read_bytes(), method="PUT")
        request.add_header("Content-Type", "audio/wav")
        urllib.request.urlopen(request).close()
        body = {"sessionId": upload["sessionId"], "s3Key": upload["s3Key"], "model": "lite"}
        call(url, "/process", body)
        before = {one.pid: cpu_s(one.pid) for one in programs}
        worker = worker_of(data)
        worked, health_s, status = cpu_s(worker), [], ""
        while status != "COMPLETED":
            asked = time.monotonic()
            urllib.request.urlopen(f"{url}/healthz").close()
            health_s.append(time.monotonic() - asked)
            status = call(url, "/status", {"session_id": upload["sessionId"]})["status"]
            assert status not in ("FAILED", "CANCELLED"), status
            time.sleep(PAUSE_S)
        wall_s = time.monotonic() - began
        others = statistics.mean(cpu_s(one.pid) - before[one.pid] for one in programs) if programs else wall_s
        return Round(wall_s, (cpu_s(worker) - worked) / others, health_s)


@contextmanager
def app(data: Path, nice: int) -> Iterator[str]:
    """Run the app with one worker, and yield its address."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("UNBRAID_")}
    variables |= {"UNBRAID_NICE": str(nice), "UNBRAID_OFFLINE": "1", "UNBRAID_RATE": "1000"}
    command = [sys.executable, "-m", "unbraid", "serve", "--port", "0", "--workers", "1", "--data", str(data)]
    with started(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        yield server.stdout.readline().decode().strip()


@contextmanager
def started(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a session of its own, as a desktop or a service manager starts it; stop it at the end."""
    process = subprocess.Popen(command, start_new_session=True, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def call(url: str, path: str, body: dict[str, str]) -> dict[str, Any]:
    """POST JSON, and return the answer."""
    request = urllib.request.Request(
        url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        content: dict[str, Any] = json.load(answer)
        return content


def worker_of(data: Path) -> int:
    """Return the process id of the worker that uses the folder `data`."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, variables = ((process / name).read_bytes() for name in ("cmdline", "environ"))
        except OSError:
            continue
        if b"unbraid.local.worker" in command and f"UNBRAID_DATA={data}".encode() in variables.split(b"\0"):
            return int(process.name)
    raise LookupError("the app has no worker")


def cpu_s(pid: int) -> float:
    """Return the processor time of a process and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_HZ


if __name__ == "__main__":
    sys.exit(main())
