"""`unbraid serve` as a process with its workers, tested over HTTP and the WebSocket."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3
from tests.conftest import WriteWave
from websockets.sync.client import connect

ORIGIN = "https://demucs.example.org"
HTTP = urllib3.PoolManager(retries=False, timeout=30)


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen[str]
    address: str
    data: Path

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Send one request and return its status and JSON."""
        text = None if body is None else json.dumps(body)
        content_type = {} if body is None else {"Content-Type": "application/json"}
        response = HTTP.request(method, self.address + path, body=text, headers={**content_type, **headers})
        return response.status, json.loads(response.data)

    def wait_for(self, session_id: str, state: str, within_s: float = 60) -> dict[str, Any]:
        """Poll POST /status until the session has that state."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            status, session = self.call("POST", "/status", {"session_id": session_id})
            assert status == 200, session
            if session["status"] == state:
                return session  # type: ignore[no-any-return]
            assert session["status"] not in ("FAILED", "CANCELLED"), session
            time.sleep(0.2)
        raise AssertionError(f"still {session}")


@contextmanager
def serving(data: Path, *options: str, **environment: str) -> Iterator[Server]:
    """Run a server with the data folder `data` on a free port; stop it with Ctrl-C."""
    command = [sys.executable, "-m", "unbraid", "serve", "--port", "0", "--data", str(data), *options]
    with (data.parent / "log").open("a") as stderr:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=data.parent,
        )
    try:
        assert process.stdout is not None
        yield Server(process, process.stdout.readline().strip(), data)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            process.stdout.close()


def log(data: Path) -> str:
    """Return the log of all servers with that data folder."""
    return (data.parent / "log").read_text()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("serve") / "data"
    with serving(
        data, "--workers", "1", "--origin", ORIGIN, UNBRAID_RATE_BURST="1000", UNBRAID_MODELS="lite auto"
    ) as running:
        yield running
    assert "Traceback" not in log(data)
    assert [line["level"] for line in map(json.loads, log(data).splitlines()[1:])].count("error") == 0


def test_unknown_models_are_named_once_at_the_start(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data, "--workers", "1", UNBRAID_MODELS="lite litte") as running:
        status, about = running.call("GET", "/models")
        assert (status, [model["name"] for model in about["models"]]) == (200, ["lite"])
    assert (
        log(data).count("unbraid: UNBRAID_MODELS lists litte, which is no model that can be used here.") == 1
    )


def test_a_list_without_any_model_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path / "data", UNBRAID_MODELS="litte") as running:
        assert running.address == ""
        assert running.process.wait(60) == 2
    (line,) = log(tmp_path / "data").splitlines()
    assert line.startswith("unbraid: UNBRAID_MODELS lists litte, which is no model")


def test_the_original_client_works_unchanged(server: Server, write_wave: WriteWave, tmp_path: Path) -> None:
    """The requests of the original page, one by one: from another origin, with its fields."""
    song = write_wave(tmp_path / "song.wav", 3.0).read_bytes()
    page = {"Origin": ORIGIN}

    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    allowed = HTTP.request("OPTIONS", f"{server.address}/upload", headers={**page, **preflight})
    assert (allowed.status, allowed.headers["Access-Control-Allow-Origin"]) == (200, ORIGIN)
    status, upload = server.call("POST", "/upload", {"fileName": "song.wav", "fileType": "audio/wav"}, **page)
    assert status == 200

    preflight = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
    allowed = HTTP.request("OPTIONS", upload["uploadUrl"], headers={**page, **preflight})
    assert (allowed.status, allowed.headers["Access-Control-Allow-Origin"]) == (200, ORIGIN)
    sent = HTTP.request("PUT", upload["uploadUrl"], body=song, headers={**page, "Content-Type": "audio/wav"})
    assert (sent.status, sent.headers["Access-Control-Allow-Origin"]) == (200, ORIGIN)

    body = {"s3Key": upload["s3Key"], "sessionId": upload["sessionId"]}
    status, started = server.call("POST", "/process", body, **page)
    assert (status, started["sessionId"]) == (202, upload["sessionId"])
    assert started["status"] in ("PENDING", "IN_PROGRESS")

    done = server.wait_for(upload["sessionId"], "COMPLETED")
    assert done["progress"] == 1
    files = {file["type"]: file for file in done["output_files"]}
    assert list(files) == ["vocals", "no_vocals"]
    for name, file in files.items():
        assert file["filename"] == f"{name}.wav"
        stem = HTTP.request("GET", file["s3_url"], headers=page)
        assert (stem.status, len(stem.data)) == (200, file["size"])
        assert stem.data[:4] == b"RIFF"
        assert stem.headers["Access-Control-Allow-Origin"] == ORIGIN

    status, deleted = server.call("POST", "/cleanup", {"session_id": upload["sessionId"]}, **page)
    assert status == 200
    assert deleted["deleted"] > 0
    assert HTTP.request("GET", files["vocals"]["s3_url"]).status == 404
    assert server.call("POST", "/cleanup", {"session_id": upload["sessionId"]}) == (200, {"deleted": 0})


def test_the_websocket_reports_progress(server: Server, write_wave: WriteWave, tmp_path: Path) -> None:
    upload = start_song(server, write_wave(tmp_path / "song.wav", 20.0).read_bytes())
    states, progress = [], 0.0
    with connect(f"{server.address.replace('http', 'ws')}/events?session_id={upload['sessionId']}") as socket:
        while "COMPLETED" not in states:
            status = json.loads(socket.recv(60))
            states.append(status["status"])
            assert status["progress"] >= progress
            progress = status["progress"]
    assert progress == 1
    assert states.index("IN_PROGRESS") < states.index("COMPLETED")


def start_song(server: Server, song: bytes, **options: Any) -> dict[str, Any]:
    """Upload a song, start its session and return the answer of /upload."""
    _, upload = server.call("POST", "/upload", {"fileName": "song.wav", "fileType": ""})
    assert HTTP.request("PUT", upload["uploadUrl"], body=song).status == 200
    body = {"s3Key": upload["s3Key"], "sessionId": upload["sessionId"], **options}
    status, _ = server.call("POST", "/process", body)
    assert status == 202
    return upload  # type: ignore[no-any-return]


def test_a_damaged_song_fails_with_a_message(server: Server) -> None:
    upload = start_song(server, b"RIFF" + bytes(5000))
    deadline = time.monotonic() + 60
    while (session := server.call("POST", "/status", {"session_id": upload["sessionId"]})[1])[
        "status"
    ] != "FAILED":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert re.fullmatch(r"[^\n]{10,300}", session["error_message"])
    assert "Traceback" not in session["error_message"]


def send_raw(server: Server, request: bytes) -> socket.socket:
    """Open a connection and send `request` on it."""
    host, port = server.address.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), 60)
    connection.sendall(request)
    return connection


def remaining_parts(server: Server, upload: dict[str, Any], within_s: float = 60) -> list[Path]:
    """Return the files of an interrupted upload that remain after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while (
        parts := list(server.data.glob(f"objects/inputs/{upload['sessionId']}/*"))
    ) and time.monotonic() < deadline:
        time.sleep(0.05)
    return parts


