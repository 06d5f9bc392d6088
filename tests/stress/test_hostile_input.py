"""Malformed requests, hostile uploads and hostile songs: the server rejects them, stays up, and touches no other files.

The tests share one server and attack it in turn. The last test stops the server and checks what the attacks have left.

The short form sends a sample of each attack. The long form (`./test -m stress tests/stress/test_hostile_input.py`)
sends all of them; STRESS_REQUESTS, STRESS_COPIES, STRESS_SLOW_S and STRESS_SEED change it. Rate limits are off.
Needs Linux.
"""

from __future__ import annotations

import re
import secrets
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pytest
from tests.stress import hostile_uploads, malformed_requests
from tests.stress.fuzzed_requests import fuzz
from tests.stress.hostile_songs import hostile_songs
from tests.stress.local_server import EXIT_CODE, HTTP, LocalServer, files_in, memory
from tests.stress.run_options import SEED, option
from tests.stress.upload_client import UploadClient, counts

from unbraid.jobs.messages import INTERNAL

SLOW_CLIENTS = 300
LONG_HEADER = b"GET / HTTP/1.1\r\nX: " + b"x" * 60_000
ANSWER_S = 5.0  # time limit for an answer while the server is under attack
QUIET_S = 0.5  # after which a connection sends nothing more
MAX_GROWTH = 200e6  # bytes of the web process; memory of a few hundred connections is freed

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="reads memory from /proc, which only Linux has"
)


@dataclass(frozen=True)
class Effort:
    """Size of a run. `copies`: damaged copies of each real song. `every`: try every n-th of the other attacks only."""

    fuzzed_requests: int
    copies: int
    every: int
    slow_s: float


EFFORTS = [
    pytest.param(Effort(28, 0, 40, 1.0), id="short"),
    pytest.param(
        Effort(int(option("REQUESTS", 5000)), int(option("COPIES", 8)), 1, option("SLOW_S", 20)),
        id="long",
        marks=pytest.mark.stress,
    ),
]


@pytest.fixture(scope="module", params=EFFORTS)
def effort(request: pytest.FixtureRequest) -> Effort:
    return request.param  # type: ignore[no-any-return]


class Target:
    """The server under attack, and the state of everything around it before the attacks."""

    def __init__(self, server: LocalServer) -> None:
        self.server = server
        self.traversal_target = f"taken-{secrets.token_hex(8)}"
        """Name of the file that path traversals try to write."""
        self.files_before = self.files_outside()
        self.workers_before = server.workers()
        self.bytes_before = memory(server.pid)["Rss"]

    def files_outside(self) -> dict[str, tuple[int, int, int]]:
        """Mode, size and modification time of all files beside the server's own data, log and cache."""
        own = (self.server.data, self.server.cache)
        return {
            str(path): (status.st_mode, status.st_size if path.is_file() else 0, status.st_mtime_ns)
            for path in self.server.folder.parent.rglob("*")
            if not any(path.is_relative_to(folder) for folder in own)
            and path not in (self.server.log, self.server.folder)
            for status in [path.lstat()]
        }


@pytest.fixture(scope="module")
def target(effort: Effort, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "others").mkdir()
    (folder / "others" / "song.mp3").write_text("a file of another user")
    limits = {"max_bytes": 64 << 20, "max_song_s": 600, "keep_free_bytes": 0, "models": "lite"}
    options = {"rate": 1e6, "rate_burst": 1_000_000, **limits}
    with LocalServer(folder / "server", "--workers", "1", **options) as server:
        server.start()
        yield Target(server)


@pytest.fixture
def server(target: Target) -> Iterator[LocalServer]:
    """The server under attack. After each test it must still answer, with the same worker process."""
    yield target.server
    status, _ = target.server.call("GET", "/healthz")
    assert status == 200
    assert target.server.workers() == target.workers_before


def test_answers_fuzzed_requests(server: LocalServer, effort: Effort) -> None:
    result = fuzz(server, effort.fuzzed_requests, SEED)
    print(result.summary(), flush=True)
    assert result.sent >= effort.fuzzed_requests
    assert result.problems == []


def test_answers_malformed_bytes(server: LocalServer, target: Target, effort: Effort) -> None:
    """Sends each malformed request on its own connection."""
    requests = islice(malformed_requests.requests(target.traversal_target), 0, None, effort.every)
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda one: (one[0], exchange(server, *one[1:])), requests))
    statuses: Counter[str] = Counter()
    for _, answer in answers:
        statuses[answer.split(b"\r\n")[0][9:12].decode("latin-1") or "closed"] += 1
    print(f"{len(answers)} malformed requests: {counts(statuses)}", flush=True)
    assert [f"{name}: {line}" for name, answer in answers for line in server_errors(answer)] == []


def exchange(server: LocalServer, request: bytes, second: bytes) -> bytes:
    """Send `request`, and `second` after the first answer. Returns all bytes that the server sends."""
    received = b""
    try:
        with socket.create_connection(("127.0.0.1", server.port), ANSWER_S) as connection:
            connection.sendall(request)
            if second:
                received = connection.recv(1 << 16)
                connection.sendall(second)
            connection.settimeout(QUIET_S)
            while block := connection.recv(1 << 16):
                received += block
    except OSError:  # closed, or quiet
        pass
    return received


