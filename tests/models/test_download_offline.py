"""Without a network: the error says where to put the file, and the file is used."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from tests.models.file_server import FileServer
from tests.models.served_file import BODY, NAME, OTHER

from unbraid.models.published import ModelFile
from unbraid.models.sources import DownloadError, fetch


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, file: ModelFile) -> None:
    monkeypatch.setenv("UNBRAID_OFFLINE", "1")


@pytest.mark.usefixtures("offline")
def test_error_says_which_file_to_put_where(file: ModelFile, into: Path, server: FileServer) -> None:
    with pytest.raises(DownloadError) as caught:
        fetch(file, into)
    assert caught.value.message == (
        f"{NAME} can't be downloaded: UNBRAID_OFFLINE is set. "
        f"Unset UNBRAID_OFFLINE, use `unbraid models import`, or put these files into {into} by hand: "
        f"{file.url} (SHA-256 {file.sha256})"
    )
    assert server.requests == []


@pytest.mark.usefixtures("offline")
def test_file_added_by_hand_is_used(file: ModelFile, into: Path, server: FileServer) -> None:
    into.mkdir(parents=True)
    (into / NAME).write_bytes(BODY)
    assert fetch(file, into).read_bytes() == BODY
    assert server.requests == []


@pytest.mark.usefixtures("offline")
def test_wrong_file_added_by_hand_is_rejected(file: ModelFile, into: Path) -> None:
    into.mkdir(parents=True)
    (into / NAME).write_bytes(OTHER)
    with pytest.raises(
        DownloadError, match=f"{NAME} is a different file .its SHA-256 is {hashlib.sha256(OTHER).hexdigest()}"
    ):
        fetch(file, into)
    assert (into / NAME).read_bytes() == OTHER


def test_wrong_file_is_replaced_by_a_download(file: ModelFile, into: Path) -> None:
    into.mkdir(parents=True)
    (into / NAME).write_bytes(OTHER)
    assert fetch(file, into).read_bytes() == BODY
