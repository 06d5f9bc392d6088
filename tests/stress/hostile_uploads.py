"""Hostile uploads: problems lengths, broken connections, altered links, simultaneous uploads, and hostile file names.

Each function returns a line for every problem that it finds.
"""

from __future__ import annotations

import os
import socket
import struct
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import urllib3
from benchmarks.songs import write_song
from tests.stress.local_server import HTTP, LocalServer, memory
from tests.stress.upload_client import UploadClient

ENDLESS_BYTES = 128 << 20  # of headers; a server should stop reading much earlier
LONG_SONG_S = 40.0  # song that is deleted while its stems are downloaded
NAMES = (
    "../../../../etc/passwd", "..\\..\\x.wav", "/etc/passwd.wav", "a\r\nSet-Cookie: x=y.wav",
    'a"; filename="x.exe', "a\0b.wav",
    "‮gpj.wav", "\x1b[31m.wav", "é" * 200 + ".wav", ".wav", "...", " ", "CON.wav", "%2e%2e%2f.wav",
    "🎵 – “x”.wav", "x" * 1000,
    "<img src=x onerror=alert(1)>.wav", "\u2028\u2029.wav", "-rf.wav", "file:///etc/passwd",
    "a;b|c&d`e`$(f).wav",
)  # fmt: skip


def _song(seconds: float) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write_song(Path(folder) / "song.wav", seconds, 0).read_bytes()


SONG = _song(1.0)


def send_broken_bodies(server: LocalServer, statuses: Counter[str]) -> None:
    """Send bodies that contradict their headers. Each connection is closed once with FIN and once with RST."""
    upload = UploadClient(server).request_upload("song.wav", "audio/wav")
    large = os.urandom(3 << 20)
    cases = (
        (b"Content-Length: 9000000", large), (b"Content-Length: 9000000", b""), (b"Content-Length: 5", large),
        (b"Content-Length: 99999999999", large), (b"Content-Length: -1", large),
        (b"Content-Length: 67108865", large),
        (b"Transfer-Encoding: chunked", b"300000\r\n" + large), (b"Transfer-Encoding: chunked",
        b"5\r\nhello"),
        (b"Transfer-Encoding: chunked", b"ffffffff\r\n" + large), (b"Transfer-Encoding: chunked",
        b"5\r\nhello\r\nzz\r\n"),
        (b"Transfer-Encoding: chunked", b"1000000\r\n" + large), (b"Transfer-Encoding: chunked",
        b"1\r\nx\r\n" * 5000),
        (b"Content-Length: 3145728\r\nContent-Type: text/html", large), (b"", large),
        (b"Content-Length: 3145728\r\nExpect: 100-continue", b""),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", large),
        (b"Content-Length: 3145728\r\nContent-Encoding: gzip", large[:100]),
        (b"Content-Range: bytes 0-4/5\r\nContent-Length: 5", b"hi"),
    )  # fmt: skip
    target = upload["uploadUrl"].removeprefix(server.url).encode()
    requests = []
    for framing, body in cases:
        kind = b"" if b"Content-Type" in framing else b"Content-Type: audio/wav\r\n"
        head = b"PUT " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n" + kind + framing + b"\r\n\r\n"
        requests += [(head + body, reset) for reset in (False, True)]
    with ThreadPoolExecutor(9) as pool:
        statuses.update(pool.map(lambda one: send_and_disconnect(server, *one), requests))