def request_head(upload: dict[str, Any], *headers: str) -> bytes:
    path = upload["uploadUrl"].partition("127.0.0.1")[2].partition("/")[2]
    return "\r\n".join((f"PUT /{path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", "")).encode()


def test_an_interrupted_upload_leaves_nothing(server: Server) -> None:
    _, upload = server.call("POST", "/upload", {"fileName": "a.mp3", "fileType": ""})
    for headers, body in (
        ("Content-Length: 9000000", bytes(3 << 20)),
        ("Transfer-Encoding: chunked", b"5\r\nhello\r\n"),
    ):
        with send_raw(server, request_head(upload, headers) + body):
            deadline = time.monotonic() + 60
            while not list(server.data.glob(f"objects/inputs/{upload['sessionId']}/*")):
                assert time.monotonic() < deadline, "the upload has not started"
                time.sleep(0.05)
        assert remaining_parts(server, upload) == []
    assert (
        server.call("POST", "/status", {"session_id": upload["sessionId"]})[1]["status"] == "AWAITING_UPLOAD"
    )


def test_a_wrong_content_length_does_no_harm(server: Server) -> None:
    _, upload = server.call("POST", "/upload", {"fileName": "a.mp3", "fileType": ""})
    # A longer body than announced: the rest is neither a request nor part of the song.
    with send_raw(server, request_head(upload, "Content-Length: 5") + b"hello" + b"x" * 5000) as connection:
        answers = connection.makefile("rb").read()
    assert set(re.findall(rb"^HTTP/1.1 (\d+)", answers, re.MULTILINE)) <= {b"200", b"400"}
    assert [path.read_bytes() for path in server.data.glob(f"objects/{upload['s3Key']}")] in ([], [b"hello"])
    for length in ("-1", "5, 6", "99999999999999999999", "five"):
        with send_raw(
            server, request_head(upload, f"Content-Length: {length}", "Expect: 100-continue")
        ) as connection:
            assert connection.makefile("rb").readline().split()[1] in (b"400", b"413")
    assert server.call("GET", "/healthz")[0] == 200


