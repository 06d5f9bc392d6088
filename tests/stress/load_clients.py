"""Clients for the load test, in two processes: pollers, which call `POST /status`, and uploaders."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlsplit

import httpx

POLL_EVERY_S = 1.0
RETRY_S = 1.0
BLOCK = 1 << 16
TICK_S, LATE_S = 0.01, 0.005
ANSWER_S = 10.0
POLLERS_NET, UPLOADERS_NET = 1, 2  # pollers have addresses 127.0.1.y, uploaders 127.0.2.y


@dataclass
class ClientResult:
    """Errors and lateness of one process of clients."""

    errors: list[str] = field(default_factory=list)
    late: float = 0.0
    """Share of the time for which the event loop was late, so that measured times are too long."""


@dataclass
class PollResult(ClientResult):
    """Times of the status calls."""

    times_ms: list[float] = field(default_factory=list)


@dataclass
class UploadResult(ClientResult):
    """Times of the uploads, and ids of the sessions that were started."""

    times_s: list[float] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)


def poll(url: str, clients: int, seconds: float, session_ids: Connection, result: Connection) -> None:
    """Run clients that poll the sessions received from `session_ids`. Sends a PollResult to `result`."""
    seen = PollResult()
    asyncio.run(_poll_all(url, clients, seconds, session_ids, seen))
    result.send(seen)


def upload(
    url: str,
    clients: int,
    seconds: float,
    rate: float,
    song: Path,
    session_ids: Connection,
    result: Connection,
) -> None:
    """Run clients that upload `song` again and again at `rate` bytes a second. Sends an UploadResult to `result`.

    The id of every session goes to `session_ids`.
    """
    seen = UploadResult()
    asyncio.run(_upload_all(url, clients, seconds, rate, song.read_bytes(), session_ids, seen))
    result.send(seen)


async def _poll_all(
    url: str, clients: int, seconds: float, session_ids: Connection, seen: PollResult
) -> None:
    sessions: list[str] = []
    asyncio.get_running_loop().add_reader(session_ids.fileno(), lambda: sessions.append(session_ids.recv()))
    while not sessions:
        await asyncio.sleep(TICK_S)
    until = time.monotonic() + seconds
    lateness = asyncio.create_task(_measure_lateness(until, seen))
    await asyncio.gather(*(_poll(url, number, clients, until, sessions, seen) for number in range(clients)))
    await lateness


async def _poll(
    url: str, number: int, clients: int, until: float, sessions: list[str], seen: PollResult
) -> None:
    choose = random.Random(number)
    due = time.monotonic() + POLL_EVERY_S * number / clients  # spread over the second
    reader, writer = await _connect(url, POLLERS_NET, number)
    while due < until:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        began = time.perf_counter()
        try:
            status, body = await asyncio.wait_for(
                _call_status(reader, writer, choose.choice(sessions)), ANSWER_S
            )
            if status != 200 or json.loads(body)["status"] == "FAILED":
                seen.errors.append(f"status: {status} {body[:300]!r}")
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            seen.errors.append(f"status: {error!r}")
            reader, writer = await _connect(url, POLLERS_NET, number)
        seen.times_ms.append(1000 * (time.perf_counter() - began))
        due = max(due + POLL_EVERY_S, time.monotonic())
    writer.close()


async def _connect(url: str, net: int, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a lasting connection from the client's own address."""
    parts = urlsplit(url)
    return await asyncio.open_connection(parts.hostname, parts.port, local_addr=(_address(net, number), 0))


async def _call_status(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session_id: str
) -> tuple[int, bytes]:
    """Call `POST /status` with hand-written HTTP, which leaves more CPU time to the server than a library."""
    body = json.dumps({"session_id": session_id}).encode()
    head = "POST /status HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    answer = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return int(answer[9:12]), await reader.readexactly(length)


async def _upload_all(
    url: str,
    clients: int,
    seconds: float,
    rate: float,
    song: bytes,
    session_ids: Connection,
    seen: UploadResult,
) -> None:
    until = time.monotonic() + seconds
    lateness = asyncio.create_task(_measure_lateness(until, seen))
    await asyncio.gather(
        *(_upload(url, number, until, rate, song, session_ids, seen) for number in range(clients))
    )
    await lateness


async def _upload(
    url: str, number: int, until: float, rate: float, song: bytes, session_ids: Connection, seen: UploadResult
) -> None:
    async with _client(url, UPLOADERS_NET, number) as client:
        while time.monotonic() < until:
            try:
                answer = await client.post("/upload", json={"fileName": "song.wav", "fileType": "audio/wav"})
                session = answer.raise_for_status().json()
                session_ids.send(session["sessionId"])
                began = time.perf_counter()
                headers = {"Content-Type": "audio/wav", "Content-Length": str(len(song))}
                sent = await client.put(session["uploadUrl"], content=_slowly(song, rate), headers=headers)
                sent.raise_for_status()
                seen.times_s.append(time.perf_counter() - began)
                body = {"s3Key": session["s3Key"], "sessionId": session["sessionId"], "model": "lite"}
                (await client.post("/process", json=body)).raise_for_status()
                seen.sessions.append(session["sessionId"])
            except httpx.HTTPError as error:
                seen.errors.append(f"upload: {error!r}")
                await asyncio.sleep(RETRY_S)


async def _slowly(song: bytes, rate: float) -> AsyncIterator[bytes]:
    began = time.monotonic()
    for start in range(0, len(song), BLOCK):
        await asyncio.sleep(max(0.0, began + start / rate - time.monotonic()))
        yield song[start : start + BLOCK]


def _client(url: str, net: int, number: int) -> httpx.AsyncClient:
    """An HTTP client with its own address."""
    transport = httpx.AsyncHTTPTransport(local_address=_address(net, number), verify=False)
    return httpx.AsyncClient(base_url=url, transport=transport, timeout=ANSWER_S)


def _address(net: int, number: int) -> str:
    return f"127.0.{net}.{number + 1}"


async def _measure_lateness(until: float, seen: ClientResult) -> None:
    """Sleep again and again, and add up how much too long each sleep was."""
    began, late = time.monotonic(), 0.0
    while (now := time.monotonic()) < until:
        await asyncio.sleep(TICK_S)
        over = time.monotonic() - now - TICK_S
        late += over if over > LATE_S else 0.0
    seen.late = late / (time.monotonic() - began)
