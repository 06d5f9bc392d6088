"""A PostgreSQL server that runs during the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def programs() -> Path:
    """Folder of `initdb` and `postgres`. Skips the test if PostgreSQL is not installed."""
    found = [*sorted(Path("/usr/lib/postgresql").glob("*/bin")), *map(Path, os.get_exec_path())]
    for folder in reversed(found):
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    pytest.skip("PostgreSQL's server is not installed (sudo apt install postgresql)")


def postgres_user() -> dict[str, Any]:
    """Arguments of `subprocess` for the user of the server, because PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("PostgreSQL refuses to be run by root, and there is no user postgres")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of the server's first database. The server listens only on a socket in its own folder."""
    psycopg = pytest.importorskip("psycopg")
    bin_folder, user = programs(), postgres_user()
    # Not in pytest's folder, which other users can't read.
    folder = Path(tempfile.mkdtemp(prefix="unbraid-postgres-"))
    try:
        if user:
            os.chown(folder, user["user"], user["group"])
        data = str(folder / "data")
        make = [bin_folder / "initdb", "-D", data, "-U", "unbraid", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(make, check=True, capture_output=True, cwd=folder, **user)
        run = [bin_folder / "postgres", "-D", data, "-k", str(folder), "-F", "-c", "listen_addresses="]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(run, stdout=log, stderr=log, cwd=folder, **user)
        try:
            until = time.monotonic() + 30
            while True:
                try:
                    psycopg.connect(host=str(folder), user="unbraid", dbname="postgres").close()
                    break
                except psycopg.OperationalError:
                    assert server.poll() is None, (folder / "log").read_text()
                    assert time.monotonic() < until, (folder / "log").read_text()
                    time.sleep(0.05)
            yield f"postgresql://unbraid@/postgres?host={folder}"
        finally:
            server.send_signal(signal.SIGINT)  # fast shutdown: closes open connections
            server.wait(30)
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """URL of a new, empty database."""
    import psycopg

    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        yield postgres_server.replace("/postgres?", f"/{name}?")
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")
