"""Malformed requests as bytes: broken HTTP, JSON, framing, paths and WebSocket frames."""

from __future__ import annotations

import base64
import itertools
import json
import os
import struct
import zlib
from collections.abc import Iterator

NAME = b"Host: 127.0.0.1\r\n"
END = b"Connection: close\r\n\r\n"
JSON = b"Content-Type: application/json\r\n"
METHODS = (
    "GET HEAD POST PUT PATCH DELETE OPTIONS TRACE CONNECT PROPFIND SEARCH PURGE LINK M-SEARCH PRI QUERY BREW"
)
PATHS = (
    "/ /upload /process /status /status/x /cancel /cleanup /history /batch /batch/process /batch/status /mix"
)
PATHS += " /upload/parts /upload/complete"
PATHS += " /models /config /healthz /metrics /openapi.json /events /files/ /files/inputs/x/song.mp3 /assets/ /x * x"
UPGRADE = (
    b"GET /events?session_id=x HTTP/1.1\r\n" + NAME + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(bytes(16)) + b"\r\n"
)
DEEP = 100_000


def requests(token: str) -> Iterator[tuple[str, bytes, bytes]]:
    """Name, bytes, and bytes to send after the answer. Path traversals try to write a file named `token`."""
    for name, request in single_requests(token):
        yield name, request, b""
    for frames in socket_frames():
        yield f"socket frames {frames[:20]!r}", UPGRADE + b"\r\n", frames


