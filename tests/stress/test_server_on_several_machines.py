"""Workers, the server, the database and the store of a server on several machines are killed and cut off at random.

PostgreSQL, SeaweedFS (a store with S3's API), the server and four workers run in network namespaces. Clients separate
songs meanwhile. Each song ends with the bytes that it has without any trouble, and nothing is left behind.

`./test -m stress -s tests/stress/test_server_on_several_machines.py` takes 200 songs and 40 events. STRESS_SONGS,
STRESS_EVENTS, STRESS_WORKERS and STRESS_SEED change it. Needs root, `ip` and PostgreSQL's server, and at the first time
the network, to install SeaweedFS.
"""

from __future__ import annotations

import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import urllib3
from benchmarks.songs import write_song
from tests.stress import stores
from tests.stress.network import Machine, network
from tests.stress.persistent_client import Client, Stems
from tests.stress.run_options import SEED, option

SONGS, EVENTS, WORKERS = int(option("SONGS", 200)), int(option("EVENTS", 40)), int(option("WORKERS", 4))
DIFFERENT = 10  # songs; the others are copies
SECONDS = (2.0, 6.0)  # of most songs
LONG_S = 60.0  # of one, whose stems are stored in parts
CLIENTS = 12
DEADLINE_S = 1500.0
OUTAGE_S = (1.0, 12.0)  # shorter and longer than a lease, and than the timeouts of connections
LEASE_S = 5
SWEEP_S = 120.0
SIGTERM_CODE = 128 + signal.SIGTERM
SOURCE = Path(__file__).parents[2] / "src"

pytestmark = pytest.mark.stress


@dataclass
class Machines:
    """All machines, and how to reach the server and the stores."""

    database: Machine
    store: Machine
    server: Machine
    workers: list[Machine]
    database_url: str
    variables: dict[str, str]

    @property
    def all(self) -> list[Machine]:
        return [self.database, self.store, self.server, *self.workers]

    @property
    def url(self) -> str:
        return f"http://{self.server.address}:8000"

    def settings(self, machine: Machine) -> dict[str, str]:
        """Environment of the server and of the workers."""
        return {
            **self.variables,
            "UNBRAID_DATABASE_URL": self.database_url,
            "UNBRAID_STORE": f"s3://{stores.BUCKET}/home",
            "UNBRAID_DATA": str(machine.folder / "data"),
            "UNBRAID_LEASE_S": str(LEASE_S),
            "UNBRAID_OFFLINE": "1",
            "UNBRAID_RATE": "1000",
            "UNBRAID_RATE_BURST": "1000",
            "PYTHONPATH": str(SOURCE),
            "PYTHONDONTWRITEBYTECODE": "1",
        }


@contextmanager
def machines() -> Iterator[Machines]:
    """Start all machines; a thread starts programs again that end."""
    # Not in pytest's folder, which the user of the database can't read.
    with tempfile.TemporaryDirectory(prefix="unbraid-machines-") as name, network(Path(name)) as net:
        Path(name).chmod(0o755)
        database, url = stores.add_database(net)
        store, variables = stores.add_store(net)
        made = Machines(
            database, store, net.add("server"), [net.add(f"w{n}") for n in range(WORKERS)], url, variables
        )
        serve = ("serve", "--host", made.server.address, "--port", "8000", "--insecure", "--workers", "0")
        made.server.command = [sys.executable, "-m", "unbraid", *serve]
        for worker in made.workers:
            worker.command = [sys.executable, "-m", "unbraid", "worker", "--workers", "1"]
        for machine in (made.server, *made.workers):
            machine.environment = made.settings(machine)
        database.start()
        store.start()
        stores.wait_until_ready(database, lambda: psycopg.connect(url).close())
        stores.wait_until_ready(store, lambda: make_bucket(variables))
        ended = threading.Event()

        def keep_running() -> None:
            while not ended.wait(0.1):
                for machine in made.all:
                    machine.keep_running()

        thread = threading.Thread(target=keep_running)
        thread.start()
        try:
            stores.wait_until_ready(made.server, lambda: healthy(made.url))
            yield made
        finally:
            ended.set()
            thread.join()


def make_bucket(variables: dict[str, str]) -> None:
    client = stores.client(variables)
    client.create_bucket(Bucket=stores.BUCKET)
    client.put_object(Bucket=stores.BUCKET, Key="ready", Body=b"ready")
    client.delete_object(Bucket=stores.BUCKET, Key="ready")


def healthy(url: str) -> None:
    assert urllib3.request("GET", f"{url}/healthz", retries=False, timeout=10).status == 200


