"""Invalid or slow connections: they get an error and are closed."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from tests.web.conftest import App

from unbraid.web import protocol, zips
from unbraid.web.server import Server, bind


@pytest.fixture
def port(app: App) -> Iterator[int]:
    """Port of a real server with the app, in a thread."""
    stop, started = threading.Event(), threading.Event()
    listener = bind("127.0.0.1", 0)
    config = uvicorn.Config(
        app.client.app, log_config=None, lifespan="off", http=protocol.Protocol, ws=protocol.SocketProtocol
    )
    server = Server(config, stop, started.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    assert started.wait(20)
    yield listener.getsockname()[1]
    stop.set()
    thread.join()
    listener.close()


def ask(port: int, request: bytes) -> bytes:
    """Send `request` and return all bytes until the server closes."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        try:
            connection.sendall(request)
            return connection.makefile("rb").read()
        except (ConnectionResetError, BrokenPipeError):
            return b""


GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,  # TLS
        b"hello\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"GET\x00/ HTTP/1.1\r\n\r\n",
        GET + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        GET + b"Bad Header: x\r\n\r\n",
    ],
)
def test_answers_400_with_security_headers_to_invalid_http(port: int, request_: bytes) -> None:
    head, _, body = ask(port, request_).partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    assert status == "HTTP/1.1 400 Bad Request"
    headers = dict(line.split(": ", 1) for line in lines)
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-content-type-options"] == "nosniff"
    assert int(headers["content-length"]) == len(body)
    assert json.loads(body)["status"] == 400


def test_limits_header_size(port: int) -> None:
    limit = protocol.MAX_HEADER_BYTES
    for head in (
        GET + b"X: " + bytes([120]) * 8 * limit,
        GET + b"X: y\r\n" * limit,
        b"GET /" + b"x" * 8 * limit,
    ):
        answer = ask(port, head)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 431")
    assert ask(port, GET + b"X: " + b"x" * 20_000 + b"\r\nConnection: close\r\n\r\n").startswith(
        b"HTTP/1.1 200"
    )


def test_times_out_slow_headers(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEADER_TIMEOUT_S", 0.3)
    for beginning in (b"", GET, GET + b"\r\n" + GET):
        started = time.monotonic()
        answer = ask(port, beginning)
        assert time.monotonic() - started < 10
        assert answer.count(b"HTTP/1.1 200") == beginning.count(b"\r\n\r\n")


def test_connection_serves_several_requests(port: int) -> None:
    answer = ask(port, GET + b"\r\n" + GET + b"\r\n" + GET + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 3


UPGRADE = (
    b"GET /events?session_id=%s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" % (b"x" * 32)
)


@pytest.mark.parametrize("origin", [b"http://evil.example.org", b"http://[", b"\xff"])
def test_refused_websocket_logs_no_error(port: int, origin: bytes, caplog: pytest.LogCaptureFixture) -> None:
    answer = ask(port, UPGRADE + b"Origin: " + origin + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403")
    ask(port, GET + b"Connection: close\r\n\r\n")  # the refusal has been handled by then
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\x82\0\0\0\0\xff\xfe", 1007),  # invalid UTF-8
        (b"\x83\x80\0\0\0\0", 1002),  # unknown opcode
        (b"\x81\x05hello", 1002),  # no mask
        (b"\x81\xff" + bytes([0x7F, *[0xFF] * 7]) + bytes(4), 1009),  # too long
    ],
)
def test_invalid_frame_closes_websocket_without_error(
    port: int, frame: bytes, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(UPGRADE + b"\r\n")
        received = connection.makefile("rb")
        while received.readline() != b"\r\n":
            pass
        connection.sendall(frame)
        assert b"\x88" in (rest := received.read())
        assert code.to_bytes(2, "big") in rest
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_file_deleted_during_download_closes_connection_without_error(
    port: int, app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    target = app.status(app.completed())["zip_url"].partition("8000")[2]

    def interrupted(_: object) -> Iterator[bytes]:
        yield b"PK"
        raise FileNotFoundError

    monkeypatch.setattr(zips, "_blocks", interrupted)
    answer = ask(port, f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\nPK")
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
