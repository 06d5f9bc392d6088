"""Uploads that lie about their length, break off, come many at once, or whose song is deleted meanwhile; odd names."""

from __future__ import annotations

import io
import os
import socket
import struct
import tempfile
import time
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import urllib3

from serving import HTTP, PATIENCE_S, Served, memory
from songs import write_song

ENDED = ("COMPLETED", "FAILED", "CANCELLED")
ENDLESS = 128 << 20  # bytes of headers, of which a server should not take all
LONG_S = 40.0  # of the song that is deleted while its stems are fetched
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


class Bringer:
    """Brings songs to a server."""

    def __init__(self, server: Served) -> None:
        self._server = server

    def begin(self, name: str, kind: str = "") -> dict[str, str]:
        """The answer to POST /upload."""
        status, upload = self._server.call("POST", "/upload", {"fileName": name, "fileType": kind})
        assert status == 200, upload
        return upload  # type: ignore[no-any-return]

    def bring(self, name: str, content: bytes) -> tuple[int, str]:
        """Status of the first call that is refused, or 202; the session's id."""
        upload = self.begin(name)
        sent = HTTP.request("PUT", upload["uploadUrl"], body=content)
        if sent.status != 200:
            return sent.status, upload["sessionId"]
        asked = {"s3Key": upload["s3Key"], "sessionId": upload["sessionId"], "model": "lite"}
        return self._server.call("POST", "/process", asked)[0], upload["sessionId"]

    def end(self, session_id: str) -> dict[str, Any]:
        """The status once it has ended, or after a minute."""
        until = time.monotonic() + PATIENCE_S
        while True:
            _, found = self._server.call("POST", "/status", {"session_id": session_id})
            if found["status"] in ENDED or time.monotonic() > until:
                return found  # type: ignore[no-any-return]
            time.sleep(0.05)

    def done(self, name: str, content: bytes) -> str:
        """The id of a session that is completed."""
        status, session_id = self.bring(name, content)
        assert (status, self.end(session_id)["status"]) == (202, "COMPLETED")
        return session_id

    def take_away(self, session_id: str, end: dict[str, Any]) -> list[str]:
        """Fetch all that came of it and delete it; what is not as it should be."""
        wrong = []
        for file in end["output_files"]:
            for url, size in ((file["s3_url"], file["size"]), (file["peaks_url"], 1), (file["play_url"], 1)):
                answer = HTTP.request("GET", url)
                if answer.status != 200 or len(answer.data) < size or "Set-Cookie" in answer.headers:
                    wrong.append(f"{file['filename']}: {answer.status}, {answer.headers}")
        if end["zip_url"]:
            with zipfile.ZipFile(io.BytesIO(HTTP.request("GET", end["zip_url"]).data)) as archive:
                wrong += [f"in the archive: {name!r}" for name in archive.namelist() if not is_plain(name)]
        status, _ = self._server.call("POST", "/cleanup", {"session_id": session_id})
        return wrong + ([] if status == 200 else [f"cleanup: {status}"])


def is_plain(name: str) -> bool:
    """Whether a name in an archive is that of a file in one folder."""
    return len(PurePosixPath(name).parts) == 2 and not name.startswith((".", "/"))


def uploads(server: Served, every: int) -> list[str]:
    """All of it, or each so-many-th of what takes its time."""
    statuses: Counter[str] = Counter()
    broken(server, statuses)
    wrong = [*altered(server, statuses), *at_once(server, statuses)]
    wrong += [*named(server, every), *deleted_meanwhile(server, every), *endless_headers(server)]
    print(f"uploads that lie, break off or come twice: {told(statuses)}", flush=True)
    return wrong + [f"answered {status}" for status in statuses if status.startswith("5")]


def broken(server: Served, statuses: Counter[str]) -> None:
    """Bodies that are not as their headers say, each ended politely and not."""
    upload = Bringer(server).begin("song.wav", "audio/wav")
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
    target = upload["uploadUrl"].removeprefix(server.address).encode()
    requests = []
    for framing, body in cases:
        kind = b"" if b"Content-Type" in framing else b"Content-Type: audio/wav\r\n"
        head = b"PUT " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n" + kind + framing + b"\r\n\r\n"
        requests += [(head + body, reset) for reset in (False, True)]
    with ThreadPoolExecutor(9) as pool:
        statuses.update(pool.map(lambda one: sent_and_dropped(server, *one), requests))


