"""A server under requests and songs that mean no good: it answers, tells nothing, and touches nothing of others.

    python benchmarks/hostile.py [--requests 5000] [--spoilt 8] [--every 1] [--slow-s 20] [--seed 0]

In turn: requests that schemathesis makes against `/openapi.json`, each broken in some way, half of them about sessions
that exist; some thousand broken ones as bytes on a socket (`hostile_bytes.py`); uploads that lie, break off, come
twice, or whose song is deleted meanwhile; files that only call themselves songs, all the way through a worker
(`hostile_songs.py`); and 300 clients that send a byte a second. Fails unless

- no answer is 500 or above, and every request has one, or the end of its connection;
- every job ends COMPLETED, or FAILED with a reason in one line that names no place of the disk;
- neither the server nor its workers wrote down an error or a traceback, and both still live;
- besides the data folder nothing has changed: not in the folders that the server could take for home, current or
  temporary, and no file of the name that traversals aimed at is anywhere above;
- in the end nothing but songs that were sent is in the data folder, and the server answers as it did before.

The rate limit is set out of the way. Needs Linux, and the test dependencies.
"""

from __future__ import annotations

import argparse
import re
import secrets
import shutil
import socket
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import hostile_bytes
from hostile_fuzz import fuzz
from hostile_songs import hostile_songs
from hostile_uploads import Bringer, told, uploads
from serving import HTTP, STOPPED, Served, files_in, memory

SLOW = 300  # clients
LONG_HEADER = b"GET / HTTP/1.1\r\nX: " + b"x" * 60_000
ANSWER_S = 5.0  # for a server that has others to see to
QUIET_S = 0.5  # after which nothing more comes on a connection
ENDED = ("COMPLETED", "FAILED")
MOST_GROWTH = 200e6  # bytes of the web process: what a few hundred connections hold is given back