def test_reports_a_port_in_use(server: Server, tmp_path: Path) -> None:
    port = server.address.rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, "-m", "unbraid", "serve", "--port", port, "--data", str(tmp_path / "other")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert (
        done.stderr
        == f"unbraid: Another program uses port {port}. Choose another with --port, or 0 for any free port.\n"
    )


@pytest.mark.parametrize(
    ("options", "words", "code"),
    [
        (["--host", "0.0.0.0"], "--insecure", 2),
        (["--host", "192.0.2.1", "--insecure"], "192.0.2.1 is not an address of this machine", 1),
        (["--port", "70000"], "UNBRAID_PORT", 2),
        (["--data", "/dev/null/x"], "/dev/null/x", 2),
    ],
)
def test_reports_invalid_options_in_one_line(
    options: list[str], words: str, code: int, tmp_path: Path
) -> None:
    data = [] if "--data" in options else ["--data", str(tmp_path / "data")]
    done = subprocess.run(
        [sys.executable, "-m", "unbraid", "serve", *data, *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code
    assert words in done.stderr
    assert done.stderr.startswith("unbraid: ")
    assert done.stderr.count("\n") == 1


def test_stops_on_a_signal_and_requeues_its_work(write_wave: WriteWave, tmp_path: Path) -> None:
    """A second server continues the work of the first one; links stay valid."""
    song = write_wave(tmp_path / "song.wav", 60.0).read_bytes()
    data = tmp_path / "data"
    with serving(data, "--workers", "1") as first:
        upload = start_song(first, song, model="lite")
        first.wait_for(upload["sessionId"], "IN_PROGRESS")
        started = time.monotonic()
        first.process.send_signal(signal.SIGTERM)
        assert first.process.wait(60) == 128 + signal.SIGTERM
        assert time.monotonic() - started < 10
    with serving(data, "--workers", "0") as second:
        session = second.call("POST", "/status", {"session_id": upload["sessionId"]})[1]
        assert (session["status"], session["progress"]) == ("PENDING", 0)
        link = upload["uploadUrl"].replace(first.address, second.address)
        assert HTTP.request("PUT", link, body=b"x").status == 409


def test_uses_little_memory_and_answers_quickly(tmp_path: Path) -> None:
    """Measures the server alone; songs are separated in other processes."""
    with serving(tmp_path / "data", "--workers", "0") as server:
        assert server.call("GET", "/models")[0] == 200
        status = Path(f"/proc/{server.process.pid}/status")
        if not status.exists():
            pytest.skip("memory is read from /proc")
        memory_kb = int(re.search(r"VmRSS:\s+(\d+)", status.read_text()).group(1))  # type: ignore[union-attr]
        # Processor time until the first answer: wall-clock time would include other processes.
        ticks = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    assert memory_kb < 150_000
    assert sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK") < 3


def test_the_server_process_imports_no_audio_code() -> None:
    program = (
        "import sys, unbraid.web.server;"
        "print(*{'av', 'numpy', 'openvino', 'soxr', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