def send_and_disconnect(server: LocalServer, request: bytes, reset: bool) -> str:
    """Send a request and disconnect half a second later, with `reset` by RST. Returns the status, if one arrived."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            connection.sendall(request)
            connection.settimeout(0.5)
            return connection.recv(1 << 16)[9:12].decode("latin-1") or "closed"
        except OSError:
            return "no answer"


def use_altered_links(server: LocalServer, statuses: Counter[str]) -> list[str]:
    """Use presigned links that were changed, or with another method."""
    client, problems = UploadClient(server), []
    upload = client.request_upload("song.wav")
    session = client.wait(client.separate("song.wav", SONG))
    for link, method in (
        (upload["uploadUrl"], "PUT"),
        (session["output_files"][0]["s3_url"], "GET"),
        (session["zip_url"], "GET"),
    ):
        path, _, query = link.partition("?")
        changed = [
            link + "x",
            link + "&max=9",
            path,
            f"{path}?{query.replace('expires=', 'expires=9')}",
            f"{path}?{query[:-1]}",
        ]
        keys = (
            "../../secret",
            "..%2f..%2fsecret",
            "inputs/../../secret",
            "outputs/%00/x",
            "zips/../x",
            "%ff",
        )
        changed += [f"{server.url}/files/{key}?{query}" for key in keys]
        changed += [
            f"{path}/..%2f..%2f..%2f..%2funbraid.db?{query}",
            f"{path}%00?{query}",
            f"{link}&expires=99999999999",
        ]
        for changed_link in changed:
            for verb in ("GET", "PUT", "HEAD"):
                answer = HTTP.request(verb, changed_link, body=b"x" if verb == "PUT" else None)
                statuses[str(answer.status)] += 1
                if answer.status == 200 and changed_link != link:
                    problems.append(f"{verb} accepts an altered link: {quote(changed_link)}")
        for verb in {"GET", "PUT", "POST", "DELETE", "PATCH"} - {method}:
            answer = HTTP.request(verb, link, body=b"x")
            statuses[str(answer.status)] += 1
            problems += [f"{verb} accepts a link for {method}"] if answer.status == 200 else []
    url = session["output_files"][0]["s3_url"]
    for byte_range in (
        "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 4000, 2)),
        "bytes=0-,0-,0-",
        "bytes=-0",
        "bytes=5-2",
        "x=1-2",
    ):
        statuses[str(HTTP.request("GET", url, headers={"Range": byte_range}).status)] += 1
    return problems


def upload_simultaneously(server: LocalServer, statuses: Counter[str]) -> list[str]:
    """Send twenty bodies to one link, and start the separation meanwhile. The stored song must be one of the bodies."""
    client = UploadClient(server)
    upload = client.request_upload("song.wav")
    songs = [SONG[:-1] + bytes([number]) for number in range(20)]
    body = {"s3Key": upload["s3Key"], "sessionId": upload["sessionId"], "model": "lite"}
    with ThreadPoolExecutor(24) as pool:
        sending = [pool.submit(HTTP.request, "PUT", upload["uploadUrl"], body=song) for song in songs]
        starting = [pool.submit(server.call, "POST", "/process", body) for _ in range(4)]
        statuses.update(str(one.result().status) for one in sending)
        statuses.update(str(one.result()[0]) for one in starting)
    stored = (server.data / "objects" / upload["s3Key"]).read_bytes()
    return [] if stored in songs else ["simultaneous uploads were mixed"]


def upload_hostile_names(server: LocalServer, every: int) -> list[str]:
    """Separate songs with hostile file names and download the results."""
    client, problems = UploadClient(server), []
    for name in NAMES[::every]:
        status, session_id = client.start(name, SONG)
        session = client.wait(session_id)
        if status != 202 or session["status"] != "COMPLETED" or not session["file_name"].isprintable():
            problems.append(f"{name!r}: {status}, {session}")
        problems += [f"{name!r}: {line}" for line in client.download_and_delete(session_id, session)]
    return problems


def delete_during_download(server: LocalServer, every: int) -> None:
    """Delete a session while its archive, a stem and a preview are downloaded."""
    client, song = UploadClient(server), _song(LONG_SONG_S)
    for link in ("zip_url", "s3_url", "play_url")[::every]:
        session_id = client.separate("song.wav", song)
        session = client.wait(session_id)
        url = session[link] if link in session else session["output_files"][0][link]
        answer = HTTP.request("GET", url, preload_content=False)
        answer.read(1000)
        server.call("POST", "/cleanup", {"session_id": session_id})
        try:
            while answer.read(1 << 20):
                pass
        except urllib3.exceptions.HTTPError:  # an incomplete download is an error, not a short file
            pass
        answer.close()


def send_endless_headers(server: LocalServer) -> list[str]:
    """Send requests with endless headers or an endless address."""
    problems = []
    for start, more in (
        (b"GET / HTTP/1.1\r\nX: ", b"x" * 65536),
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n" * 10_000),
        (b"GET /", b"x" * 65536),
    ):
        before, sent = memory(server.pid)["Rss"], 0
        with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
            try:
                connection.sendall(start)
                while sent < ENDLESS_BYTES:
                    connection.sendall(more)
                    sent += len(more)
            except OSError:  # the server has closed the connection
                pass
            grown = memory(server.pid)["Rss"] - before
        if sent >= ENDLESS_BYTES:
            problems.append(
                f"the server read {sent >> 20} MB after {start!r} and grew by {grown / 1e6:.0f} MB"
            )
    return problems
