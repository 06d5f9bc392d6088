"""The clients of `load.py`, in processes of their own: those that ask, and those that bring songs."""

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

EVERY_S = 1.0  # each poller
BLOCK = 1 << 16
TICK_S, LATE_S = 0.01, 0.005
ANSWER_S = 10.0
POLLERS_AT, UPLOADERS_AT = 1, 2  # third number of their addresses: 127.0.1.y, 127.0.2.y


@dataclass
class Seen:
    """What clients met."""

    errors: list[str] = field(default_factory=list)
    late: float = 0.0
    """Share of the time for which the event loop was late, so that times are longer than the server's."""


@dataclass
class Polled(Seen):
    """Status calls."""

    times_ms: list[float] = field(default_factory=list)


@dataclass
class Uploaded(Seen):
    """Songs that were sent."""

    times_s: list[float] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)


def poll(address: str, clients: int, seconds: float, hear: Connection, result: Connection) -> None:
    """So many clients ask once a second for sessions that `hear` has named; a `Polled` goes to `result`."""
    seen = Polled()
    asyncio.run(_poll_all(address, clients, seconds, hear, seen))
    result.send(seen)


def upload(
    address: str, clients: int, seconds: float, rate: float, song: Path, tell: Connection, result: Connection
) -> None:
    """So many clients bring `song` again and again, `rate` bytes a second; an `Uploaded` goes to `result`."""
    seen = Uploaded()
    asyncio.run(_upload_all(address, clients, seconds, rate, song.read_bytes(), tell, seen))
    result.send(seen)


async def _poll_all(address: str, clients: int, seconds: float, hear: Connection, seen: Polled) -> None:
    sessions: list[str] = []
    asyncio.get_running_loop().add_reader(hear.fileno(), lambda: sessions.append(hear.recv()))
    while not sessions:
        await asyncio.sleep(TICK_S)
    until = time.monotonic() + seconds
    lateness = asyncio.create_task(_watch(until, seen))
    await asyncio.gather(
        *(_poll(address, number, clients, until, sessions, seen) for number in range(clients))
    )
    await lateness


async def _poll(
    address: str, number: int, clients: int, until: float, sessions: list[str], seen: Polled
) -> None:
    choose = random.Random(number)
    due = time.monotonic() + EVERY_S * number / clients  # spread over the second, as people are
    reader, writer = await _connected(address, POLLERS_AT, number)
    while due < until:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        began = time.perf_counter()
        try:
            status, body = await asyncio.wait_for(_asked(reader, writer, choose.choice(sessions)), ANSWER_S)
            if status != 200 or json.loads(body)["status"] == "FAILED":
                seen.errors.append(f"status: {status} {body[:300]!r}")
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            seen.errors.append(f"status: {error!r}")
            reader, writer = await _connected(address, POLLERS_AT, number)
        seen.times_ms.append(1000 * (time.perf_counter() - began))
        due = max(due + EVERY_S, time.monotonic())
    writer.close()


async def _connected(
    address: str, net: int, number: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that stays, from an address of its own."""
    parts = urlsplit(address)
    return await asyncio.open_connection(parts.hostname, parts.port, local_addr=(_address(net, number), 0))


async def _asked(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session_id: str
) -> tuple[int, bytes]:
    """Status and body of `POST /status`. Written out, to leave the processor to the server."""
    body = json.dumps({"session_id": session_id}).encode()
    head = "POST /status HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    answer = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return int(answer[9:12]), await reader.readexactly(length)


async def _upload_all(
    address: str, clients: int, seconds: float, rate: float, song: bytes, tell: Connection, seen: Uploaded
) -> None:
    until = time.monotonic() + seconds
    lateness = asyncio.create_task(_watch(until, seen))
    await asyncio.gather(
        *(_bring(address, number, until, rate, song, tell, seen) for number in range(clients))
    )
    await lateness


async def _bring(
    address: str, number: int, until: float, rate: float, song: bytes, tell: Connection, seen: Uploaded
) -> None:
    async with _client(address, UPLOADERS_AT, number) as client:
        while time.monotonic() < until:
            try:
                answer = await client.post("/upload", json={"fileName": "song.wav", "fileType": "audio/wav"})
                made = answer.raise_for_status().json()
                tell.send(made["sessionId"])
                began = time.perf_counter()
                headers = {"Content-Type": "audio/wav", "Content-Length": str(len(song))}
                sent = await client.put(made["uploadUrl"], content=_slowly(song, rate), headers=headers)
                sent.raise_for_status()
                seen.times_s.append(time.perf_counter() - began)
                asked = {"s3Key": made["s3Key"], "sessionId": made["sessionId"], "model": "lite"}
                (await client.post("/process", json=asked)).raise_for_status()
                seen.sessions.append(made["sessionId"])
            except httpx.HTTPError as error:
                seen.errors.append(f"upload: {error!r}")
                await asyncio.sleep(EVERY_S)


async def _slowly(song: bytes, rate: float) -> AsyncIterator[bytes]:
    began = time.monotonic()
    for start in range(0, len(song), BLOCK):
        await asyncio.sleep(max(0.0, began + start / rate - time.monotonic()))
        yield song[start : start + BLOCK]


def _client(address: str, net: int, number: int) -> httpx.AsyncClient:
    """With an address of its own."""
    transport = httpx.AsyncHTTPTransport(local_address=_address(net, number), verify=False)
    return httpx.AsyncClient(base_url=address, transport=transport, timeout=ANSWER_S)


def _address(net: int, number: int) -> str:
    return f"127.0.{net}.{number + 1}"


async def _watch(until: float, seen: Seen) -> None:
    """Sleep again and again, and see by how much too long."""
    began, late = time.monotonic(), 0.0
    while (now := time.monotonic()) < until:
        await asyncio.sleep(TICK_S)
        over = time.monotonic() - now - TICK_S
        late += over if over > LATE_S else 0.0
    seen.late = late / (time.monotonic() - began)