def test_songs_survive_lost_machines_databases_and_stores(tmp_path: Path) -> None:
    durations = random.Random(SEED)
    songs = [
        write_song(tmp_path / f"{n}.wav", durations.uniform(*SECONDS) if n else LONG_S, seed=SEED + n)
        for n in range(DIFFERENT)
    ]
    with machines() as made:
        client = Client(made.url, time.monotonic() + DEADLINE_S)
        with ThreadPoolExecutor(CLIENTS) as pool:
            undisturbed = list(pool.map(client.separate, songs))
        assert not client.counts, client.counts
        began = time.monotonic()
        with ThreadPoolExecutor(CLIENTS) as pool:
            running = [pool.submit(client.separate, songs[n % DIFFERENT]) for n in range(SONGS)]
            try:
                events = disturb(made, running)
                print(f"{sum(events.values())} events: {text(events)}", flush=True)
                for number, future in enumerate(running):
                    assert future.result().equal(undisturbed[number % DIFFERENT]), f"song {number}"
            finally:
                for future in running:
                    future.cancel()
        print(f"{SONGS} songs in {time.monotonic() - began:.0f} s; {text(client.counts)}", flush=True)
        check_nothing_is_left(made)


def disturb(made: Machines, running: list[Future[Stems]]) -> Counter[str]:
    """Kill machines or pull their cables, spread evenly over the songs. Return the events by name."""
    choose, events = random.Random(SEED), Counter[str]()
    pulled: dict[str, tuple[Machine, float]] = {}
    targets = {
        "worker": (6, made.workers),
        "server": (2, [made.server]),
        "database": (2, [made.database]),
        "store": (2, [made.store]),
    }
    while sum(events.values()) < EVENTS or pulled:
        time.sleep(0.1)
        for machine, until in list(pulled.values()):
            if time.monotonic() > until:
                machine.plug_in()
                del pulled[machine.namespace]
        done = sum(future.done() for future in running)
        if sum(events.values()) >= EVENTS or done < len(running) * sum(events.values()) / (EVENTS + 1):
            continue
        name = choose.choices(list(targets), [weight for weight, _ in targets.values()])[0]
        machine = choose.choice(targets[name][1])
        outage_s = choose.uniform(*OUTAGE_S)
        if machine.namespace in pulled:
            continue
        if choose.random() < 0.5:
            machine.kill(outage_s)
            events[f"{name} killed"] += 1
        else:
            machine.pull_the_cable()
            pulled[machine.namespace] = machine, time.monotonic() + outage_s
            events[f"{name} cut off"] += 1
    return events


def check_nothing_is_left(made: Machines) -> None:
    """After a stop of the workers and one sweep of the server, no file, record or process is left."""
    for worker in made.workers:
        stores.wait_until_ready(worker, lambda worker=worker: _running(worker))  # type: ignore[misc]
        worker.down_until = float("inf")
        assert worker.stop() == SIGTERM_CODE
        assert worker.pids() == []
        assert list((worker.folder / "data").rglob("*.wav")) == []
    made.server.kill()  # the next one sweeps at its start
    client = stores.client(made.variables)
    until = time.monotonic() + SWEEP_S
    while files(client) and time.monotonic() < until:
        time.sleep(0.5)
    assert files(client) == []
    uploads = client.list_multipart_uploads(Bucket=stores.BUCKET).get("Uploads", [])
    with psycopg.connect(made.database_url) as db:
        states = Counter(state for (state,) in db.execute("SELECT state FROM sessions"))
    # An upload whose answer was lost leaves a record whose id no client knows, until it expires.
    print(f"records left: {dict(states)}; unfinished uploads of killed workers: {len(uploads)}", flush=True)
    assert set(states) <= {"AWAITING_UPLOAD"}
    clear_uploads(made)
    assert not client.list_multipart_uploads(Bucket=stores.BUCKET).get("Uploads")


def _running(machine: Machine) -> None:
    """Raise an error unless the program has started its worker process."""
    assert machine.process is not None and len(machine.pids()) > 1


def files(client: Any) -> list[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=stores.BUCKET)
    return [file["Key"] for page in pages for file in page.get("Contents", [])]


def clear_uploads(made: Machines) -> None:
    """Abort unfinished uploads as the server does after an hour."""
    from unbraid.local.bucket import BucketStore
    from unbraid.local.links import Links

    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.variables.items():
            patch.setenv(name, value)
        scratch = made.server.folder / "clear"
        BucketStore(f"s3://{stores.BUCKET}/home", Links(b"secret"), scratch).clear_parts(older_than_s=-60)


def text(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "no repeated calls"