def single_requests(token: str) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of the requests that are sent in one piece."""
    for method in METHODS.split():
        for path in PATHS.split():
            yield f"{method} {path}", f"{method} {path} HTTP/1.1\r\n".encode() + NAME + END
    for start in start_lines(token):
        yield f"start {start[:40]!r}", start + b"\r\n" + NAME + END
    for headers in header_blocks():
        yield f"headers {headers[:40]!r}", b"POST /status HTTP/1.1\r\n" + headers + b"\r\n\r\n"
        yield f"headers {headers[:40]!r} of a socket", UPGRADE + headers + b"\r\n\r\n"
    for framing in framings():
        for path in (b"/status", b"/upload", b"/files/inputs/x/song.mp3", b"/healthz"):
            for method in (b"POST", b"PUT", b"GET"):
                name = f"{method.decode()} {path.decode()} {framing[:40]!r}"
                yield name, method + b" " + path + b" HTTP/1.1\r\n" + NAME + JSON + framing
    for body in bodies(token):
        for path in (
            b"/upload",
            b"/process",
            b"/status",
            b"/batch",
            b"/batch/status",
            b"/batch/process",
            b"/mix",
        ):
            size = f"Content-Length: {len(body)}\r\n".encode()
            head = b"POST " + path + b" HTTP/1.1\r\n" + NAME + JSON + size
            yield f"{path.decode()} {body[:40]!r}", head + END + body
    yield "a thousand requests at once", (b"GET /healthz HTTP/1.1\r\n" + NAME + b"\r\n") * 1000
    yield "nothing", b""
    yield "TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(500)
    yield "HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100)
    yield "noise", os.urandom(100_000)
    yield "empty lines", b"\r\n" * 50_000
    yield "SSH", b"SSH-2.0-OpenSSH_9.2\r\n"


def start_lines(token: str) -> Iterator[bytes]:
    """Request lines without their line end."""
    paths = [
        b"/\0", b"/%00", b"/files/%00", b"/status/%00", b"/%ff%fe", b"/\xff\xfe", "/ü".encode(),
        b"/%c0%ae%c0%ae/",
        b"//", b"///etc/passwd", b"/%", b"/%zz", b"/?%", b"/?=&=&", b"/status/" + b"x" * 60_000,
        b"/" + b"a/" * 20_000,
        b"/?" + b"a=b&" * 15_000, b"/events?" + b"session_id=x&" * 5000, b"/history?limit=" + b"9" * 5000,
        b"/history?before=1e999", b"/history?before=nan", b"/history?before=-1e308", b"/history?limit=-1",
        b"/status/%ed%a0%80", b"/files/inputs/%ed%a0%80/x?expires=1&signature=%ff",
        b"/files/inputs/x/song.mp3?signature=x", b"/files/zips/x/all.zip?expires=9999999999&signature=x",
        b"/files/inputs/x/y?expires=" + b"9" * 5000 + b"&signature=x", b"http://[",
        b"http://other.example.org/",
        b"http://127.0.0.1:99999/", b"#", b"/#/s/x", b"\\..\\..\\" + token.encode(),
    ]  # fmt: skip
    ups = (b"../", b"..%2f", b"%2e%2e/", b"%2e%2e%2f", b"..\\", b"..%5c", b"....//", b"%252e%252e%252f")
    bases = (b"/", b"/assets/", b"/files/inputs/x/", b"/files/", b"/status/")
    aims = itertools.product(bases, ups, (1, 3, 8))
    paths += [base + up * depth + token.encode() for base, up, depth in aims]
    paths += [
        b"/assets//etc/passwd",
        b"/files//etc/passwd",
        b"/assets/%2fetc%2fpasswd",
        b"/files/%2fetc%2fpasswd",
    ]
    for path in paths:
        for method in (b"GET ", b"PUT "):
            yield method + path + b" HTTP/1.1"
    yield from (b"GET / HTTP/9.9", b"GET / HTTP/1.0", b"GET / HTTP/0.9", b"GET /", b"GET", b"get / http/1.1")
    yield from (
        b"GET / HTP/1.1",
        b" GET / HTTP/1.1",
        b"GET  /  HTTP/1.1",
        b"GET\t/\tHTTP/1.1",
        b"",
        b"\0" * 1000,
    )


def header_blocks() -> Iterator[bytes]:
    """Header blocks without the empty line after them."""
    yield from (
        b"",
        b"Host: other.example.org",
        b"Host:",
        b"Host: 127.0.0.1\r\nHost: evil.example.org",
        b"Host: [::1",
    )
    yield from (
        b"Host: 127.0.0.1:99999999",
        b"Host: \xff\xfe",
        b"Host: @127.0.0.1",
        b"Host: 127.0.0.1/../x",
        b"Host: a]",
    )
    for header in (
        b"no colon", b": no name", b"Name with space: x", b"Folded: a\r\n b", b"Null: a\0b", b"Bell: \x07",
        b"\xff: \xff",
        b"Bare: a\rb", b"Bare: a\nSet-Cookie: x", b"X: " + b"x" * 60_000,
        b"\r\n".join(b"X-%d: x" % n for n in range(5000)),
        b"X-Request-ID: " + b"\xff" * 100, b"X-Request-ID: a\tb", b"X-Browser-Token: " + b"x" * 5000,
        b"X-Browser-Token: \xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"Authorization: Bearer \xff",
        b"Authorization: " + b"Bearer " * 1000, b"Origin: \xff", b"Origin: null", b"Origin: http://[",
        b"Cookie: " + b"a=b;" * 10_000,
        b"Range: bytes=" + b"0-1," * 10_000, b"Range: bytes=9-1", b"Range: x", b"If-Modified-Since: x",
        b"If-None-Match: " + b'"' * 999,
        b"Accept-Encoding: " + b"gzip," * 9999, b"Expect: 200-ok", b"Expect: 100-continue",
        b"Upgrade: h2c\r\nConnection: Upgrade",
        b"Upgrade: websocket", b"Upgrade: websocket\r\nConnection: Upgrade",
        b"Connection: " + b"close," * 9999,
        b"Sec-WebSocket-Version: 99", b"Sec-WebSocket-Key: x",
        b"Sec-WebSocket-Protocol: " + b"bearer.x," * 999,
        b"Sec-WebSocket-Protocol: \xff\xff", b"Sec-WebSocket-Protocol: bearer.",
        b"Sec-WebSocket-Extensions: \xff; x=",
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99",
        b"X-Forwarded-For: " + b"1.1.1.1," * 999,
        b"X-Forwarded-For: \xff", b"X-Forwarded-Proto: javascript", b"Forwarded: for=x;proto=\xff",
        b"Content-Type: \xff",
        b"Content-Type: application/json; charset=utf-7", b"Content-Type: multipart/form-data",
        b"Content-Encoding: gzip",
    ):  # fmt: skip
        yield NAME + header


def framings() -> Iterator[bytes]:
    """Framing headers and bodies that contradict them."""
    for length in (
        b"5",
        b"-1",
        b"+5",
        b"0x5",
        b"5, 6",
        b"5 5",
        b"",
        b"9" * 40,
        b"1e3",
        b"18446744073709551616",
        b"\xb2",
    ):
        yield b"Content-Length: " + length + b"\r\n\r\n{}"
    yield b"Content-Length: 2\r\n\r\n" + b"{}" * 5000
    yield b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"
    yield b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n"
    for coding in (
        b"gzip",
        b"gzip, chunked",
        b"chunked, identity",
        b"xchunked",
        b"chunked\r\nTransfer-Encoding: identity",
        b"\xff",
    ):
        yield b"Transfer-Encoding: " + coding + b"\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    for chunks in (
        b"zz\r\n{}", b"-5\r\n{}", b"fffffffffffffffff\r\n{}", b"ffffffff\r\n{}", b"2\r\n{}garbage",
        b"2\n{}\n0\n\n", b"5\r\n{}",
        b"2;" + b"x" * 60_000 + b"\r\n{}\r\n0\r\n\r\n", b"0\r\n" + b"X: y\r\n" * 9000 + b"\r\n",
        b"1\r\n{\r\n" * 9000, b"\r\n", b"",
        b"0\r\n\r\n", b"1\r\n[\r\n" * 150_000 + b"0\r\n\r\n",
        b"80000\r\n" + b"x" * 0x80000 + b"\r\n0\r\n\r\n",
    ):  # fmt: skip
        yield b"Transfer-Encoding: chunked\r\n\r\n" + chunks


def bodies(token: str) -> Iterator[bytes]:
    """Bodies: broken JSON, extreme JSON, and hostile values."""
    yield from (
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"1",
        b"{}",
        b"\0",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b"{}{}",
        b"NaN",
        b"{'a': 1}",
    )
    yield "{}".encode("utf-16")
    yield b"[" * DEEP
    yield b'{"fileName":' * 20_000
    yield b'{"fileName":' * 9000 + b"1" + b"}" * 9000
    yield b'{"fileName": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    yield b'{"fileName": "' + b"x" * 250_000 + b'"}'
    yield b'{"fileName": "' + b"x" * 300_000 + b'"}'
    yield b'{"fileName": "\xff\xfe", "fileType": ""}'
    yield b'{"files": [' + b",".join([b"{}"] * 60_000) + b"]}"
    yield b'{"session_ids": [' + b",".join([b'"x"'] * 50_000) + b"]}"
    values: list[object] = [
        None,
        True,
        0,
        -1,
        1e308,
        10**400,
        [],
        {},
        "",
        "x",
        "\0",
        "\ud800",
        "\u202e",
        "x" * 2000,
        [[]],
        {"": {}},
    ]
    values += [
        "../" * 5 + token,
        f"/{token}",
        f"C:\\{token}",
        "a\r\nSet-Cookie: x",
        "${jndi:ldap://x}",
        "' OR 1=1 --",
        "%s%n",
        "\U0010ffff",
    ]
    for value in values:
        for fields in (
            ("fileName", "fileType"), ("sessionId", "s3Key"), ("session_id",), ("sessionIds",),
            ("session_ids", "files"),
            ("model", "stems", "format", "notify", "video"), ("gains",), ("\ud800",),
        ):  # fmt: skip
            valid = {
                "fileName": "x", "fileType": "", "sessionId": "x" * 32, "s3Key": "x", "session_id": "x" * 32,
                "sessionIds": ["x" * 32], "session_ids": ["x" * 32], "files": [{"fileName": "x",
                "fileType": ""}],
                "gains": {"x": 1},
            }  # fmt: skip
            yield json.dumps({**valid, **dict.fromkeys(fields, value)}).encode()
        yield json.dumps({"session_id": "x" * 32, "gains": {str(value): value}}).encode()
        yield json.dumps({"session_ids": [value], "sessionIds": [value], "files": [value]}).encode()
    for number in (b"1" * 5000, b"1e999", b"-Infinity", b"NaN", b"0." + b"0" * 9999 + b"1"):
        yield (
            b'{"session_id": "' + b"x" * 32 + b'", "gains": {"x": ' + number + b'}, "video": ' + number + b"}"
        )


def socket_frames() -> Iterator[bytes]:
    """Broken WebSocket frames (RFC 6455), sent after the handshake."""
    mask = bytes(4)
    yield from (b"", bytes(10), os.urandom(5000), b"\x81\x05hello")  # the last frame has no mask
    yield b"\x81\xff" + struct.pack(">Q", 2**63 - 1) + mask  # announces 2**63 - 1 bytes
    yield b"\x81\xff" + struct.pack(">Q", 2**64 - 1) + mask
    yield b"\x89\xfe" + struct.pack(">H", 1000) + mask + bytes(1000)  # a long ping
    yield b"\x09\x80" + mask  # a ping without its final bit
    yield b"\x83\x80" + mask  # a reserved opcode
    yield b"\x81\x82" + mask + b"\xff\xfe"  # not UTF-8
    yield b"\x88\x81" + mask + b"x" + b"\x88\x82" + mask + b"\0\0"  # two close frames, both malformed
    yield b"\x01\x81" + mask + b"x" + b"\x81\x81" + mask + b"x"  # a message within a message
    yield (b"\x00\x81" + mask + b"x") * 1000  # continuation frames without a first frame
    yield (b"\x89\x80" + mask) * 20_000
    # Compressed without negotiation; 64 MB when inflated.
    packed = zlib.compressobj(9, wbits=-15)
    bomb = packed.compress(bytes(64 << 20)) + packed.flush(zlib.Z_SYNC_FLUSH)
    yield (b"\xc1\xff" + struct.pack(">Q", len(bomb) - 4) + mask + bomb[:-4])
