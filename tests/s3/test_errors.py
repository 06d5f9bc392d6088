"""Errors of boto3 that pass by themselves are separated from those that stay."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.simulators.local_servers import free_port
from tests.simulators.relay import Answer, server

from unbraid.errors import OutputError, Unavailable
from unbraid.s3.files import S3Files
from unbraid.s3.reachable import ReachableClient

KEY = "inputs/0123456789abcdef/song.wav"


def store_at(url: str, scratch: Path) -> S3Files:
    config = Config(connect_timeout=2, read_timeout=0.3, retries={"total_max_attempts": 1})
    client = boto3.client("s3", endpoint_url=url, config=config)
    return S3Files("songs", lambda: ReachableClient(client), scratch)


def calls(store: S3Files, folder: Path) -> dict[str, Callable[[], Any]]:
    song = folder / "song"
    song.write_bytes(b"song")
    return {
        "put": lambda: store.put(song, KEY, "audio/wav"),
        "size": lambda: store.size(KEY),
        "head": lambda: store.head(KEY, 4),
        "read": lambda: store.local_file(KEY).__enter__(),
        "copy": lambda: store.copy(KEY, KEY + "2"),
        "delete": lambda: store.delete("inputs/0123456789abcdef/"),
        "discard": lambda: store.discard([KEY]),
        "ids": lambda: list(store.session_ids()),
    }


CALLS = ("put", "size", "head", "read", "copy", "delete", "discard", "ids")


@pytest.mark.parametrize("name", CALLS)
def test_store_that_does_not_answer_is_unavailable(aws: str, tmp_path: Path, name: str) -> None:
    nowhere = store_at(f"http://127.0.0.1:{free_port()}", tmp_path / "scratch")
    with pytest.raises(Unavailable):
        calls(nowhere, tmp_path)[name]()
    with server(lambda _: Answer(503, b"", {})) as url, pytest.raises(Unavailable):
        calls(store_at(url, tmp_path / "scratch"), tmp_path)[name]()
    with server(lambda _: None) as url, pytest.raises(Unavailable):
        calls(store_at(url, tmp_path / "scratch"), tmp_path)[name]()
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unavailable):
        calls(store_at(f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path / "scratch"), tmp_path)[name]()


def test_store_that_refuses_is_not(aws: str, tmp_path: Path) -> None:
    with server(lambda _: Answer(403, b"", {})) as url, pytest.raises(OutputError):
        calls(store_at(url, tmp_path / "scratch"), tmp_path)["put"]()