def sent_and_dropped(server: Served, request: bytes, reset: bool) -> str:
    """The status, if one is told within half a second; then the connection ends, with `reset` by RST."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            connection.sendall(request)
            connection.settimeout(0.5)
            return connection.recv(1 << 16)[9:12].decode("latin-1") or "closed"
        except OSError:
            return "no answer"


def altered(server: Served, statuses: Counter[str]) -> list[str]:
    """Links with anything in them changed, or used for something else."""
    bringer, wrong = Bringer(server), []
    upload = bringer.begin("song.wav")
    end = bringer.end(bringer.done("song.wav", SONG))
    for link, method in (
        (upload["uploadUrl"], "PUT"),
        (end["output_files"][0]["s3_url"], "GET"),
        (end["zip_url"], "GET"),
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
        changed += [f"{server.address}/files/{key}?{query}" for key in keys]
        changed += [
            f"{path}/..%2f..%2f..%2f..%2funbraid.db?{query}",
            f"{path}%00?{query}",
            f"{link}&expires=99999999999",
        ]
        for one in changed:
            for verb in ("GET", "PUT", "HEAD"):
                answer = HTTP.request(verb, one, body=b"x" if verb == "PUT" else None)
                statuses[str(answer.status)] += 1
                if answer.status == 200 and one != link:
                    wrong.append(f"{verb} of an altered link: {quote(one)}")
        for verb in {"GET", "PUT", "POST", "DELETE", "PATCH"} - {method}:
            answer = HTTP.request(verb, link, body=b"x")
            statuses[str(answer.status)] += 1
            wrong += [f"{verb} of a link for {method}"] if answer.status == 200 else []
    url = end["output_files"][0]["s3_url"]
    for asked in (
        "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 4000, 2)),
        "bytes=0-,0-,0-",
        "bytes=-0",
        "bytes=5-2",
        "x=1-2",
    ):
        statuses[str(HTTP.request("GET", url, headers={"Range": asked}).status)] += 1
    return wrong


def at_once(server: Served, statuses: Counter[str]) -> list[str]:
    """Twenty bodies for one link, while it is asked for: one of them is there, whole, or none."""
    bringer = Bringer(server)
    upload = bringer.begin("song.wav")
    songs = [SONG[:-1] + bytes([number]) for number in range(20)]
    asked = {"s3Key": upload["s3Key"], "sessionId": upload["sessionId"], "model": "lite"}
    with ThreadPoolExecutor(24) as pool:
        sending = [pool.submit(HTTP.request, "PUT", upload["uploadUrl"], body=song) for song in songs]
        asking = [pool.submit(server.call, "POST", "/process", asked) for _ in range(4)]
        statuses.update(str(one.result().status) for one in sending)
        statuses.update(str(one.result()[0]) for one in asking)
    kept = server.data / "objects" / upload["s3Key"]
    return [] if kept.read_bytes() in songs else ["of many uploads at once none is whole"]


def named(server: Served, every: int) -> list[str]:
    """Songs whose names are meant to do harm, all the way through."""
    bringer, wrong = Bringer(server), []
    for name in NAMES[::every]:
        status, session_id = bringer.bring(name, SONG)
        end = bringer.end(session_id)
        if status != 202 or end["status"] != "COMPLETED" or not end["file_name"].isprintable():
            wrong.append(f"{name!r}: {status}, {end}")
        wrong += [f"{name!r}: {line}" for line in bringer.take_away(session_id, end)]
    return wrong


def deleted_meanwhile(server: Served, every: int) -> list[str]:
    """Stems, and all in one archive, are deleted when a little of them has been fetched."""
    bringer, song = Bringer(server), _song(LONG_S)
    for which in ("zip_url", "s3_url", "play_url")[::every]:
        session_id = bringer.done("song.wav", song)
        end = bringer.end(session_id)
        url = end[which] if which in end else end["output_files"][0][which]
        answer = HTTP.request("GET", url, preload_content=False)
        answer.read(1000)
        server.call("POST", "/cleanup", {"session_id": session_id})
        try:
            while answer.read(1 << 20):
                pass
        except urllib3.exceptions.HTTPError:  # it may end early, but not as if it were whole
            pass
        answer.close()
    return []


def endless_headers(server: Served) -> list[str]:
    """A request whose headers, or whose address, don't end."""
    wrong = []
    for start, more in (
        (b"GET / HTTP/1.1\r\nX: ", b"x" * 65536),
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n" * 10_000),
        (b"GET /", b"x" * 65536),
    ):
        before, sent = memory(server.pid)["Rss"], 0
        with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
            try:
                connection.sendall(start)
                while sent < ENDLESS:
                    connection.sendall(more)
                    sent += len(more)
            except OSError:  # the server has had enough
                pass
            grown = memory(server.pid)["Rss"] - before
        if sent >= ENDLESS:
            wrong.append(f"took {sent >> 20} MB of {start!r}, and {grown / 1e6:.0f} MB of memory for it")
    return wrong


def told(counts: Counter[str]) -> str:
    """Most frequent first."""
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())