def main() -> int:
    """Run, print what happened, and say whether the promise holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=5000, help="by schemathesis (default 5000)")
    parser.add_argument("--spoilt", type=int, default=8, help="copies of each real song (default 8)")
    parser.add_argument(
        "--every", type=int, default=1, help="try each so-many-th of the rest alone (default all)"
    )
    parser.add_argument("--slow-s", type=float, default=20, help="seconds of slow senders (default 20)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    token = f"taken-{secrets.token_hex(8)}"
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "others").mkdir()
        (place / "others" / "song.mp3").write_text("somebody else's")
        limits = {"max_bytes": 64 << 20, "max_song_s": 600, "keep_free_bytes": 0, "models": "lite"}
        with Served(place / "house", "--workers", "1", rate=1e6, rate_burst=1_000_000, **limits) as server:
            server.start()
            before, at_rest = surroundings(server, place), memory(server.pid)["Rss"]
            wrong: list[str] = []
            for part in (
                lambda: fuzz(server, options.requests, options.seed),
                lambda: in_bytes(server, token, options.every),
                lambda: uploads(server, options.every),
                lambda: songs(server, place / "songs", options),
                lambda: slow(server, options.slow_s),
            ):
                found = [*part(), *still_answers(server)]
                for line in found[:20]:
                    print(f"  {line}", flush=True)
                wrong += found
            growth = memory(server.pid)["Rss"] - at_rest
            print(f"memory of the web process: {at_rest / 1e6:.0f} MB, {growth / 1e6:+.0f} MB in the end")
            if growth > MOST_GROWTH:
                wrong.append("memory has grown")
            wrong += [f"counted: {line}" for line in faults_counted(server)]
            code = server.stop()
            wrong += [] if code == STOPPED else [f"the server ended with {code}"]
            wrong += [f"process {pid} is left" for pid in server.processes()]
            wrong += [f"in the log: {line[:1000]}" for line in server.faults()]
            wrong += [line for line in server.written().splitlines() if "a worker ended" in line]
            after = surroundings(server, place)
            wrong += [f"touched: {name}" for name in sorted({*before.items()} ^ {*after.items()})]
            wrong += [
                f"written: {up / token}" for up in (place / "house/data").parents if (up / token).exists()
            ]
            wrong += [f"left behind: {name}" for name in files_in(server.data) if not is_kept(name)]
    for line in wrong[:50]:
        print(f"  {line}")
    print("holds" if not wrong else f"DOES NOT HOLD: {len(wrong)}")
    return 1 if wrong else 0


def in_bytes(server: Served, token: str, every: int) -> list[str]:
    """Broken requests, one connection each."""
    requests = islice(hostile_bytes.requests(token), 0, None, every)
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda one: (one[0], spoken(server, *one[1:])), requests))
    statuses: Counter[str] = Counter()
    for _, said in answers:
        statuses[said.split(b"\r\n")[0][9:12].decode("latin-1") or "closed"] += 1
    print(f"{len(answers)} requests in bytes: {told(statuses)}", flush=True)
    return [f"{name}: {line}" for name, said in answers for line in faults_in(said)]


def spoken(server: Served, request: bytes, then: bytes) -> bytes:
    """What the server says to these bytes, and to those after its first answer, until it has no more to say."""
    said = b""
    try:
        with socket.create_connection(("127.0.0.1", server.port), ANSWER_S) as connection:
            connection.sendall(request)
            if then:
                said = connection.recv(1 << 16)
                connection.sendall(then)
            connection.settimeout(QUIET_S)
            while block := connection.recv(1 << 16):
                said += block
    except OSError:  # closed, or nothing more to say
        pass
    return said


def faults_in(said: bytes) -> list[str]:
    """Signs of a fault in what a server said."""
    found = [f"answered {line[:40]!r}" for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.1 5")]
    return found + (["a traceback was told"] if b"Traceback" in said else [])


def songs(server: Served, place: Path, options: argparse.Namespace) -> list[str]:
    """Files that are no songs, or broken ones, from upload to end."""
    place.mkdir()
    bringer, wrong, ends = Bringer(server), [], Counter[str]()
    waiting = {}
    made = hostile_songs(place, options.seed, options.spoilt)
    for name, content in islice(made, 0, None, options.every):
        status, session_id = bringer.bring(name, content)
        if status == 202:
            waiting[session_id] = name
        else:
            ends[f"refused by {status}"] += 1
            wrong += [f"{name}: {status}"] if status >= 500 else []
    for session_id, name in waiting.items():
        end = bringer.end(session_id)
        ends[end["status"]] += 1
        reason = end["error_message"] or ""
        if end["status"] not in ENDED or (end["status"] == "FAILED" and not 10 < len(reason) < 400):
            wrong.append(f"{name} ended {end['status']}: {reason!r}")
        if any(
            word in reason
            for word in ("\n", "Traceback", str(server.folder), "went wrong here", "program stop")
        ):
            wrong.append(f"{name}: {reason!r}")
        wrong += bringer.take_away(session_id, end)
    shutil.rmtree(place)
    print(f"{sum(ends.values())} songs: {told(ends)}", flush=True)
    return wrong


def slow(server: Served, seconds: float) -> list[str]:
    """Clients that send a byte a second, or nothing, or headers without end, while others want an answer."""
    connections = []
    for number in range(SLOW):
        connection = socket.create_connection(("127.0.0.1", server.port), ANSWER_S)
        starts = (
            b"POST /status HTTP/1.1\r\n",
            LONG_HEADER,
            b"",
            b"GET /config HTTP/1.1\r\nX-",
            b"PUT /files/",
        )
        connection.sendall(starts[number % len(starts)])
        connections.append(connection)
    worst, wrong, until = 0.0, [], time.monotonic() + seconds
    while time.monotonic() < until:
        for connection in connections:
            try:
                connection.sendall(b"x")
            except OSError:
                continue  # the server has had enough
        began = time.monotonic()
        wrong += still_answers(server)
        worst = max(worst, time.monotonic() - began)
        time.sleep(1)
    for connection in connections:
        connection.close()
    print(f"{SLOW} slow senders: others waited at most {worst:.2f} s", flush=True)
    return wrong + ([] if worst < ANSWER_S else ["slow senders keep others waiting"])


def faults_counted(server: Served) -> list[str]:
    """What the server itself says of answers of 500 and above."""
    numbers = HTTP.request("GET", f"{server.address}/metrics").data.decode()
    return [line for line in numbers.splitlines() if re.match(r"unbraid_http_faults_total (?!0)", line)]


def still_answers(server: Served) -> list[str]:
    """Nothing, as long as it does."""
    status, _ = server.call("GET", "/healthz")
    return [] if status == 200 and server.workers() else ["the server, or its worker, is gone"]


def surroundings(server: Served, place: Path) -> dict[str, tuple[int, int, int]]:
    """Kind, size and time of change of all that isn't the server's own."""
    return {
        str(path): (found.st_mode, found.st_size if path.is_file() else 0, found.st_mtime_ns)
        for path in place.rglob("*")
        if not path.is_relative_to(server.data) and path not in (server.log, server.folder)
        for found in [path.lstat()]
    }


def is_kept(name: str) -> bool:
    """Whether a path in the data folder is that of the server, or of a song that was sent and not deleted."""
    parts = name.split("/")
    if parts[0] != "objects":
        return name in ("unbraid.db", "unbraid.db-shm", "unbraid.db-wal", "secret", "scratch")
    return len(parts) < 4 or parts[3].startswith("song") or parts[1] in ("outputs", "mixes")


if __name__ == "__main__":
    sys.exit(main())