def server_errors(answer: bytes) -> list[str]:
    """Status lines of 500 and above, and tracebacks, in an answer."""
    found = [f"answered {line[:40]!r}" for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 5")]
    return found + (["the answer contains a traceback"] if b"Traceback" in answer else [])


def test_survives_broken_and_altered_uploads(server: LocalServer) -> None:
    statuses: Counter[str] = Counter()
    hostile_uploads.send_broken_bodies(server, statuses)
    problems = hostile_uploads.use_altered_links(server, statuses)
    problems += hostile_uploads.upload_simultaneously(server, statuses)
    print(f"broken, altered and simultaneous uploads: {counts(statuses)}", flush=True)
    assert problems == []
    assert [status for status in statuses if status.startswith("5")] == []


def test_separates_songs_with_hostile_names(server: LocalServer, effort: Effort) -> None:
    assert hostile_uploads.upload_hostile_names(server, effort.every) == []


def test_survives_deletion_during_download(server: LocalServer, effort: Effort) -> None:
    hostile_uploads.delete_during_download(server, effort.every)


def test_stops_reading_endless_headers(server: LocalServer) -> None:
    assert hostile_uploads.send_endless_headers(server) == []


def test_every_hostile_song_ends_with_stems_or_a_reason(
    server: LocalServer, effort: Effort, tmp_path: Path
) -> None:
    client, problems, ends = UploadClient(server), [], Counter[str]()
    waiting = {}
    for name, content in islice(hostile_songs(tmp_path, SEED, effort.copies), 0, None, effort.every):
        status, session_id = client.start(name, content)
        if status == 202:
            waiting[session_id] = name
        else:
            ends[f"refused with {status}"] += 1
            problems += [f"{name}: {status}"] if status >= 500 else []
    for session_id, name in waiting.items():
        session = client.wait(session_id)
        ends[session["status"]] += 1
        reason = session["error_message"] or ""
        if session["status"] not in ("COMPLETED", "FAILED"):
            problems.append(f"{name} ended {session['status']}: {reason!r}")
        if session["status"] == "FAILED" and not 10 < len(reason) < 400:
            problems.append(f"{name} failed without a good reason: {reason!r}")
        # A reason is one line, names no path, and is not an internal error.
        if any(part in reason for part in ("\n", "Traceback", str(server.folder), INTERNAL)):
            problems.append(f"{name}: {reason!r}")
        problems += client.download_and_delete(session_id, session)
    print(f"{ends.total()} songs: {counts(ends)}", flush=True)
    assert problems == []


def test_answers_others_while_slow_clients_hold_connections(server: LocalServer, effort: Effort) -> None:
    """Clients send a byte a second, nothing, or endless headers."""
    starts = (
        b"POST /status HTTP/1.1\r\n",
        LONG_HEADER,
        b"",
        b"GET /config HTTP/1.1\r\nX-",
        b"PUT /files/",
    )
    connections = []
    for number in range(SLOW_CLIENTS):
        connections.append(socket.create_connection(("127.0.0.1", server.port), ANSWER_S))
        connections[-1].sendall(starts[number % len(starts)])
    longest_s, until = 0.0, time.monotonic() + effort.slow_s
    while time.monotonic() < until:
        for connection in connections:
            try:
                connection.sendall(b"x")
            except OSError:
                continue  # the server has closed it
        began = time.monotonic()
        status, _ = server.call("GET", "/healthz")
        assert status == 200
        longest_s = max(longest_s, time.monotonic() - began)
        time.sleep(1)
    for connection in connections:
        connection.close()
    print(f"{SLOW_CLIENTS} slow clients: others waited at most {longest_s:.2f} s", flush=True)
    assert longest_s < ANSWER_S


def test_attacks_have_left_nothing_behind(target: Target) -> None:
    """Runs last: stops the server and checks memory, metrics, log, processes and files."""
    server = target.server
    growth = memory(server.pid)["Rss"] - target.bytes_before
    print(f"memory of the web process: {target.bytes_before / 1e6:.0f} MB, then {growth / 1e6:+.0f} MB")
    assert growth <= MAX_GROWTH
    metrics = HTTP.request("GET", f"{server.url}/metrics").data.decode()
    assert [line for line in metrics.splitlines() if re.match(r"unbraid_http_faults_total (?!0)", line)] == []
    assert server.stop() == EXIT_CODE
    assert server.processes() == []
    assert server.logged_errors() == []
    assert target.files_outside() == target.files_before
    assert [up for up in server.data.parents if (up / target.traversal_target).exists()] == []
    assert [name for name in files_in(server.data) if not belongs_in_data(name)] == []


def belongs_in_data(name: str) -> bool:
    """Whether a path in the data folder is the server's own, or belongs to a song that was not deleted."""
    parts = name.split("/")
    if parts[0] != "objects":
        return name in ("unbraid.db", "unbraid.db-shm", "unbraid.db-wal", "secret", "scratch")
    return len(parts) < 4 or parts[3].startswith("song") or parts[1] in ("outputs", "mixes")
